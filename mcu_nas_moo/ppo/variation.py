"""How new points are bred from known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.discrete import cross, mutate

if TYPE_CHECKING:
    from mcu_nas_moo.typing import Genotypes, IntArray

#: Share of the children that have two parents before mutation.
CROSSOVER_SHARE = 0.5


def offspring(
    first: Genotypes, second: Genotypes, n_choices: IntArray, rng: np.random.Generator
) -> Genotypes:
    """A mutated child of each pair of parents, shape ``(N, n_genes)``."""
    crossed = rng.random((len(first), 1)) < CROSSOVER_SHARE
    return mutate(np.where(crossed, cross(first, second, rng), first), n_choices, rng)
