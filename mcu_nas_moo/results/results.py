"""The runs that are compared: per problem, whatever folders they came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcu_nas_moo.bench.reference import Reference
    from mcu_nas_moo.results.result_files import Found
    from mcu_nas_moo.results.trajectory import Trajectory
    from mcu_nas_moo.task import Task


@dataclass(frozen=True, eq=False)
class ProblemResults:
    """All runs on one problem.

    Attributes:
        task: what was optimised.
        reference: what runs are scored against.
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
        task = self.task
        return f"{task.space.name}--{task.profile.name}--{'-'.join(task.objectives)}"

    @property
    def title(self) -> str:
        """For people."""
        task = self.task
        return f"{task.space.name} on {task.profile.name}, {' and '.join(task.objectives)}"

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


def load_results(folders: Sequence[Path], jobs: int = 1) -> Results:
    """All runs in these folders, put together and scored against today's references.

    Takes folders of studies, folders above them, and compact files. Files that are damaged or
    something else are left out, which a warning says.

    Args:
        folders: in the order of importance for the order of problems and algorithms.
        jobs: processes that read.

    Raises:
        ValueError: if a folder does not exist, if nothing is left, or if the runs cannot stand in
            one table: tasks of one name that differ, a task that is another one today, or runs
            of one algorithm, seed and budget that differ. The message names file and field.
    """
    from mcu_nas_moo.bench.task_facts import problem_name
    from mcu_nas_moo.results.result_files import find_results

    warnings: list[str] = []
    groups: dict[str, list[Found]] = {}
    for found in find_results(folders, warnings.append):
        facts = found.facts
        name = problem_name(facts["space"], facts["profile"], facts["objectives"])
        groups.setdefault(name, []).append(found)
    problems = []
    for name, own in groups.items():
        problem = _merged(name, own, jobs, warnings)
        if problem is not None:
            problems.append(problem)
    if not problems:
        where = ", ".join(str(folder) for folder in folders)
        reasons = f"; {'; '.join(warnings)}" if warnings else ""
        raise ValueError(f"no finished runs in {where}{reasons}")
    return Results(tuple(problems), tuple(warnings))


def _merged(
    name: str, group: Sequence[Found], jobs: int, warnings: list[str]
) -> ProblemResults | None:
    """The runs of all files about one problem; None if there are none."""
    from mcu_nas_moo.bench.task_facts import StaleTaskError, difference, task_of_facts
    from mcu_nas_moo.results.result_files import suite_budgets

    first = group[0]
    for other in group[1:]:
        if other.facts["fingerprint"] != first.facts["fingerprint"]:
            raise ValueError(
                f"{first.source} and {other.source} are both about {name}, but differ in "
                f"{difference(first.facts, other.facts)}; report them apart"
            )
    try:
        task = task_of_facts(first.facts, str(first.source))
    except StaleTaskError:
        raise
    except ValueError as error:
        warnings.append(f"left out: {error}")
        return None
    merge = _Merge(name)
    for found in group:
        for run, path in found.trajectories(task, jobs, warnings.append):
            merge.add(run, path)
    if not merge.runs:
        return None
    warnings += merge.mixed_origins()
    budgets = {run.budget for run in merge.runs}
    for found in group:
        budgets.update(found.budgets)
        for folder in (found.source.parent, found.source.parent.parent):
            budgets.update(suite_budgets(folder).get(name, ()))
    longest = max(run.budget for run in merge.runs)
    judged = tuple(sorted(budget for budget in budgets if budget <= longest))
    return ProblemResults(task, _reference(name, group, task, warnings), judged, tuple(merge.runs))


def _reference(name: str, group: Sequence[Found], task: Task, warnings: list[str]) -> Reference:
    """Today's reference of a problem: the known one, else the first that a file keeps."""
    from mcu_nas_moo.bench.reference import known_reference
    from mcu_nas_moo.results.compact import same_front

    chosen = known_reference(task)
    others = []
    for found in group:
        kept = found.reference(task, warnings.append)
        if kept is None:
            continue
        if chosen is None:
            chosen = kept
        elif not same_front(chosen, kept):
            others.append(str(found.source.parent))
    if chosen is None:
        raise ValueError(
            f"{group[0].source}: no reference is kept beside it, and none is known for {name}; "
            "the command that made the runs, given once more, makes one"
        )
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        warnings.append(
            f"{name}: scored again, against the {chosen.kind} reference of today; the one kept in "
            f"{others[0]}{more} is another"
        )
    return chosen


class _Merge:
    """Puts runs together, each once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs: list[Trajectory] = []
        self._known: dict[tuple[str, int, int], tuple[Trajectory, Path]] = {}
        self._settings: dict[str, tuple[object, Path]] = {}
        self._origins: dict[str, dict[str, list[Path]]] = {}

    def add(self, run: Trajectory, path: Path) -> None:
        """Take a run in, unless it is there already.

        Raises:
            ValueError: if it is there with other evaluations, or its algorithm with other
                hyperparameters.
        """
        chosen = run.metadata.get("hyperparameters", {})
        settings, first = self._settings.setdefault(run.algorithm, (chosen, path))
        if chosen != settings:
            raise ValueError(
                f"{path}: hyperparameters: {run.algorithm} has {_said(chosen)} here and "
                f"{_said(settings)} in {first}; report them apart"
            )
        key = (run.algorithm, run.seed, run.budget)
        if key in self._known:
            known, where = self._known[key]
            if not _same_run(known, run):
                raise ValueError(
                    f"{path} and {where} hold different evaluations of {run.algorithm} with seed "
                    f"{run.seed} and budget {run.budget} on {self.name}; leave one of them out"
                )
            return
        self._known[key] = (run, path)
        self.runs.append(run)
        for field in ("optimiser", "versions"):
            value = run.metadata.get(field)
            text = _said(value) if isinstance(value, dict) else str(value)
            self._origins.setdefault(f"{run.algorithm} {field}", {}).setdefault(text, []).append(
                path
            )

    def mixed_origins(self) -> list[str]:
        """A line for each algorithm whose runs were made by different code or libraries."""
        lines = []
        for key, values in self._origins.items():
            if len(values) == 1:
                continue
            algorithm, field = key.rsplit(" ", 1)
            what = {"optimiser": "code or libraries", "versions": "versions"}[field]
            (one, here), (other, there) = list(values.items())[:2]
            lines.append(
                f"{self.name}: runs of {algorithm} were made with different {what}: "
                f"{field}: {_unlike(one, other)} in {here[0]}, {_unlike(other, one)} in {there[0]}"
            )
        return lines


def _said(values: object) -> str:
    facts = dict(values) if isinstance(values, dict) else {}
    return ", ".join(f"{key} {value}" for key, value in facts.items()) or "its defaults"


def _unlike(text: str, other: str) -> str:
    """The parts of a list of facts that another list has not."""
    known = set(other.split(", "))
    return ", ".join(part for part in text.split(", ") if part not in known) or text


def _same_run(one: Trajectory, other: Trajectory) -> bool:
    return (
        one.evaluations == other.evaluations
        and np.array_equal(one.at, other.at)
        and np.array_equal(one.X, other.X)
    )


def chosen_runs(
    results: Results, algorithms: Sequence[str] | None = None, seed: int | None = None
) -> Results:
    """Only the runs of these algorithms and of this seed; None for all.

    Raises:
        ValueError: if none is left.
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
        raise ValueError(f"no such runs; there are runs of {', '.join(known)}")
    return replace(results, problems=tuple(problems))
