"""Results in little space: the trajectories of all runs on a problem in one file.

Objectives are not kept, since the task computes them from the genotypes again, exactly. What the
runs have in common (settings, versions, fingerprints) stands once.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import Field

from mcu_nas_moo.benchmark.references.reference import Reference, ReferenceFacts, shipped_reference
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing, write_atomically
from mcu_nas_moo.common.genotypes import distinct_rows
from mcu_nas_moo.common.json_files import parse_mapping
from mcu_nas_moo.common.npz_files import FACTS, read_npz
from mcu_nas_moo.common.yaml_files import Facts, validate
from mcu_nas_moo.problem.facts import ProblemFacts, problem_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults, Results
    from mcu_nas_moo.problem.task import Task

#: Takes a message for the reader of the results.
Warn: TypeAlias = Callable[[str], object]
#: Of the files, counted up when older ones can no longer be read.
FORMAT = 1
#: Facts of a run that stand in its file, beside its rows and metadata.
RUN_FACTS = (
    *("algorithm", "seed", "budget", "evaluations", "first_feasible"),
    *("feasible_share", "unique_share", "optimiser_ms", "wall_s"),
)
#: Zip archives begin like this; a date of their own would make equal results unequal files.
_DATE = (1980, 1, 1, 0, 0, 0)

#: How messages call such a file.
KIND = "a file of results"
Count = Annotated[int, Field(ge=0, strict=True)]


class _RunFacts(Facts):
    """A run in a compact file: :data:`RUN_FACTS`, its rows, and which of the metadata are its."""

    algorithm: str
    seed: Count
    budget: Count
    evaluations: Count
    first_feasible: Count | None
    feasible_share: float
    unique_share: float
    optimiser_ms: float
    wall_s: float
    rows: Count
    metadata: Count


class _CompactFacts(Facts, extra="ignore"):
    """What a compact file says beside the facts of its problem."""

    format: Literal[1]
    budgets: tuple[Count, ...]
    runs: tuple[_RunFacts, ...]
    metadata: tuple[dict[str, Any], ...]


class CompactFile(NamedTuple):
    """What a file says before its task is known.

    Attributes:
        facts: all that it says, with ``budgets``, ``runs`` and ``metadata``.
        arrays: rows of all runs, one run after the other.
    """

    source: Path
    problem: ProblemFacts
    facts: dict[str, Any]
    arrays: Mapping[str, np.ndarray[Any, Any]]

    @property
    def budgets(self) -> tuple[int, ...]:
        """Numbers of evaluations at which its runs are judged."""
        return tuple(self.facts["budgets"])

    @property
    def size(self) -> float:
        """About how much work its runs are, in no unit."""
        return float(
            sum(run["budget"] for run in self.facts["runs"]) * len(self.problem.objectives) ** 2
        )

    def trajectories(self, task: Task, warn: Warn) -> list[tuple[Trajectory, Path]]:
        """Its runs, with the file, which is read again; none if that is damaged by now."""
        with left_out(warn):
            runs = trajectories_of(read_compact(self.source), task)
            return [(run, self.source) for run in runs]
        return []

    def reference(self, task: Task, warn: Warn) -> Reference | None:
        """What its runs were scored against, None if that is the shipped reference."""
        if "reference" not in self.facts:
            return None
        with left_out(warn):
            return reference_in(read_compact(self.source), task)
        return None


@contextmanager
def left_out(warn: Warn, more: str = "") -> Iterator[None]:
    """Leave out what cannot be used, and say why: an InputError within ends the block alone."""
    try:
        yield
    except InputError as error:
        warn(f"left out: {error}{more}")


def save_compact(results: Results, folder: Path) -> list[Path]:
    """Write one file per problem, named after it; returns their paths.

    The reference goes along where neither the package nor the problem tells it.
    """
    return [_save(problem, folder / f"{problem.name}.npz") for problem in results.problems]


def _save(problem: ProblemResults, path: Path) -> Path:
    runs: list[dict[str, Any]] = []
    shared: list[dict[str, Any]] = []
    numbers: dict[str, int] = {}
    for run in problem.trajectories:
        text = json.dumps(run.metadata, sort_keys=True)
        if text not in numbers:
            numbers[text] = len(shared)
            shared.append(run.metadata)
        facts = {name: getattr(run, name) for name in RUN_FACTS}
        runs.append({**facts, "rows": len(run.at), "metadata": numbers[text]})
    task, reference = problem.task, problem.reference
    facts = {
        "format": FORMAT,
        **task.facts().plain(path.parent),
        "budgets": list(problem.budgets),
        "runs": runs,
        "metadata": shared,
    }
    arrays = {
        "at": _narrowest_integers(
            np.concatenate([np.diff(run.at, prepend=0) for run in problem.trajectories])
        ),
        "X": _narrowest_integers(np.concatenate([run.X for run in problem.trajectories])),
    }
    shipped = shipped_reference(task)
    # A front without genotypes is one that the problem tells, also the next time.
    if len(reference.X) and (shipped is None or not same_front(shipped, reference)):
        facts["reference"] = {"kind": reference.kind, "origin": reference.origin}
        arrays["reference_X"] = _narrowest_integers(reference.X)
    arrays["facts"] = np.array(json.dumps(facts))
    write_atomically(path, lambda partial: _write_archive(partial, arrays))
    return path


def rewrite_facts(file: CompactFile, facts: Mapping[str, Any]) -> None:
    """Write a file again with other facts about the same rows."""
    arrays = {**file.arrays, "facts": np.array(json.dumps(facts))}
    write_atomically(file.source, lambda partial: _write_archive(partial, arrays))


def _write_archive(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Arrays as ``numpy.load`` reads them, with better compression than numpy writes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _DATE)
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, buffer.getvalue())


def _narrowest_integers(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same natural numbers in the smallest type that holds them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def read_compact(path: Path, *, rows: bool = True) -> CompactFile:
    """Read what :func:`save_compact` wrote, up to what needs the task.

    Without ``rows``, which take long, these are neither read nor checked.

    Raises:
        InputError: if the file is damaged, or something else.
    """
    with parsing(path, kind=KIND):
        arrays = read_npz(path, None if rows else {"facts": FACTS})
        facts = parse_mapping(str(arrays.pop("facts")))
        checked = validate(_CompactFacts, facts, "facts")
        if rows:
            at, X, n = arrays["at"], arrays["X"], sum(run.rows for run in checked.runs)
            if not (at.dtype.kind == X.dtype.kind == "u" and X.ndim == 2 and at.shape == (n,)):
                raise InputError(f"X is {X.shape}, at is {at.shape}, runs tell of {n} rows")
            if len(X) != n or any(run.metadata >= len(checked.metadata) for run in checked.runs):
                raise InputError(f"X has {len(X)} rows, runs tell of {n}, or metadata are missing")
    return CompactFile(path, problem_facts(facts, str(path)), facts, arrays)


def trajectories_of(file: CompactFile, task: Task) -> tuple[Trajectory, ...]:
    """The runs of a file, exactly as they were.

    Args:
        file: of this task; the caller has compared fingerprints.
        task: computes the objectives.

    Raises:
        InputError: if the genotypes do not fit the space.
    """
    facts, arrays = file.facts, file.arrays
    X = arrays["X"]
    with parsing(file.source, kind=KIND):
        # All are natural numbers: the largest of each gene tells.
        task.space.check(X.max(axis=0, initial=0, keepdims=True))
    # Runs find the same networks again and again; each is computed once. All at a time would
    # take much memory.
    unique, _, place = distinct_rows(X)
    F = np.concatenate([task.evaluate(part).F for part in np.array_split(unique, 8)])[place]
    runs, start = [], 0
    for run in facts["runs"]:
        rows = slice(start, start := start + run["rows"])
        at = np.cumsum(arrays["at"][rows], dtype=np.int64)
        own = {name: run[name] for name in RUN_FACTS}
        metadata = facts["metadata"][run["metadata"]]
        runs.append(Trajectory(**own, at=at, X=X[rows], F=F[rows], metadata=metadata))
    return tuple(runs)


def reference_in(file: CompactFile, task: Task) -> Reference | None:
    """The reference that went along, None if that was the shipped one.

    Raises:
        InputError: if it is damaged, or does not fit the space.
    """
    about = file.facts.get("reference")
    if about is None or "reference_X" not in file.arrays:
        return None
    with parsing(file.source, kind=KIND):
        own = validate(ReferenceFacts, about, "reference")
        X = task.space.check(file.arrays["reference_X"])
        if not len(X):
            raise InputError("reference_X has no rows")
    return Reference(file.problem, X, task.evaluate(X).F, own.kind, own.origin)


def same_front(one: Reference, other: Reference) -> bool:
    """Whether two references hold the same points, whatever their order."""
    if one is other:
        return True
    if one.F.shape != other.F.shape:
        return False
    return bool((_sorted(one) == _sorted(other)).all())


def _sorted(reference: Reference) -> Any:
    return reference.F[np.lexsort(reference.F.T)]
