"""What a run added to its feasible archive, and when: all that indicators need to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mcu_nas_moo.problem.archive import feasible, improvements

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.benchmark.runs.history import History
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray


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

    def archive(self, evaluations: int | None = None) -> FloatArray:
        """Objectives of the feasible archive after so many evaluations, at the end for None.

        Returns:
            mutually non-dominated, each value once, in order of discovery, shape ``(m, n_obj)``.
        """
        return self.F[self.archive_rows(evaluations)]

    def archive_rows(self, evaluations: int | None = None) -> IntArray:
        """Rows of ``X`` and ``F`` that :meth:`archive` consists of, increasing."""
        import moocore

        known = (
            len(self.at) if evaluations is None else np.searchsorted(self.at, evaluations, "right")
        )
        if not known:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(moocore.is_nondominated(self.F[:known]))

    @classmethod
    def of(cls, history: History, canonical: Callable[[Genotypes], Genotypes]) -> Self:
        """The trajectory of a run; ``canonical`` is that of its space."""
        is_feasible = feasible(history.G, history.F)
        rows = np.flatnonzero(is_feasible)[improvements(history.F[is_feasible])]
        n = len(history.X)
        # Rows as bytes: a set tells them apart faster than sorting does.
        networks = np.ascontiguousarray(canonical(history.X))
        return cls(
            algorithm=history.algorithm,
            seed=history.seed,
            budget=int(history.metadata["budget"]),
            evaluations=n,
            at=rows + 1,
            X=networks[rows],
            F=history.F[rows],
            first_feasible=int(is_feasible.argmax()) + 1 if is_feasible.any() else None,
            feasible_share=float(is_feasible.mean()),
            unique_share=len({network.tobytes() for network in networks}) / n,
            optimiser_ms=1e3 * float(history.optimiser_seconds.sum()) / n,
            wall_s=history.total_seconds,
            metadata=history.metadata,
        )
