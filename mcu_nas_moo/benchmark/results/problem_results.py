"""The runs that are compared: per problem, whatever folders they came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.results.trajectory import Trajectory
    from mcu_nas_moo.problem.task import Task

#: Most reasons in a message that nothing is left.
REASONS = 5


@dataclass(frozen=True, eq=False)
class ProblemResults:
    """All runs on one problem.

    Attributes:
        budgets: numbers of evaluations at which runs are judged, increasing.
        trajectories: of all algorithms, seeds and budgets.
    """

    task: Task
    reference: Reference
    budgets: tuple[int, ...]
    trajectories: tuple[Trajectory, ...]

    @property
    def name(self) -> str:
        """For files, such as ``mbconv-stage--cortex-m7--error-latency``."""
        return self.task.name

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.task.title}, {' and '.join(self.task.objectives)}"

    def without_rows(self) -> ProblemResults:
        """The same runs without what they evaluated, which is most of them."""
        X, F = self.reference.X[:0], self.reference.F[:0]
        at = np.zeros(0, dtype=np.int64)
        runs = (replace(run, at=at, X=X, F=F) for run in self.trajectories)
        return replace(self, trajectories=tuple(runs))

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Names, in the order of first appearance."""
        return tuple(dict.fromkeys(run.algorithm for run in self.trajectories))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of all runs, increasing."""
        return tuple(sorted({run.seed for run in self.trajectories}))

    def judged(self, algorithm: str, count: int) -> list[Trajectory]:
        """For each seed, the run of ``algorithm`` that is judged after ``count`` evaluations.

        The one with that budget, else the one with the smallest larger budget: an algorithm whose
        proposals do not depend on the budget has one run for all counts. Seeds without such a run
        are left out.
        """
        chosen: dict[int, Trajectory] = {}
        for run in self.trajectories:
            if run.algorithm != algorithm or run.budget < count:
                continue
            known = chosen.get(run.seed)
            if known is None or run.budget < known.budget:
                chosen[run.seed] = run
        return [chosen[seed] for seed in sorted(chosen)]


@dataclass(frozen=True, eq=False)
class Results:
    """Runs on any number of problems.

    Attributes:
        problems: in the order of first appearance.
        warnings: what the reader should know, a line each.
    """

    problems: tuple[ProblemResults, ...]
    warnings: tuple[str, ...] = ()


def chosen_runs(
    results: Results, algorithms: Sequence[str] | None = None, seed: int | None = None
) -> Results:
    """Only the runs of these algorithms and of this seed; None for all.

    Raises:
        InputError: if none is left.
    """
    problems = []
    for problem in results.problems:
        kept = tuple(
            run
            for run in problem.trajectories
            if (algorithms is None or run.algorithm in algorithms) and seed in (None, run.seed)
        )
        if kept:
            problems.append(replace(problem, trajectories=kept))
    if not problems:
        known = dict.fromkeys(name for one in results.problems for name in one.algorithms)
        raise InputError(f"no such runs; there are runs of {', '.join(known)}")
    return replace(results, problems=tuple(problems))


def nothing_there(where: str, warnings: Sequence[str]) -> InputError:
    """The error to raise if no problem is left, with the first reasons."""
    shown = [*warnings[:REASONS]]
    if len(warnings) > REASONS:
        shown.append(f"and {len(warnings) - REASONS} more")
    reasons = f"; {'; '.join(shown)}" if shown else ""
    return InputError(f"no finished runs in {where}{reasons}")
