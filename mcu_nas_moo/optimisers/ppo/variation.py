"""How new points are bred from known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.genotypes import cross, mutate

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import Genotypes, IntArray

#: Share of the children that have two parents before mutation.
CROSSOVER_SHARE = 0.5


def offspring(
    first: Genotypes, second: Genotypes, n_choices: IntArray, rng: np.random.Generator
) -> Genotypes:
    """A mutated child of each pair of parents, shape ``(N, n_genes)``."""
    crossed = rng.random((len(first), 1)) < CROSSOVER_SHARE
    return mutate(np.where(crossed, cross(first, second, rng), first), n_choices, rng)


def neighbours(
    x: Genotypes, n_choices: IntArray, at_most: int, rng: np.random.Generator
) -> Genotypes:
    """Genotypes that differ from ``x`` ``(n_genes,)`` in one gene, in random order.

    Returns:
        shape ``(M, n_genes)``; all there are, or ``at_most`` of them.
    """
    changes = n_choices - 1
    total = int(changes.sum())
    drawn = rng.choice(total, min(at_most, total), replace=False)
    columns = np.searchsorted(np.cumsum(changes), drawn, side="right")
    options = drawn - (np.cumsum(changes) - changes)[columns]
    X = np.repeat(x[None], len(drawn), axis=0)
    # The option that the gene has already is left out of the count.
    X[np.arange(len(drawn)), columns] = options + (options >= x[columns])
    return X
