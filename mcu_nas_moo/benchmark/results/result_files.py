"""Finding and reading files of results: folders of studies, and compact files."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from pydantic import Field

from mcu_nas_moo.benchmark.references.reference import REFERENCE_FILE, kept_reference
from mcu_nas_moo.benchmark.results.compact import CompactFile, left_out, read_compact
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import load_history
from mcu_nas_moo.benchmark.runs.study import RUNS, STUDY_FILE, read_study
from mcu_nas_moo.benchmark.runs.suite import SUITE_FILE
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.genotypes import distinct_rows
from mcu_nas_moo.common.json_files import read_json, write_json
from mcu_nas_moo.common.yaml_files import Facts, validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.results.compact import Warn
    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.problem.facts import ProblemFacts
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.spaces.genes import SearchSpace

#: Objectives that another machine computed may differ by so much, relatively.
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class FoundStudy:
    """A folder of runs of one task and one budget.

    Attributes:
        source: the file that says which problem and budget.
        problem, budget: what it says.
    """

    source: Path
    problem: ProblemFacts
    budget: int

    @property
    def budgets(self) -> tuple[int, ...]:
        """Numbers of evaluations at which its runs are judged."""
        return (self.budget,)

    @property
    def size(self) -> float:
        """About how much work its runs are, in no unit."""
        return float(len(self.run_files) * self.budget * len(self.problem.objectives) ** 2)

    @property
    def run_files(self) -> list[Path]:
        """Of its finished runs."""
        return sorted((self.source.parent / RUNS).glob("[!.]*.npz"))

    def trajectories(self, task: Task, warn: Warn) -> list[tuple[Trajectory, Path]]:
        """Its runs and their files; those that are damaged or foreign are left out."""
        kept = []
        for path in self.run_files:
            with left_out(warn):
                kept.append((_read_run(path, self, task.space, task.n_obj), path))
        return _true_runs(kept, task, warn)

    def reference(self, task: Task, warn: Warn) -> Reference | None:
        """What its runs were scored against, None if that is not known."""
        with left_out(warn):
            return kept_reference(self.source.parent, task)
        return None


#: A compact file is without its rows, which are read when they are needed.
Found: TypeAlias = FoundStudy | CompactFile


def find_results(folders: Sequence[Path], warn: Warn) -> list[Found]:
    """Everything in these folders, and in those below, that holds results.

    Files of results may be named as well. Damaged and foreign ones are left out, with a warning.

    Raises:
        InputError: if a folder does not exist.
    """
    found: list[Found] = []
    seen: set[Path] = set()
    for folder in folders:
        if not folder.exists():
            raise InputError(f"{folder}: there is no such folder or file of results")
        for path in _candidates(folder, warn):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            with left_out(warn):
                if path.name == STUDY_FILE:
                    found.append(FoundStudy(path, *read_study(path)))
                else:
                    found.append(read_compact(path, rows=False))
    return found


def _candidates(folder: Path, warn: Warn) -> Iterator[Path]:
    """Files that say what they hold: those of studies, and compact ones."""
    if folder.is_file():
        yield folder
        return
    studies = sorted(folder.rglob(STUDY_FILE))
    yield from studies
    # By name without ending: error-latency comes before error-latency-sram.
    files = sorted(folder.rglob("[!.]*.npz"), key=lambda path: (path.parent, path.stem))
    inside = {path.parent / RUNS for path in studies}
    lost = Counter(path.parent for path in files if path.parent not in inside and _is_run(path))
    for place, number in lost.items():
        warn(_reason_left_out(place, number))
    folders = {*inside, *lost}
    references = {place.parent / REFERENCE_FILE for place in folders}
    yield from (path for path in files if path.parent not in folders and path not in references)


def _is_run(path: Path) -> bool:
    """Whether a file has the place and the name of a run of a study."""
    return path.parent.name == RUNS and re.search(r"-s\d+$", path.stem) is not None


def _reason_left_out(runs: Path, number: int) -> str:
    """Why the runs in a folder are not read."""
    many = f"{number} run{'' if number == 1 else 's'} left out"
    if (runs.parent / STUDY_FILE).exists():
        return f"{runs}: {many}; name the folder above, which has the {STUDY_FILE}"
    return f"{runs}: {STUDY_FILE} is missing; {many}; give the suite's command again"


def _read_run(path: Path, study: FoundStudy, space: SearchSpace, n_obj: int) -> Trajectory:
    history = load_history(path)
    wanted = {"budget": study.budget, "fingerprint": study.problem.fingerprint}
    for name, expected in wanted.items():
        found = history.metadata.get(name)
        if found != expected:
            raise InputError(
                f"{path}: {name}: expected {expected}, that of its folder, got {found}"
            )
    try:
        space.check(history.X)
    except InputError as error:
        raise InputError(f"{path}: X: {error}") from None
    n, shape = len(history.X), history.F.shape
    if shape != (n, n_obj) or not n:
        raise InputError(f"{path}: F: expected {n_obj} objectives per row of X, got {shape}")
    failed = np.asarray(np.isnan(history.F).all(axis=1) & np.isnan(history.G).all(axis=1))
    if failed.sum() != sum(history.metadata.get("failures", {}).values()):
        failed[:] = False  # the file does not tell of them
    for name, values in (("F", history.F), ("G", history.G)):
        good = np.isfinite(values).all(axis=1) | failed
        if not good.all():
            row = int(good.argmin())
            raise InputError(f"{path}: {name}: row {row} is not finite: {_row(values[row])}")
    return Trajectory.of(history, space.canonical)


def _true_runs(
    runs: list[tuple[Trajectory, Path]], task: Task, warn: Warn
) -> list[tuple[Trajectory, Path]]:
    """Those of ``runs`` whose archive is what the task says of its networks."""
    if not runs:
        return runs
    X = np.concatenate([run.X for run, _ in runs])
    if not len(X):
        return runs
    # Runs find the same networks again and again; each is computed once.
    unique, _, place = distinct_rows(X)
    F, G = (values[place] for values in task.evaluate(unique))
    true, start = [], 0
    for run, path in runs:
        rows = slice(start, start := start + len(run.X))
        with left_out(warn):
            _compare(path, run, F[rows], G[rows])
            true.append((run, path))
    return true


def _compare(path: Path, run: Trajectory, F: FloatArray, G: FloatArray) -> None:
    """Refuse a run whose archive differs from what the task says, ``F`` and ``G``."""
    wrong = ~np.isclose(run.F, F, rtol=TOLERANCE, atol=0.0).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}: F: row {run.at[row] - 1} is not what the task says "
            f"({_row(run.F[row])} there, {_row(F[row])} computed)"
        )
    broken = (G > TOLERANCE).any(axis=1)
    if broken.any():
        row = int(broken.argmax())
        raise InputError(
            f"{path}: G: row {run.at[row] - 1} is not what the task says "
            f"(feasible there, {_row(G[row])} computed)"
        )


def _row(values: FloatArray) -> str:
    return ", ".join(f"{value:.6g}" for value in values.tolist())


class _SuiteFacts(Facts, extra="allow"):
    budgets: dict[str, list[Annotated[int, Field(ge=1, strict=True)]]]


def suite_budgets(folder: Path, warn: Warn = lambda _: None) -> dict[str, list[int]]:
    """Numbers of evaluations by problem that the suite in ``folder`` asked for, if one did."""
    path = folder / SUITE_FILE
    if path.exists():
        with left_out(warn):
            return validate(_SuiteFacts, read_json(path), str(path)).budgets
    return {}  # the budgets of the runs tell most of it


def suite_records(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """What the suites in these folders, and in those below, recorded about themselves."""
    records = []
    for folder in folders:
        for path in sorted(folder.rglob(SUITE_FILE)):
            try:
                record = read_json(path)
            except InputError:
                continue  # the runs beside it do not need it
            if record not in records:
                records.append(record)
    return records


def copy_record(folders: Sequence[Path], folder: Path) -> None:
    """Let what a suite recorded go along with its results into ``folder``.

    Nothing is written if the results come from several suites, or from none.
    """
    records = suite_records(folders)
    if len(records) == 1:
        write_json(folder / SUITE_FILE, records[0])
