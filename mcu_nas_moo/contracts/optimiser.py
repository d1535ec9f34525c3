"""The contract of every optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.contracts.problem import Problem


class Optimiser(Protocol):
    """Proposes genotypes and learns from what they are worth.

    The harness calls :meth:`ask` and :meth:`tell` in turn until the budget is used up.
    """

    def ask(self) -> Genotypes:
        """Genotypes to evaluate next, shape ``(n, n_genes)``; no rows ends the run."""

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        """Take in objectives ``F`` ``(n, n_obj)`` and constraints ``G`` ``(n, n_con)``.

        ``X`` is what was asked, or its first rows where the budget ends within a batch.
        """


@dataclass(frozen=True)
class Setting:
    """What an optimiser may know before it starts.

    Attributes:
        task: the problem; an optimiser must not evaluate it by itself.
        ideal, nadir: shape ``(n_obj,)``, the range of the objectives on the reference front.
        budget: number of evaluations of the run.
        seed: of all randomness.
        hyperparameters: those that differ from the optimiser's defaults, by name.
        tensorboard: folder of the run's log; None for no log. Only some optimisers write one.
    """

    task: Problem
    ideal: FloatArray
    nadir: FloatArray
    budget: int
    seed: int
    hyperparameters: Mapping[str, object] = field(default_factory=dict)
    tensorboard: Path | None = None


#: Builds a fresh optimiser for one run.
Factory: TypeAlias = "Callable[[Setting], Optimiser]"
