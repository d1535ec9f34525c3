"""What a run added to its feasible archive, and when: all that indicators need to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mcu_nas_moo.bench.indicators import feasible

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.bench.history import History
    from mcu_nas_moo.typing import FloatArray, Genotypes, IntArray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The evaluations of a run that no earlier feasible evaluation weakly dominates, in order.

    The feasible archive after ``n`` evaluations is the non-dominated part of the rows with
    ``at <= n``; every indicator of the unbounded archive follows from them.

    Attributes:
        algorithm, seed, budget: which run.
        evaluations: how many genotypes the run evaluated; at most the budget.
        at: number of each evaluation, from 1, increasing, shape ``(k,)``.
        X: canonical genotypes, shape ``(k, n_genes)``.
        F: their objectives, shape ``(k, n_obj)``.
        first_feasible: number of the first feasible evaluation, from 1; None if there is none.
        feasible_share, unique_share: of all evaluations, in [0, 1]; unique are distinct networks.
        optimiser_ms: time of asking and telling per evaluation.
        wall_s: time of the whole run.
        metadata: settings, versions and fingerprints, as in the history.
    """

    algorithm: str
    seed: int
    budget: int
    evaluations: int
    at: IntArray
    X: Genotypes
    F: FloatArray
    first_feasible: int | None
    feasible_share: float
    unique_share: float
    optimiser_ms: float
    wall_s: float
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History, canonical: Callable[[Genotypes], Genotypes]) -> Self:
        """The trajectory of a run; ``canonical`` is that of its space."""
        met = feasible(history.G)
        rows = np.flatnonzero(met)[_improvements(history.F[met])]
        n = len(history.X)
        return cls(
            algorithm=history.algorithm,
            seed=history.seed,
            budget=int(history.metadata["budget"]),
            evaluations=n,
            at=rows + 1,
            X=canonical(history.X[rows]),
            F=history.F[rows],
            first_feasible=int(met.argmax()) + 1 if met.any() else None,
            feasible_share=float(met.mean()),
            unique_share=len(np.unique(canonical(history.X), axis=0)) / n,
            optimiser_ms=1e3 * float(history.optimiser_seconds.sum()) / n,
            wall_s=history.total_seconds,
            metadata=history.metadata,
        )


def _improvements(F: FloatArray) -> IntArray:
    """Rows of ``F`` that no earlier row weakly dominates, in order."""
    kept: list[int] = []
    front = np.zeros((0, F.shape[1]))
    for row, point in enumerate(F):
        if (front <= point).all(axis=1).any():
            continue
        front = np.concatenate([front[(front < point).any(axis=1)], point[None, :]])
        kept.append(row)
    return np.array(kept, dtype=np.int64)
