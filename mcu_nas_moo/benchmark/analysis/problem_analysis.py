"""All numbers that a report shows of the runs on one problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.analysis.anytime import (
    RUNTIME_TARGETS,
    TARGETS,
    AnyTimeCurve,
    any_time_curve,
    area_under_curve,
    distances,
)
from mcu_nas_moo.benchmark.analysis.cautions import (
    beaten_front,
    few_runs,
    fewest_runs,
    unequal_runs,
)
from mcu_nas_moo.benchmark.analysis.hypervolume import share_of
from mcu_nas_moo.benchmark.analysis.runtimes import Runtimes, log_spaced
from mcu_nas_moo.benchmark.analysis.statistics import (
    compare_pairs,
    percentile_interval,
    quartiles,
    resampled_medians,
)
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
    from mcu_nas_moo.benchmark.results.trajectory import Trajectory
    from mcu_nas_moo.common.arrays import FloatArray, IntArray

#: The second reference point lies a whole range beyond the nadir, ten times as far as the first
#: one: it gives the ends of the front much more weight. A ranking that is the same for both does
#: not hang on that choice (Ishibuchi et al. 2018, "How to specify a reference point in hypervolume
#: calculation for fair performance comparison").
SECOND_MARGIN = 1.0
#: Points of an any-time curve.
CURVE_POINTS = 100
#: Facts of a whole run among its scores.
WHOLE_RUN = ("budget", "feasible_share", "unique_share", "optimiser_ms", "wall_s")
#: Columns of :attr:`Analysis.pairs`, also where there is only one algorithm.
PAIR_COLUMNS = [
    *("evaluations", "first", "second", "median_first", "median_second", "difference"),
    *("low", "high", "p", "p_holm", "a12", "verdict"),
]


@dataclass(frozen=True, eq=False)
class Curve:
    """Any-time hypervolume ratio of one algorithm's longest runs.

    Attributes:
        budget: of these runs.
        seeds: of the runs, in the order of the rows.
        evaluations: evenly spaced by the logarithm, and all judged counts, shape ``(m,)``.
        ratios: shape ``(n_seeds, m)``; NaN beyond the budget.
    """

    budget: int
    seeds: tuple[int, ...]
    evaluations: IntArray
    ratios: FloatArray


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the runs on one problem show.

    Attributes:
        results: the runs.
        compared_at: number of evaluations of the ranking: the largest after which all algorithms
            were judged.
        ranking: algorithms, best median hypervolume ratio there first.
        second_ranking: the same with the second reference point, see :data:`SECOND_MARGIN`.
        scores: one row per algorithm, seed and judged number of ``evaluations``:
            ``hypervolume_ratio``; ``igd_plus`` and ``epsilon`` in normalised objectives (infinite
            without a feasible subnet); ``area``, mean ratio over log10 of the evaluations;
            ``second_ratio``; ``first_feasible`` (infinite if later or never); and of the whole
            run, which may go on beyond ``evaluations``, its ``budget``, ``feasible_share``,
            ``unique_share``, ``optimiser_ms`` and ``wall_s``.
        medians: one row per algorithm and ``evaluations``: ``runs``, and of the hypervolume ratio
            the ``median``, quartiles ``lower`` and ``upper``, and the bootstrap interval ``low`` to
            ``high`` of the median with confidence 95 %.
        curves: by algorithm, of its longest runs.
        targets: of the longest runs: ``algorithm``, ``seed``, ``target`` (share of the reference
            hypervolume) and ``evaluations`` needed, infinite if not reached.
        runtimes: by algorithm, of its longest runs, for the finer
            ``RUNTIME_TARGETS``.
        pairs: two algorithms after so many ``evaluations``: ``first``, ``second``,
            ``median_first``, ``median_second``, their ``difference`` and its bootstrap interval
            ``low`` to ``high``, ``p`` (Mann-Whitney), ``p_holm`` (Holm over all rows), ``a12`` and
            ``verdict`` on the first one.
        cautions: what a reader must know, a sentence each.
    """

    results: ProblemResults
    compared_at: int
    ranking: tuple[str, ...]
    second_ranking: tuple[str, ...]
    scores: pd.DataFrame
    medians: pd.DataFrame
    curves: dict[str, Curve]
    targets: pd.DataFrame
    runtimes: dict[str, Runtimes]
    pairs: pd.DataFrame
    cautions: tuple[str, ...]


def analyse(results: ProblemResults) -> Analysis:
    """Score all runs on a problem and compare the algorithms.

    Args:
        results: at least one run that is judged somewhere.

    Raises:
        InputError: if no run is judged.
    """
    import pandas as pd

    judged: dict[Trajectory, list[int]] = {}
    for name in results.algorithms:
        for count in results.budgets:
            for run in results.judged(name, count):
                judged.setdefault(run, []).append(count)
    if not judged:
        raise InputError(f"{results.title}: no run is as long as a number of evaluations to judge")
    grid = log_spaced(max(results.budgets), CURVE_POINTS, results.budgets)
    longest: dict[str, int] = {}
    for run in judged:
        longest[run.algorithm] = max(run.budget, longest.get(run.algorithm, 0))
    complete = [run for run in judged if run.budget == longest[run.algorithm]]
    found = {run: any_time_curve(run, results.reference) for run in complete}

    scores = pd.DataFrame(_scores(judged, found, results.reference))
    place = {name: number for number, name in enumerate(results.algorithms)}
    scores = scores.sort_values(
        ["algorithm", "evaluations", "seed"],
        key=lambda column: column.map(place) if column.name == "algorithm" else column,
        ignore_index=True,
    )
    compared_at = _compared_at(scores)
    ranking = _ranking(scores, compared_at, "hypervolume_ratio")
    second_ranking = _ranking(scores, compared_at, "second_ratio")
    curves, runtimes, rows = {}, {}, []
    for name in ranking:
        own = [run for run in complete if run.algorithm == name]
        ratios = np.stack([found[run].after(grid) for run in own])
        beyond = np.where(grid <= longest[name], ratios, np.nan)
        curves[name] = Curve(longest[name], tuple(run.seed for run in own), grid, beyond)
        finer = np.stack([found[run].first_reaching(RUNTIME_TARGETS) for run in own])
        runtimes[name] = Runtimes(longest[name], finer)
        rows += [
            {"algorithm": name, "seed": run.seed, "target": target, "evaluations": needed}
            for run in own
            for target, needed in zip(TARGETS, found[run].first_reaching(TARGETS), strict=True)
        ]
    medians, pairs = _compare(scores, ranking)
    return Analysis(
        results=results,
        compared_at=compared_at,
        ranking=ranking,
        second_ranking=second_ranking,
        scores=scores,
        medians=medians,
        curves=curves,
        targets=pd.DataFrame(rows),
        runtimes=runtimes,
        pairs=pairs,
        cautions=tuple(_cautions(results, scores, compared_at, ranking, second_ranking)),
    )


def _scores(
    runs: Mapping[Trajectory, Sequence[int]],
    curves: Mapping[Trajectory, AnyTimeCurve],
    reference: Reference,
) -> list[dict[str, Any]]:
    """A row per run and judged number of evaluations; a curve, where there is one, saves work."""
    second_whole = reference.hypervolume_of(reference.F, SECOND_MARGIN)
    judged = [(run, count) for run, counts in runs.items() for count in counts]
    archives = [run.archive(count) for run, count in judged]
    rows, away = [], distances(archives, reference)
    for (run, count), archive, far in zip(judged, archives, away, strict=True):
        curve = curves.get(run)
        if curve is None:
            volume = reference.hypervolume_of(archive)
            ratio = float(share_of(volume, reference.hypervolume))
            area = area_under_curve(run, reference, count) if count > 1 else ratio
        else:
            ratio, area = float(curve.after(count)), curve.area(count)
        second = reference.hypervolume_of(archive, SECOND_MARGIN)
        first = np.inf if run.first_feasible is None else run.first_feasible
        rows.append(
            {
                "algorithm": run.algorithm,
                "seed": run.seed,
                "evaluations": count,
                "hypervolume_ratio": ratio,
                **far._asdict(),
                "area": area,
                "second_ratio": float(share_of(second, second_whole)),
                "first_feasible": first if first <= count else np.inf,
                **{name: getattr(run, name) for name in WHOLE_RUN},
            }
        )
    return rows


def _compared_at(scores: pd.DataFrame) -> int:
    # There is such a number: all runs are judged at the smallest one.
    algorithms = scores.groupby("evaluations")["algorithm"].nunique()
    return int(algorithms[algorithms == scores["algorithm"].nunique()].index.max())


def _ranking(scores: pd.DataFrame, evaluations: int, column: str) -> tuple[str, ...]:
    there = scores[scores["evaluations"] == evaluations]
    medians = there.groupby("algorithm", sort=False)[column].median()
    # Stable: equal medians stay in the order of first appearance.
    return tuple(medians.sort_values(ascending=False, kind="stable").index.tolist())


def _compare(scores: pd.DataFrame, ranking: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Medians with intervals, and all pairs; both by evaluations and ranking."""
    import pandas as pd

    samples: dict[int, dict[str, list[float]]] = {}
    for count in sorted(scores["evaluations"].unique().tolist()):
        there = scores[scores["evaluations"] == count].groupby("algorithm")["hypervolume_ratio"]
        own = {str(name): values.tolist() for name, values in there}
        samples[count] = {name: own[name] for name in ranking if name in own}
    rows = []
    resampled: dict[tuple[int, str], FloatArray] = {}
    for count, groups in samples.items():
        for name, values in groups.items():
            # Each sample has a stream of its own, so that samples are resampled independently.
            resampled[count, name] = resampled_medians(values, [0, len(resampled)])
            three, interval = quartiles(values), percentile_interval(resampled[count, name])
            rows.append(
                {"algorithm": name, "evaluations": count, "runs": len(values)}
                | three._asdict()
                | interval._asdict()
            )
    pairs = []
    for pair in compare_pairs(samples):
        interval = percentile_interval(
            resampled[pair.case, pair.first] - resampled[pair.case, pair.second]
        )
        pairs.append({"evaluations": pair.case} | pair._asdict() | interval._asdict())
    return pd.DataFrame(rows), pd.DataFrame(pairs, columns=PAIR_COLUMNS)


def _cautions(
    results: ProblemResults,
    scores: pd.DataFrame,
    compared_at: int,
    ranking: Sequence[str],
    second_ranking: Sequence[str],
) -> list[str]:
    serious = (
        few_runs(fewest_runs(scores)),
        unequal_runs(scores, compared_at),
        beaten_front(results.reference, scores),
    )
    cautions = [sentence for sentence in serious if sentence is not None]
    if results.reference.kind != "exact":
        cautions.append(
            "The reference front is pooled, not exact: ratios compare algorithms with each other, "
            "and may exceed 1."
        )
    if tuple(ranking) != tuple(second_ranking):
        cautions.append(
            f"With a reference point {SECOND_MARGIN:.0%} of the range beyond the nadir, the "
            f"ranking is another: {', '.join(second_ranking)}."
        )
    return cautions
