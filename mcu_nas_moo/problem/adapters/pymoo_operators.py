"""Genetic operators of pymoo that work on genes with few options.

They serve any integer problem of pymoo with ``xl = 0``; option ``k`` of a variable is the number
``k``. Populations stay int64 from the first sample to the result, without a repair operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.sampling import Sampling
from pymoo.operators.crossover.ux import UniformCrossover

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.genotypes import mutate, random_genotypes, row_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymoo.core.population import Population
    from pymoo.core.problem import Problem

    from mcu_nas_moo.common.arrays import BoolArray, Genotypes, IntArray


def integer_operators(
    canonical: Callable[[Genotypes], Genotypes] | None = None, mutation_rate: float | None = None
) -> dict[str, Any]:
    """Fresh operators as keyword arguments of pymoo's genetic algorithms.

    Args:
        canonical: maps genotypes ``(N, n_genes)`` to the representatives of what they denote;
            rows with the same representative count as duplicates. By default all rows differ.
        mutation_rate: probability that a gene changes; by default one gene per child on average.
    """
    return {
        "sampling": OptionSampling(),
        "crossover": UniformCrossover(prob=0.9),
        "mutation": OptionMutation(mutation_rate),
        "eliminate_duplicates": CanonicalDuplicateElimination(canonical),
    }


class OptionSampling(Sampling):  # type: ignore[misc]
    """Uniform random genotypes."""

    def _do(
        self,
        problem: Problem,
        n_samples: int,
        *_: Any,
        random_state: np.random.Generator,
        **__: Any,
    ) -> Genotypes:
        return random_genotypes(n_samples, _n_choices(problem), random_state)


class OptionMutation(Mutation):  # type: ignore[misc]
    """Lets a gene take another option, see :func:`mcu_nas_moo.common.genotypes.mutate`."""

    def __init__(self, rate: float | None = None) -> None:
        super().__init__(prob=1.0)
        self.rate = rate

    def _do(
        self,
        problem: Problem,
        X: Genotypes,
        *_: Any,
        random_state: np.random.Generator,
        **__: Any,
    ) -> Genotypes:
        return mutate(X, _n_choices(problem), random_state, self.rate)


class CanonicalDuplicateElimination(DuplicateElimination):  # type: ignore[misc]
    """Drops rows that denote the same as an earlier row; compares hashes, not pairs of rows."""

    def __init__(self, canonical: Callable[[Genotypes], Genotypes] | None = None) -> None:
        super().__init__()
        self.canonical = canonical

    def _do(self, pop: Population, other: Population | None, is_duplicate: BoolArray) -> BoolArray:
        seen = set() if other is None else set(self._keys(other))
        for row, key in enumerate(self._keys(pop)):
            is_duplicate[row] = key in seen
            if other is None:
                seen.add(key)
        return is_duplicate

    def _keys(self, pop: Population) -> list[bytes]:
        X = np.asarray(pop.get("X"))
        return row_keys(X if self.canonical is None else self.canonical(X))


def _n_choices(problem: Problem) -> IntArray:
    if np.any(problem.xl != 0):
        raise InputError(
            "these operators need option indices that start at 0; shift the variables to xl = 0"
        )
    return np.asarray(problem.xu, dtype=np.int64) + 1
