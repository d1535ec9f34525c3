"""What another evaluator says of the subnets of a front, beside what the search believed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.workpool import WorkPool
from mcu_nas_moo.problem.evaluators.checked_evaluator import SPREAD
from mcu_nas_moo.problem.evaluators.task_evaluators import evaluator_of
from mcu_nas_moo.problem.stored_task import profile_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.problem.evaluators.checked_evaluator import Answer
    from mcu_nas_moo.problem.facts import ProblemFacts
    from mcu_nas_moo.search.subnets import Subnets


@dataclass(frozen=True, eq=False)
class MeasuredFront:
    """Figures of N subnets by an evaluator.

    Attributes:
        subnets: that were measured; their own figures are those of the search.
        metrics: what was measured.
        found: by metric, ``(N,)``; NaN for what could not be measured.
        reasons: why, by row.
    """

    subnets: Subnets
    metrics: tuple[Metric, ...]
    found: dict[str, FloatArray]
    reasons: dict[int, str]

    def believed(self, metric: Metric) -> FloatArray | None:
        """What the search believed of a metric, ``(N,)``; None if it said nothing."""
        return self.subnets.metrics.get(metric.name)


def measure(
    subnets: Subnets,
    evaluator: str,
    jobs: int = 1,
    done: Callable[[int], object] = lambda finished: None,
) -> MeasuredFront:
    """Ask an evaluator about each subnet.

    Args:
        subnets: of one problem.
        evaluator: ``emulator``, ``module:Name``, or a table.
        jobs: processes.
        done: is told how many subnets are finished, each time that one is.

    Raises:
        InputError: for an unknown evaluator, or subnets whose space cannot be made again.
    """
    space = subnets.problem.search_space()
    profile = profile_of(subnets.problem)
    asked = evaluator_of(evaluator, space, profile)  # bad names are told before the work begins
    X = np.concatenate([space.encode(genes) for genes in subnets.genes])
    ask = partial(_ask, evaluator, subnets.problem)
    answers = WorkPool(jobs).map(ask, [*X], done)
    names = [*asked.metrics, *(name + SPREAD for name in asked.metrics)]
    found = {
        name: np.array([float(one.values.get(name, [np.nan])[0]) for one in answers])
        for name in names
    }
    told = {name: values for name, values in found.items() if name in asked.metrics}
    spreads = {name: found[name] for name in names if not np.isnan(found[name]).all()}
    reasons = {row: one.reasons[0] for row, one in enumerate(answers) if one.reasons}
    return MeasuredFront(subnets, tuple(asked.metrics.values()), told | spreads, reasons)


def _ask(evaluator: str, problem: ProblemFacts, x: IntArray) -> Answer:
    space = problem.search_space()
    return evaluator_of(evaluator, space, profile_of(problem)).evaluate(space, x[None])


def check_measurable(subnets: Subnets) -> None:
    """Raise an InputError for solutions of a problem, which no evaluator of networks knows."""
    if subnets.problem.problem is not None or not all(subnets.genes):
        raise InputError(
            f"{subnets.problem.title} has solutions that evaluators of networks do not know"
        )
