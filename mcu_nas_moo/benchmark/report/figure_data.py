"""What the figures show, as plain arrays: prepared once, drawn by plotly and by matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.benchmark.analysis.attainment import attainment_surface, box_corner
from mcu_nas_moo.common.genotypes import distinct_rows

if TYPE_CHECKING:
    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray

#: Points of a reference front that a figure shows at most.
REFERENCE_POINTS = 700
#: Points of a front of two objectives that a figure shows at most; a joined line needs them.
LINE_POINTS = 500
#: Points of all algorithms' fronts of more objectives on one problem, at most, roughly.
CLOUD_POINTS = 900
#: Lines of the grid, in each direction, on which attainment is compared.
GRID_LINES = 70
#: Points of a line of steps at most: about one for some pixels.
STEP_POINTS = 100


class Band(NamedTuple):
    """Median and quartiles over the seeds after each of ``evaluations``, shapes ``(m,)``."""

    evaluations: IntArray
    lower: FloatArray
    median: FloatArray
    upper: FloatArray


def any_time(analysis: Analysis) -> dict[str, Band]:
    """The any-time hypervolume ratio of each algorithm, in the order of the ranking.

    Only where every seed has a value, since the median of fewer would jump. An algorithm without
    such a place is left out.
    """
    bands = {}
    for name in analysis.ranking:
        curve = analysis.curves.get(name)
        if curve is None or not len(curve.ratios):
            continue
        known = np.isfinite(curve.ratios).all(axis=0)
        if known.any():
            quartiles = np.quantile(curve.ratios[:, known], [0.25, 0.5, 0.75], axis=0)
            bands[name] = Band(np.asarray(curve.evaluations)[known], *quartiles)
    return bands


@dataclass(frozen=True, eq=False)
class Fronts:
    """Feasible Pareto fronts of each algorithm, over all its seeds, and the reference front.

    Attributes:
        evaluations: after how many evaluations of a run.
        reference: objectives ``(r, n_obj)``, sorted.
        X, F: networks on a front of any algorithm, each once, canonical ``(n, n_genes)``, and their
            objectives ``(n, n_obj)``.
        rows: for each algorithm its front: rows of ``X`` and ``F``, sorted by objectives.
        left_out: points of the algorithms and of the reference that are not shown, being too many.
    """

    evaluations: int
    reference: FloatArray
    X: Genotypes
    F: FloatArray
    rows: dict[str, IntArray]
    left_out: int


def fronts(analysis: Analysis) -> Fronts:
    """The fronts where the algorithms are ranked; those without a feasible network are left out."""
    import moocore

    results, count = analysis.results, analysis.compared_at
    shared = max(60, CLOUD_POINTS // max(len(analysis.ranking), 1))
    most = LINE_POINTS if results.task.n_obj == 2 else shared
    left_out = 0
    points: dict[str, tuple[Genotypes, FloatArray]] = {}
    for name in analysis.ranking:
        archives = [(run, run.archive_rows(count)) for run in results.judged(name, count)]
        if not sum(len(rows) for _, rows in archives):
            continue
        X = np.concatenate([run.X[rows] for run, rows in archives])
        F = np.concatenate([run.F[rows] for run, rows in archives])
        X, first, _ = distinct_rows(X)
        F = F[first]
        best = moocore.is_nondominated(F, keep_weakly=True)
        shown = _thinned(F[best], most)
        left_out += int(best.sum()) - len(shown)
        points[name] = (X[best][shown], F[best][shown])
    n_genes, n_obj = results.reference.X.shape[1], results.reference.F.shape[1]
    X = np.concatenate([np.zeros((0, n_genes), np.int64), *(X for X, _ in points.values())])
    F = np.concatenate([np.zeros((0, n_obj)), *(F for _, F in points.values())])
    unique, first, row = distinct_rows(X)
    ends = np.cumsum([len(own) for own, _ in points.values()])[:-1]
    rows = dict(zip(points, np.split(row, ends), strict=True)) if points else {}
    known = _thinned(results.reference.F, REFERENCE_POINTS)
    left_out += len(results.reference.F) - len(known)
    return Fronts(count, results.reference.F[known], unique, F[first], rows, left_out)


def _thinned(F: FloatArray, most: int) -> IntArray:
    """At most ``most`` rows of ``F``, sorted, evenly spread over them, both ends among them."""
    order = np.lexsort(F.T[::-1])
    return order[_spread(len(order), most)]


def _spread(n: int, most: int) -> IntArray:
    """At most ``most`` of the numbers below ``n``, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


@dataclass(frozen=True, eq=False)
class Attainment:
    """How often the runs of each algorithm attain a point, for two objectives.

    A run attains a point if it found a feasible network that is no worse in both objectives
    (Grunert da Fonseca, Fonseca and Hall 2001).

    Attributes:
        evaluations: after how many evaluations of a run.
        across, upwards: lines of the grid, values of the second objective ``(a,)`` and of the first
            ``(u,)``, increasing. They lie where the runs' points are; shares between two lines are
            those at the lower one, exact if the runs have no more values than there are lines.
        attaining: for each algorithm how many runs attain each point of the grid, ``(u, a)``.
        runs: how many it has.
        surfaces: for each algorithm the points, by the first objective, of the surface that half
            of its runs attain, ``(k, 2)``; exact, but of long ones only some.
    """

    evaluations: int
    across: FloatArray
    upwards: FloatArray
    attaining: dict[str, IntArray]
    runs: dict[str, int]
    surfaces: dict[str, FloatArray]

    def difference(self, first: str, second: str) -> FloatArray:
        """Share of the first one's runs less that of the second's, on the grid, ``(u, a)``."""
        difference: FloatArray = (
            self.attaining[first] / self.runs[first] - self.attaining[second] / self.runs[second]
        )
        return difference


def attainment(analysis: Analysis) -> Attainment | None:
    """Attainment where the algorithms are ranked.

    None unless there are two objectives and a run with a point that dominates the reference point.
    """
    results, count = analysis.results, analysis.compared_at
    if results.task.n_obj != 2:
        return None
    corner = box_corner(results.reference)
    archives: dict[str, list[FloatArray]] = {}
    surfaces: dict[str, FloatArray] = {}
    for name in analysis.ranking:
        runs = results.judged(name, count)
        # What lies far outside the front would only squeeze the picture.
        own = [F[(F < corner).all(axis=1)] for F in (run.archive(count) for run in runs)]
        if sum(map(len, own)):
            archives[name] = own
            surface = attainment_surface(runs, count)
            surface = surface[(surface < corner).all(axis=1)]
            surfaces[name] = surface[_thinned(surface, STEP_POINTS)]
    if not archives:
        return None
    everything = np.concatenate([F for own in archives.values() for F in own])
    across, upwards = _lines(everything[:, 1]), _lines(everything[:, 0])
    attaining: dict[str, IntArray] = {
        name: np.stack([_attained(F, across, upwards) for F in own]).sum(axis=0)
        for name, own in archives.items()
    }
    runs_of = {name: len(own) for name, own in archives.items()}
    return Attainment(count, across, upwards, attaining, runs_of, surfaces)


def _lines(values: FloatArray) -> FloatArray:
    """At most :data:`GRID_LINES` of the different ``values``, by their quantiles."""
    unique = np.unique(values)
    return unique[_spread(len(unique), GRID_LINES)]


def _attained(F: FloatArray, across: FloatArray, upwards: FloatArray) -> IntArray:
    """1 where a point of ``F`` is no worse, else 0, shape ``(len(upwards), len(across))``."""
    if not len(F):
        return np.zeros((len(upwards), len(across)), dtype=np.int64)
    order = np.argsort(F[:, 1], kind="stable")
    lowest = np.concatenate([[np.inf], np.minimum.accumulate(F[order, 0])])
    best = lowest[np.searchsorted(F[order, 1], across, side="right")]
    attained: IntArray = (best[None, :] <= upwards[:, None]).astype(np.int64)
    return attained


class Steps(NamedTuple):
    """A step function: ``shares`` ``(m,)`` from each of ``evaluations`` ``(m,)`` on, to ``end``."""

    evaluations: FloatArray
    shares: FloatArray
    end: int


def reached(analysis: Analysis) -> dict[str, dict[float | None, Steps]]:
    """For each algorithm: which share of its runs reached a target, after how many evaluations.

    Under None, the share of pairs of a run and one of the finer targets of the runtimes.
    """
    table = analysis.targets
    functions: dict[str, dict[float | None, Steps]] = {}
    for name in analysis.ranking:
        own = table[table["algorithm"] == name]
        runtimes = analysis.runtimes.get(name)
        if not len(own) or runtimes is None:
            continue
        functions[name] = {None: _steps(runtimes.evaluations, runtimes.budget)}
        for target in sorted(set(own["target"])):
            values = own["evaluations"][own["target"] == target]
            functions[name][float(target)] = _steps(values.to_numpy(dtype=float), runtimes.budget)
    return functions


def _steps(evaluations: FloatArray, end: int) -> Steps:
    values = evaluations.ravel()
    at, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    shown = _spread(len(at), STEP_POINTS)
    return Steps(at[shown], np.cumsum(counts)[shown] / len(values), end)
