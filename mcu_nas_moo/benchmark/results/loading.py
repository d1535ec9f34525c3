"""Results of any folders put together: each run once, each problem as it is today."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.references.reference import known_reference, shipped_reference
from mcu_nas_moo.benchmark.results.compact import left_out, same_front
from mcu_nas_moo.benchmark.results.problem_results import ProblemResults, Results, nothing_there
from mcu_nas_moo.benchmark.results.result_files import find_results, suite_budgets
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import look_in
from mcu_nas_moo.common.workpool import WorkPool
from mcu_nas_moo.problem.facts import difference
from mcu_nas_moo.problem.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.results.compact import Warn
    from mcu_nas_moo.benchmark.results.result_files import Found
    from mcu_nas_moo.benchmark.runs.study import Run, Study


def load_results(folders: Sequence[Path], jobs: int = 1) -> Results:
    """All runs in these folders, put together and scored against today's references.

    Takes folders of studies, folders above them, and compact files. What is damaged or something
    else is left out, which a warning says with file and field. So is what cannot stand in one
    table with what came before it: a task of the same name that differs, a task that is another
    one today, and runs of an algorithm whose hyperparameters or evaluations differ.

    Args:
        folders: in the order of importance for the order of problems and algorithms.

    Raises:
        InputError: if a folder does not exist, or if nothing is left.
    """
    sources, warnings = find_problems(folders)
    loaded = WorkPool(jobs).map(ProblemSource.__call__, sources)
    for _, more in loaded:
        warnings += more
    problems = tuple(problem for problem, _ in loaded if problem is not None)
    if not problems:
        raise nothing_there(", ".join(map(str, folders)), warnings)
    return Results(problems, tuple(warnings))


def results_of_study(
    study: Study, runs: Sequence[Run], reference: Reference
) -> tuple[ProblemResults, tuple[str, ...]]:
    """The finished ones of ``runs`` of a study, whose task is at hand; there are no warnings.

    Raises:
        InputError: if a file is damaged, or of another study.
    """
    canonical = study.task.space.canonical
    kept = tuple(Trajectory.of(history, canonical) for history in study.histories(runs))
    return ProblemResults(study.task, reference, (study.budget,), kept), ()


@dataclass(frozen=True, eq=False)
class ProblemSource:
    """Where the runs on one problem lie; calling it loads them."""

    name: str
    files: tuple[Found, ...]

    def __call__(self) -> tuple[ProblemResults | None, list[str]]:
        """The runs, None if there are none, and warnings for the reader."""
        warnings: list[str] = []
        return _merged(self.name, self.files, warnings), warnings

    @property
    def size(self) -> float:
        """About how much work its runs are, in no unit."""
        return sum(file.size for file in self.files)


def find_problems(folders: Sequence[Path]) -> tuple[list[ProblemSource], list[str]]:
    """Where the runs on each problem are, and warnings about what is none; see `load_results`."""
    look_in(Path.cwd())  # for what other processes made of modules of the user's
    warnings: list[str] = []
    groups: dict[str, list[Found]] = {}
    places: dict[Path, None] = {}
    for found in find_results(folders, warnings.append):
        groups.setdefault(found.problem.name, []).append(found)
        places.update(dict.fromkeys(found.source.parents[:2]))
    for folder in places:
        suite_budgets(folder, warnings.append)
    return [ProblemSource(name, tuple(files)) for name, files in groups.items()], warnings


def _merged(name: str, files: Sequence[Found], warnings: list[str]) -> ProblemResults | None:
    """The runs of all files about one problem; None if there are none."""
    group, task = _one_task(name, files, warnings)
    if task is None:
        return None
    merge = _Merge(name)
    for found in group:
        merge.add(found.trajectories(task, warnings.append), warnings.append)
    if not merge.runs:
        return None
    reference = _reference(name, group, task, warnings)
    if reference is None:
        return None
    warnings += merge.mixed_origins()
    budgets = {run.budget for run in merge.runs}
    for found in group:
        budgets.update(found.budgets)
        for folder in (found.source.parent, found.source.parent.parent):
            budgets.update(suite_budgets(folder).get(name, ()))
    longest = max(run.budget for run in merge.runs)
    judged = tuple(sorted(budget for budget in budgets if budget <= longest))
    return ProblemResults(task, reference, judged, tuple(merge.runs))


def _one_task(
    name: str, group: Sequence[Found], warnings: list[str]
) -> tuple[list[Found], Task | None]:
    """The first task of a problem's files that is the same today, and the files about it."""
    same: dict[str, list[Found]] = {}
    for found in group:
        same.setdefault(found.problem.fingerprint, []).append(found)
    kept: list[Found] = []
    task: Task | None = None
    for files in same.values():
        first = files[0]
        more = "" if len(files) == 1 else f"; as well as {len(files) - 1} more about that task"
        if task is not None:
            warnings.append(
                f"left out: {first.source}: it and {kept[0].source} are both about {name}, but "
                f"differ in {difference(kept[0].problem, first.problem)}; report them apart{more}"
            )
            continue
        with left_out(warnings.append, more):
            kept, task = files, Task.from_facts(first.problem, first.source)
    return kept, task


def _reference(
    name: str, group: Sequence[Found], task: Task, warnings: list[str]
) -> Reference | None:
    """Today's reference of a problem: the known one, else the first that a file keeps."""
    chosen = None
    for look_up in (known_reference, shipped_reference):
        try:
            chosen = look_up(task)
            break
        except InputError as error:
            warnings += {f"left out: {error}"} - {*warnings}
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
        warnings.append(
            f"left out: {group[0].source}: no reference is kept beside it, and none is known for "
            f"{name}; the command that made the runs, given once more, makes one"
        )
        return None
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

    def add(self, runs: Sequence[tuple[Trajectory, Path]], warn: Warn) -> None:
        """Take the runs of a folder or file in, except those that are there already.

        An algorithm one of whose runs is there with other evaluations or hyperparameters is left
        out, with a warning.
        """
        conflicts: dict[str, str] = {}
        for run, path in runs:
            conflict = self._conflict(run, path)
            if conflict is not None:
                conflicts.setdefault(run.algorithm, conflict)
        for name, conflict in conflicts.items():
            lost = sum(run.algorithm == name for run, _ in runs)
            many = "the run" if lost == 1 else f"all {lost} runs"
            warn(f"left out: {conflict} ({many} of {name} there)")
        for run, path in runs:
            if run.algorithm in conflicts:
                continue
            # Runs of one folder may disagree, too.
            conflict = self._conflict(run, path)
            if conflict is None:
                self._add(run, path)
            else:
                warn(f"left out: {conflict}")

    def _conflict(self, run: Trajectory, path: Path) -> str | None:
        """Why a run cannot stand beside those that are there, None if it can."""
        chosen = run.metadata.get("hyperparameters", {})
        settings, first = self._settings.get(run.algorithm, (chosen, path))
        if chosen != settings:
            return (
                f"{path}: hyperparameters: {run.algorithm} has {_format_settings(chosen)} here and "
                f"{_format_settings(settings)} in {first}; report them apart"
            )
        known, where = self._known.get((run.algorithm, run.seed, run.budget), (run, path))
        if not _same_run(known, run):
            return (
                f"{path} and {where} hold different evaluations of {run.algorithm} with seed "
                f"{run.seed} and budget {run.budget} on {self.name}; leave one of them out"
            )
        return None

    def _add(self, run: Trajectory, path: Path) -> None:
        key = (run.algorithm, run.seed, run.budget)
        if key in self._known:
            return
        self._settings.setdefault(run.algorithm, (run.metadata.get("hyperparameters", {}), path))
        self._known[key] = (run, path)
        self.runs.append(run)
        for field in ("optimiser", "versions"):
            value = run.metadata.get(field)
            text = _format_settings(value) if isinstance(value, dict) else str(value)
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
                f"{field}: {_parts_not_in(one, other)} in {here[0]}, "
                f"{_parts_not_in(other, one)} in {there[0]}"
            )
        return lines


def _format_settings(values: object) -> str:
    facts = dict(values) if isinstance(values, dict) else {}
    return ", ".join(f"{key} {value}" for key, value in facts.items()) or "its defaults"


def _parts_not_in(text: str, other: str) -> str:
    """The parts of a list of facts that another list has not."""
    known = set(other.split(", "))
    return ", ".join(part for part in text.split(", ") if part not in known) or text


def _same_run(one: Trajectory, other: Trajectory) -> bool:
    return (
        one.evaluations == other.evaluations
        and np.array_equal(one.at, other.at)
        and np.array_equal(one.X, other.X)
    )
