"""How good a run was at any time: its hypervolume ratio as a function of the evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.benchmark.analysis.hypervolume import growing_hypervolume, share_of
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.results.trajectory import Trajectory
    from mcu_nas_moo.common.arrays import FloatArray, IntArray

#: Shares of the reference hypervolume whose first attainment is reported.
TARGETS = (0.90, 0.95, 0.99, 0.999)
#: Points of a front, about, that are taken together: few points of an archive are near them.
BOX = 150
#: Targets of the distribution of runtimes: gaps to the reference hypervolume that shrink by the
#: same factor from 10^-0.1 to 10^-3, in the manner of COCO (Hansen et al. 2016, "COCO:
#: Performance assessment").
RUNTIME_TARGETS = tuple(1.0 - 10.0 ** (-step / 10) for step in range(1, 31))


@dataclass(frozen=True, eq=False)
class AnyTimeCurve:
    """Hypervolume ratio of a run's feasible archive after every evaluation, as its steps.

    Attributes:
        at: numbers of the evaluations that joined the archive, from 1, increasing, ``(k,)``.
        ratios: hypervolume ratio from there to the next step, never decreasing, ``(k,)``; before
            the first step it is 0. Above 1 only if a run beats a pooled reference front.
    """

    at: IntArray
    ratios: FloatArray

    def after(self, evaluations: npt.ArrayLike) -> FloatArray:
        """Ratio after numbers of evaluations; a run that ended earlier keeps its archive.

        Args:
            evaluations: at least 1, any shape.

        Raises:
            InputError: if a number is below 1.
        """
        counts = np.asarray(evaluations)
        if counts.size and counts.min() < 1:
            raise InputError(f"numbers of evaluations must be at least 1, got {counts.min()}")
        steps = np.concatenate([[0.0], self.ratios])
        held: FloatArray = steps[np.searchsorted(self.at, counts, side="right")]
        return held

    def first_reaching(self, targets: npt.ArrayLike) -> FloatArray:
        """Number of the evaluation after which the ratio is at least each of ``targets``.

        Args:
            targets: positive, shape ``(t,)``.

        Returns:
            shape ``(t,)``; infinity where the target is not reached.
        """
        late = np.concatenate([self.at, [np.inf]])
        # What adds up to the target but for rounding has reached it.
        reached: FloatArray = late[np.searchsorted(self.ratios, np.asarray(targets) - 1e-12)]
        return reached

    def area(self, evaluations: int) -> float:
        """Mean ratio over log10 of the evaluations, from 1 to ``evaluations``.

        The area under the any-time curve, which sums up how early a run is how good. It is the
        complement of the normalised area over the convergence curve (López-Ibáñez, Vermetten,
        Dreo and Doerr 2024, "Using the empirical attainment function for analyzing
        single-objective black-box optimization algorithms"); the logarithm gives each factor of
        evaluations the same weight, as plots of runtimes do.

        Args:
            evaluations: at least 1. At 1, the ratio there.
        """
        if evaluations <= 1:
            return float(self.after(evaluations))
        steps = int(np.searchsorted(self.at, evaluations, side="right"))
        # The value of a step holds from its evaluation until the next step.
        edges = np.log10(np.append(self.at[:steps], evaluations))
        return float(np.diff(edges) @ self.ratios[:steps]) / float(np.log10(evaluations))


def any_time_curve(run: Trajectory, reference: Reference) -> AnyTimeCurve:
    """Any-time hypervolume ratio of a run, exact after every evaluation.

    Args:
        run: what it added to its archive.
        reference: what 1.0 means: the hypervolume of its front.
    """
    points = reference.normalise(run.F)
    volumes = growing_hypervolume(points, reference.reference_point)
    return AnyTimeCurve(run.at, share_of(volumes, reference.hypervolume))


def area_under_curve(run: Trajectory, reference: Reference, evaluations: int) -> float:
    """:meth:`AnyTimeCurve.area` of a run without its curve, in a fifth of the time.

    What each evaluation adds lasts until ``evaluations``: the area is a hypervolume in which the
    logarithm of the evaluation's number is one more objective.

    Args:
        run: what it added to its archive.
        reference: what 1.0 means.
        evaluations: at least 2.
    """
    import moocore

    rows, end = run.at <= evaluations, np.log10(evaluations)
    if not rows.any():
        return 0.0
    points = np.column_stack([reference.normalise(run.F[rows]), np.log10(run.at[rows])])
    volume = moocore.hypervolume(points, ref=np.append(reference.reference_point, end))
    return float(volume / end / reference.hypervolume)


class Distances(NamedTuple):
    """How far an archive is from the reference front, in normalised objectives.

    Attributes:
        igd_plus: mean distance from a point of the front to the region that the archive dominates
            (Ishibuchi et al. 2015); at least 0, 0 if the archive dominates the front weakly.
        epsilon: least amount by which the archive, moved towards the ideal point in all
            objectives, dominates the front weakly (Zitzler et al. 2003); below 0 only if the
            archive beats the front.

    Both are infinite for an empty archive.
    """

    igd_plus: float
    epsilon: float


def distances(archives: Sequence[FloatArray], reference: Reference) -> list[Distances]:
    """Distances of feasible archives ``(m, n_obj)``, not normalised, to the reference front."""
    import moocore

    front = reference.normalise(reference.F)
    boxes = [front]
    while len(front) > BOX * len(boxes):
        widest = [np.ptp(box, axis=0).argmax() for box in boxes]
        ordered = [box[box[:, n].argsort()] for box, n in zip(boxes, widest, strict=True)]
        boxes = [half for box in ordered for half in np.array_split(box, 2)]
    low, high = (np.stack([of(box, axis=0) for box in boxes]) for of in (np.min, np.max))
    found = []
    for archive in archives:
        if not len(archive):
            found.append(Distances(np.inf, np.inf))
            continue
        points, total = reference.normalise(archive), 0.0
        # What is farther from a whole box than another point is from any of it is never nearest.
        nearest = _squares(points, low).min(axis=1, keepdims=True)
        for box, near in zip(boxes, _squares(points, high) <= nearest, strict=True):
            total += float(moocore.igd_plus(points[near], ref=box)) * len(box)
        epsilon = float(moocore.epsilon_additive(points, ref=front))
        found.append(Distances(total / len(front), epsilon))
    return found


def _squares(points: FloatArray, corners: FloatArray) -> FloatArray:
    """Squared distances of each corner to what each point dominates, ``(corners, points)``."""
    squares = np.zeros((len(corners), len(points)))
    for values, corner in zip(points.T, corners.T, strict=True):
        beyond = values - corner[:, None]
        np.maximum(beyond, 0.0, out=beyond)
        squares += np.square(beyond, out=beyond)
    return squares
