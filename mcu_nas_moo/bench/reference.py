"""What runs are scored against: a front fixed before any run, and the ranges it spans."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mcu_nas_moo
from mcu_nas_moo.files import write_atomically

if TYPE_CHECKING:
    from mcu_nas_moo.task import Task
    from mcu_nas_moo.typing import FloatArray, Genotypes

#: The reference point lies this share of the range beyond the nadir, so that the ends of the
#: front count (Ishibuchi et al. 2011; the default of BoTorch).
MARGIN = 0.1


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference front of one task.

    Attributes:
        space, profile, objectives: names of the task's parts.
        fingerprint: of the task; another fingerprint is another problem.
        X: genotypes on the front, shape ``(n, n_genes)``.
        F: their objectives, shape ``(n, n_obj)``, feasible and mutually non-dominated.
        kind: ``pooled``, the best of all that long searches found. A run may go beyond it.
        origin: how the front was made.
    """

    space: str
    profile: str
    objectives: tuple[str, ...]
    fingerprint: str
    X: Genotypes
    F: FloatArray
    kind: str = "pooled"
    origin: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def ideal(self) -> FloatArray:
        """Best value of each objective on the front, shape ``(n_obj,)``."""
        ideal: FloatArray = self.F.min(axis=0)
        return ideal

    @cached_property
    def nadir(self) -> FloatArray:
        """Worst value of each objective on the front, shape ``(n_obj,)``."""
        nadir: FloatArray = self.F.max(axis=0)
        return nadir

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
        import moocore

        return float(moocore.hypervolume(self.normalise(self.F), ref=self.reference_point))

    def save(self, path: Path) -> None:
        """Write the reference as JSON, one subnet per line."""
        facts = {
            "space": self.space,
            "profile": self.profile,
            "objectives": list(self.objectives),
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "origin": self.origin,
            "ideal": self.ideal.tolist(),
            "nadir": self.nadir.tolist(),
            "reference_point": (self.nadir + MARGIN * (self.nadir - self.ideal)).tolist(),
        }
        head = json.dumps(facts, indent=1)[:-2]
        rows = ",\n".join(
            f"  {json.dumps([x, f], separators=(',', ':'))}"
            for x, f in zip(self.X.tolist(), self.F.tolist(), strict=True)
        )
        text = f'{head},\n "front": [\n{rows}\n ]\n}}\n'
        write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def load_reference(path: Path) -> Reference:
    """Read what :meth:`Reference.save` wrote.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return Reference(
            space=facts["space"],
            profile=facts["profile"],
            objectives=tuple(facts["objectives"]),
            fingerprint=facts["fingerprint"],
            X=np.array([x for x, _ in facts["front"]], dtype=np.int64),
            F=np.array([f for _, f in facts["front"]], dtype=np.float64),
            kind=facts["kind"],
            origin=facts["origin"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no valid reference front ({error}); delete it, it will be made again"
        ) from error


def file_name(task: Task) -> str:
    """Name of the task's file among the shipped references."""
    return f"{task.space.name}--{task.profile.name}--{'-'.join(task.objectives)}.json"


def shipped_folder() -> Path | None:
    """Where the shipped references lie: in the installed package, or in the source tree."""
    spec = importlib.util.find_spec("mcu_nas_moo.reference_fronts")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    package = Path(next(iter(mcu_nas_moo.__path__)))
    folder = package.parent / "benchmarks" / "reference_fronts"
    return folder if folder.is_dir() else None


def shipped_reference(task: Task) -> Reference | None:
    """The shipped reference of exactly this task, None if there is none."""
    folder = shipped_folder()
    if folder is None or not (folder / file_name(task)).is_file():
        return None
    reference = load_reference(folder / file_name(task))
    return reference if reference.fingerprint == task.fingerprint else None
