"""A real task that is small enough to know its front by brute force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo import FunctionEvaluator, Gene, SearchSpace, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.problem.task import Evaluation

#: Limits that cut off a part of the networks each.
TOY_LIMITS = {"flash_kib": 60.0, "sram_kib": 13.0, "latency_ms": 30.0}
SIZES = (1, 2, 4, 8)
TOY_METRICS = ("accuracy", "latency_ms", "sram_kib", "flash_kib", "energy_mj", "macs_m")


class ToySpace(SearchSpace):
    """Genes of four sizes; the last one has no effect while the first one is smallest.

    Args:
        genes: how many there are, 3 to 6.
    """

    def __init__(self, genes: int = 6) -> None:
        super().__init__("toy", [Gene(f"stage{g}_width", SIZES) for g in range(1, genes + 1)])

    @property
    def n_networks(self) -> int:
        return self.n_genotypes // 16 * 13

    def active(self, X: Any) -> BoolArray:
        mask = super().active(X)
        mask[self.check(X)[:, 0] == 0, -1] = False
        return mask


def toy_figures(space: SearchSpace, X: Genotypes) -> dict[str, FloatArray]:
    """Accuracy and costs, which grow with the sizes, each gene with weights of its own."""
    size = np.array(SIZES, dtype=np.float64)[space.canonical(X)]
    genes = slice(space.n_genes)
    # A product of matrices depends on the batch in its last digits.
    latency = (size @ np.array([0.7, 1.9, 1.1, 2.3, 0.5, 1.3])[genes] + 0.37).round(9)
    growth = (np.log2(size) @ np.array([0.31, 0.07, 0.23, 0.17, 0.11, 0.05])[genes]).round(9)
    return {
        "accuracy": 1 - np.exp(-growth),
        "accuracy_std": np.full(len(X), 0.01),
        "latency_ms": latency,
        "sram_kib": size[:, :-1].max(axis=1) + size[:, 1:].max(axis=1) + 1.0,
        "flash_kib": size @ np.array([1.0, 1.5, 2.0, 2.5, 3.0, 3.5])[genes],
        "energy_mj": 0.3 * latency,
        "macs_m": latency / 10,
    }


class ToyTask(Task):
    """A task of a small space whose figures come from a function; counts what it evaluates.

    Args:
        objectives, limits: see ``Task``.
        space: small enough to look at all of it.
        figures: function of the space and genotypes ``(N, n_genes)``, see ``FunctionEvaluator``.
        metrics: that it tells.
        profile: of a device whose limits count as well; none by default.

    Attributes:
        evaluations: number of networks that were evaluated.
    """

    def __init__(
        self,
        objectives: Sequence[str] = ("error", "latency"),
        limits: Mapping[str, float] = TOY_LIMITS,
        *,
        space: SearchSpace | None = None,
        figures: Callable[[SearchSpace, Genotypes], Any] = toy_figures,
        metrics: Sequence[Metric | str] = TOY_METRICS,
        profile: Profile | None = None,
    ) -> None:
        evaluator = FunctionEvaluator(figures, tuple(metrics))
        super().__init__(
            space or ToySpace(), profile, objectives, limits=limits, evaluators=[evaluator]
        )
        self.evaluations = 0

    def evaluate(self, X: Any) -> Evaluation:
        """As of any task, and counted."""
        self.evaluations += len(X)
        return super().evaluate(X)

    def everything(self) -> Genotypes:
        """Every network once, in canonical form, shape ``(n_networks, n_genes)``."""
        sizes = tuple(self.n_choices)
        X = np.indices(sizes).reshape(len(sizes), -1).T
        distinct: Genotypes = np.unique(self.space.canonical(X), axis=0)
        return distinct

    def front(self) -> tuple[Genotypes, FloatArray]:
        """The networks that none dominates, ``(M, n_genes)``, and their ``F`` ``(M, n_obj)``.

        By comparing each with each, without a library. Among equal ones, the first stands.
        """
        X = self.everything()
        F, G = super().evaluate(X)
        met = (G <= 0).all(axis=1) & np.isfinite(F).all(axis=1)
        F, first = np.unique(F[met], axis=0, return_index=True)
        no_worse = np.ones((len(F), len(F)), dtype=np.bool_)
        better = np.zeros((len(F), len(F)), dtype=np.bool_)
        for column in F.T:
            no_worse &= column[:, None] <= column
            better |= column[:, None] < column
        best = np.flatnonzero(~(no_worse & better).any(axis=0))
        return X[met][first][best], F[best]


def toy_task(
    objectives: Sequence[str] = ("error", "latency"), limits: Mapping[str, float] = TOY_LIMITS
) -> ToyTask:
    """A task of 3,328 networks on no device, see :func:`toy_figures`.

    Args:
        objectives: up to six, such as ``error``, ``latency``, ``sram``, ``flash``.
        limits: by metric; ``{}`` for no constraints.
    """
    return ToyTask(objectives, limits)
