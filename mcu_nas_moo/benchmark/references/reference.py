"""What runs are scored against: a front fixed before any run, and the ranges it spans."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import cache_folder, parsing
from mcu_nas_moo.common.json_files import parse_mapping
from mcu_nas_moo.common.npz_files import FACTS, FIGURES, INDICES, read_npz, write_npz
from mcu_nas_moo.common.yaml_files import Facts, validate
from mcu_nas_moo.problem.facts import ProblemFacts, changed_parts, problem_facts
from mcu_nas_moo.spaces.abilities import Splittable
from mcu_nas_moo.spaces.register import list_spaces

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.problem.task import Task

#: Name of the reference beside the runs that are scored against it.
REFERENCE_FILE = "reference.npz"
#: The reference point lies this share of the range beyond the nadir, so that the ends of the
#: front count (Ishibuchi et al. 2011; the default of BoTorch).
MARGIN = 0.1
#: Largest space that can be enumerated within a day or so.
MOST_NETWORKS = 10**10


class ReferenceFacts(Facts, extra="ignore"):
    """What a file says of a reference beside its problem, see :class:`Reference`."""

    kind: Literal["exact", "pooled"]
    origin: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference front of one task.

    Attributes:
        problem: that it is the front of; another fingerprint is another problem.
        X: genotypes on the front, shape ``(n, n_genes)``; no rows if they are not known.
        F: their objectives, shape ``(n, n_obj)``, feasible and mutually non-dominated.
        kind: ``exact``, the front of all networks of the space; or ``pooled``, the best of all
            that long searches found, which a run may go beyond.
        origin: how the front was made.
    """

    problem: ProblemFacts
    X: Genotypes
    F: FloatArray
    kind: str = "pooled"
    origin: dict[str, Any] = field(default_factory=dict)

    def is_of(self, task: Task) -> bool:
        """Whether it is the front of exactly this task."""
        return self.problem.fingerprint == task.fingerprint

    @cached_property
    def ideal(self) -> FloatArray:
        """Best value of each objective on the front, shape ``(n_obj,)``."""
        return np.asarray(self.F.min(axis=0))

    @cached_property
    def nadir(self) -> FloatArray:
        """Worst value of each objective on the front, shape ``(n_obj,)``."""
        return np.asarray(self.F.max(axis=0))

    def normalise(self, F: FloatArray) -> FloatArray:
        """Objectives with the ideal at 0 and the nadir at 1; not clipped."""
        span = self.nadir - self.ideal
        # A front of one point has no range; its own value is then the unit.
        span = np.where(span > 0, span, np.maximum(np.abs(self.ideal), 1e-12))
        return (F - self.ideal) / span

    @property
    def reference_point(self) -> FloatArray:
        """Reference point of the hypervolume in normalised objectives, shape ``(n_obj,)``."""
        return np.full(self.F.shape[1], 1.0 + MARGIN)

    @cached_property
    def hypervolume(self) -> float:
        """Hypervolume of the front in normalised objectives."""
        return self.hypervolume_of(self.F)

    def hypervolume_of(self, F: FloatArray, margin: float = MARGIN) -> float:
        """Hypervolume of objectives ``(m, n_obj)``, which are normalised here.

        The reference point is ``margin`` beyond the nadir, as a share of the front's range.
        """
        import moocore

        corner = np.full(self.F.shape[1], 1.0 + margin)
        return float(moocore.hypervolume(self.normalise(F), ref=corner)) if len(F) else 0.0

    def figures(self, task: Task) -> dict[str, FloatArray]:
        """Metrics of the front by ``task``; its objectives alone where no genotypes are known."""
        if len(self.X):
            return task.metrics(self.X)
        columns = zip(task.objective_metrics, self.F.T, strict=True)
        return {metric.name: metric.minimised(column) for metric, column in columns}

    def save(self, path: Path) -> None:
        """Write the reference as a compressed NPZ file."""
        facts = {**self.problem.plain(), "kind": self.kind, "origin": self.origin}
        arrays = {
            "X": self.X.astype(np.int16),
            "F": self.F,
            "ideal": self.ideal,
            "nadir": self.nadir,
            "reference_point": self.nadir + MARGIN * (self.nadir - self.ideal),
            "facts": np.array(json.dumps(facts)),
        }
        write_npz(path, arrays, compressed=True)


def load_reference(path: Path, remedy: str = "delete it, it will be made again") -> Reference:
    """Read what :meth:`Reference.save` wrote; ``remedy`` is for a file that is damaged.

    Raises:
        InputError: if the file is damaged.
    """
    with parsing(path, remedy, "a reference front"):
        data = read_npz(path, {"X": INDICES, "F": FIGURES, "facts": FACTS})
        facts = parse_mapping(str(data["facts"]))
        problem = problem_facts(facts, "facts")
        own = validate(ReferenceFacts, facts, "facts")
        shape = (len(data["X"]) or len(data["F"]), len(problem.objectives))
        if not shape[0] or data["F"].shape != shape or not np.isfinite(data["F"]).all():
            raise InputError(f"F should be {shape[1]} finite figures for each of {shape[0]} rows")
        return Reference(problem, data["X"].astype(np.int64), data["F"], own.kind, own.origin)


def kept_reference(folder: Path, task: Task) -> Reference | None:
    """The reference in the folder of runs or of a tuning; None if there is none of this task.

    Raises:
        InputError: if the file is damaged.
    """
    path = folder / REFERENCE_FILE
    reference = load_reference(path) if path.exists() else None
    return reference if reference is not None and reference.is_of(task) else None


def user_reference_path(problem: ProblemFacts) -> Path:
    """Where a reference that the user made lies: in the cache, one file for each problem."""
    return cache_folder() / "reference-fronts" / f"{problem.name}--{problem.fingerprint}.npz"


def shipped_folder() -> Path:
    """Where the shipped references lie."""
    return Path(str(files("mcu_nas_moo"))) / "reference_fronts"


def shipped_reference(task: Task) -> Reference | None:
    """The shipped reference of exactly this task, None if there is none."""
    reference = _shipped_under_the_name_of(task)
    return reference if reference is not None and reference.is_of(task) else None


def known_reference(task: Task) -> Reference | None:
    """The reference of exactly this task that the user made or the problem or package tells."""
    path = user_reference_path(task.facts())
    if path.exists():
        return load_reference(path)
    front = task.reference_front
    return shipped_reference(task) if front is None else told_reference(task, front)


def told_reference(task: Task, front: FloatArray) -> Reference:
    """The front that a problem itself tells, ``(n, n_obj)``; what others dominate is left out."""
    import moocore

    F = np.unique(front[moocore.is_nondominated(front)], axis=0)
    X = np.zeros((0, task.n_genes), dtype=np.int64)
    return Reference(task.facts(), X, F, "exact", {"told_by": "the problem"})


def stale_note(task: Task) -> str | None:
    """Why the shipped reference of this name is not used, and how to make one that fits.

    None if there is none of the name; and if the limits are other ones than the profile's or the
    costs are learned, which is another problem and no sign of age.
    """
    reference = _shipped_under_the_name_of(task)
    if reference is None or reference.is_of(task):
        return None
    changed = changed_parts(reference.problem.fingerprints, task.fingerprints)
    if list(changed) == ["limits"] or task.learned_metrics:
        return None
    parts = " and ".join(changed.values()) or "the problem"
    return (
        f"The shipped reference front of {task.name} is stale: {parts} changed since it "
        f"was made. Remake it with `{remake_command(task)}`."
    )


def can_enumerate(task: Task) -> bool:
    """Whether the space is small enough, and predictor and cost model tell all of its networks."""
    return (
        task.space.n_networks <= MOST_NETWORKS
        and isinstance(task.space, Splittable)
        and task.predictor is not None
        and task.cost_model is not None
        and not (task.learned_metrics or task.evaluators.own)
    )


def remake_command(task: Task) -> str:
    """The command that makes the exact reference of a task, or the pooled one of a large space."""
    if task.source is not None:
        name = task.source if isinstance(task.source, str) else task.source.name
        return f"mcu-nas enumerate --problem {shlex.quote(name)}"
    if not can_enumerate(task):
        return "python benchmarks/make_references.py"
    space = task.space.name
    names = space if space in list_spaces() else f"{space}.yaml", task.device_name
    parts = ["mcu-nas enumerate --space {} --profile {}".format(*map(shlex.quote, names))]
    if (predictor := task.facts().predictor) is not None:
        parts.append(f"--accuracy {shlex.quote(predictor.file)}")
    parts.append(f"--objectives {','.join(task.objectives)}")
    changed = task.changed_limits.items()
    return " ".join(parts + [f"--{name.replace('_', '-')} {limit:g}" for name, limit in changed])


def _shipped_under_the_name_of(task: Task) -> Reference | None:
    path = shipped_folder() / f"{task.name}.npz"
    if not path.is_file():
        return None
    remedy = f"remake it with `{remake_command(task)}` or install the package again"
    return load_reference(path, remedy)
