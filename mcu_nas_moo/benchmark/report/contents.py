"""The tables of a report: which figures of the analysis stand where."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.benchmark.analysis.statistics import AHEAD, BEHIND, NOT_SHOWN, median
from mcu_nas_moo.benchmark.report.table import CLOSE_MARK, Cell, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.benchmark.analysis.ranks import Ranks
    from mcu_nas_moo.common.arrays import FloatArray

#: Reasons of failures that have a row of their own.
SHOWN_REASONS = 10
#: Shown where there is no figure.
MISSING = "–"
_REVERSED = {AHEAD: BEHIND, BEHIND: AHEAD, NOT_SHOWN: NOT_SHOWN}
_NOTE = (
    f"Best in bold; {CLOSE_MARK}: no difference from the best is shown "
    "(Mann-Whitney at the 5 % level, with Holm's correction over all pairs and numbers of "
    "evaluations of the problem)."
)


#: What to know of critical differences.
RANKS_NOTE = (
    "With few problems, the critical difference (Nemenyi) is wide; it takes problems to be "
    "independent, which those on related chips are not."
)


class Comparison(NamedTuple):
    """One algorithm against another at one number of evaluations, larger being better."""

    difference: float
    low: float
    high: float
    a12: float
    p_holm: float
    verdict: str

    @property
    def reversed(self) -> Comparison:
        """The other one against the first."""
        difference, low, high, a12, p, verdict = self
        return Comparison(-difference, -high, -low, 1.0 - a12, p, _REVERSED[verdict])


def counts(analyses: Sequence[Analysis]) -> list[int]:
    """Numbers of evaluations at which any problem is judged, increasing."""
    return sorted({int(b) for analysis in analyses for b in analysis.results.budgets})


def medians(analysis: Analysis, count: int, column: str = "hypervolume_ratio") -> pd.Series[Any]:
    """Median over the seeds of ``column`` after ``count`` evaluations, by algorithm, best first."""
    own = analysis.scores[analysis.scores["evaluations"] == count]
    if not len(own):
        return own[column]
    values = own.groupby("algorithm", sort=False)[column].median()
    places = {name: place for place, name in enumerate(analysis.ranking)}
    order = sorted(values.index, key=lambda name: (-values[name], places.get(name, len(places))))
    return values.loc[order]


def comparisons(analysis: Analysis, count: int) -> dict[tuple[str, str], Comparison]:
    """What the tests say of each first algorithm beside each second one after ``count``."""
    found = {}
    pairs = analysis.pairs[analysis.pairs["evaluations"] == count]
    columns = (pairs[name].tolist() for name in ("first", "second", *Comparison._fields))
    for one, two, *figures in zip(*columns, strict=True):
        found[one, two] = Comparison(*figures)
        found[two, one] = found[one, two].reversed
    return found


def summary_table(
    analyses: Sequence[Analysis], count: int, mean_ranks: Mapping[str, float]
) -> Table:
    """Median hypervolume ratio of every algorithm on every problem after ``count`` evaluations.

    Args:
        analyses: one per problem; those that are not judged at ``count`` are left out.
        count: number of evaluations.
        mean_ranks: over the problems, by algorithm; may be empty.
    """
    columns = [medians(one, count) for one in analyses]
    tests = [comparisons(one, count) for one in analyses]
    present = [n for n, column in enumerate(columns) if len(column)]
    names = list(dict.fromkeys(name for one in analyses for name in one.ranking))
    names = [name for name in names if any(name in columns[n].index for n in present)]

    def place(name: str) -> tuple[float, float]:
        ratios = [columns[n].get(name, 0.0) for n in present]
        return mean_ranks.get(name, np.inf), -float(np.mean(ratios))

    rows = []
    for name in sorted(names, key=place):
        cells = [Cell(name), Cell(_number(mean_ranks.get(name), ".2f"))]
        for n in present:
            column = columns[n]
            if name not in column.index:
                cells.append(Cell(MISSING))
                continue
            best = column.index[0]
            cells.append(
                Cell(
                    _number(column[name], ".4f"),
                    best=bool(column[name] == column.iloc[0]),
                    close=_close(tests[n].get((name, str(best)))),
                )
            )
        rows.append(tuple(cells))
    return Table(
        f"Median hypervolume ratio after {count:,} evaluations",
        ("algorithm", "mean rank", *(short_title(analyses[n]) for n in present)),
        tuple(rows),
        f"{_NOTE} 1 is the reference front's hypervolume.",
        stem=f"summary-{count}",
    )


def short_title(analysis: Analysis) -> str:
    """Space, profile if any, and number of objectives: the heading of a column."""
    task = analysis.results.task
    many = f"{task.n_obj} objectives" if task.n_obj > 2 else " + ".join(task.objectives)
    device = "" if task.profile is None else f" {task.device_name}"
    return f"{task.space.name}{device}, {many}"


def sensitivity_table(analyses: Sequence[Analysis], count: int) -> Table:
    """Order of the algorithms on each problem with the first and the second reference point."""
    rows = []
    for one in analyses:
        first, second = medians(one, count), medians(one, count, "second_ratio")
        if not len(first):
            continue
        common = [name for name in first.index if name in second.index]
        tau = _kendall(first[common].to_numpy(), second[common].to_numpy())
        rows.append(
            (
                Cell(short_title(one)),
                Cell(str(first.index[0])),
                Cell(str(second.index[0])),
                Cell("yes" if first.index[0] == second.index[0] else "no"),
                Cell(_number(tau, ".3f")),
            )
        )
    return Table(
        f"Sensitivity to the reference point, after {count:,} evaluations",
        ("problem", "best", "best with the second point", "same best", "Kendall's tau"),
        tuple(rows),
        "Median hypervolume ratio with a second reference point, farther from the front. Tau is 1 "
        "if both points put all algorithms in one order.",
        frozenset({0, 1, 2}),
        stem="sensitivity",
    )


def comparison_table(analysis: Analysis, count: int) -> Table:
    """Every algorithm against the best one, with intervals and effect sizes."""
    ratios = medians(analysis, count)
    tests = comparisons(analysis, count)
    at = analysis.medians[analysis.medians["evaluations"] == count].set_index("algorithm")
    rows = []
    for place, (name, ratio) in enumerate(ratios.items()):
        own: Any = at.loc[str(name)]
        cells = [
            Cell(str(name)),
            Cell(str(int(own["runs"]))),
            Cell(f"{ratio:.5f}", best=bool(ratio == ratios.iloc[0])),
            Cell(_interval(own["low"], own["high"], ".5f")),
        ]
        found = tests.get((str(name), str(ratios.index[0])))
        if found is None:
            cells += [Cell("best" if place == 0 else MISSING)] + [Cell(MISSING)] * 4
        else:
            cells += [
                Cell(found.verdict),
                Cell(f"{found.difference:+.5f}".replace("-", "−")),
                Cell(_interval(found.low, found.high, "+.5f")),
                Cell(_number(found.a12, ".2f")),
                Cell(_p_value(found.p_holm)),
            ]
        rows.append(tuple(cells))
    return Table(
        f"Hypervolume ratio after {count:,} evaluations, {analysis.results.title}",
        (
            "algorithm",
            "seeds",
            "median",
            "95 % interval",
            "against the best",
            "difference",
            "its 95 % interval",
            "A12",
            "p (Holm)",
        ),
        tuple(rows),
        "Intervals by bootstrap. A12: chance that a run beats one of the best algorithm, 0.5 being "
        "no effect. p: Mann-Whitney, with Holm's correction over all pairs and numbers of "
        "evaluations of the problem.",
        frozenset({0, 4}),
        stem=f"{analysis.results.name}-comparison-{count}",
    )


def pair_table(analysis: Analysis, count: int) -> Table:
    """Effect sizes of all algorithms against each other."""
    names = [str(name) for name in medians(analysis, count).index]
    tests = comparisons(analysis, count)

    def cell(row: str, column: str) -> Cell:
        found = tests.get((row, column))
        if found is None:
            return Cell("" if row == column else MISSING)
        return Cell(f"{found.a12:.2f}", best=found.verdict != NOT_SHOWN)

    return Table(
        f"A12 of each pair after {count:,} evaluations, {analysis.results.title}",
        ("algorithm", *names),
        tuple((Cell(row), *(cell(row, column) for column in names)) for row in names),
        "Chance that a run of the row's algorithm beats one of the column's. Bold where a "
        "difference is shown (Mann-Whitney at the 5 % level, with Holm's correction over all pairs "
        "and numbers of evaluations of the problem).",
        stem=f"{analysis.results.name}-pairs-{count}",
    )


#: Columns of the other indicators: heading, format, and whether less is better.
_INDICATORS = {
    "second_ratio": ("ratio, 2nd point", ".4f", False),
    "igd_plus": ("IGD+", ".2e", True),
    "epsilon": ("ε+", ".2e", True),
    "area": ("area", ".4f", False),
    "first_feasible": ("first feasible", ",.0f", True),
    "feasible_share": ("feasible", ".1%", None),
    "unique_share": ("unique", ".1%", None),
    "optimiser_ms": ("ms per eval.", ".3g", None),
}


def indicator_table(analysis: Analysis, count: int) -> Table:
    """Medians of the other indicators and of what describes a run."""
    shown = {name: entry for name, entry in _INDICATORS.items() if name in analysis.scores}
    columns = {name: _column(analysis, count, name) for name in shown}
    rows = []
    for name in medians(analysis, count).index:
        cells = [Cell(str(name))]
        for key, (_, form, less) in shown.items():
            values = columns[key]
            value = values.get(name, np.nan)
            best = None if less is None else (min if less else max)(values.values(), default=None)
            cells.append(Cell(_number(value, form), best=best is not None and value == best))
        rows.append(tuple(cells))
    return Table(
        f"Other indicators after {count:,} evaluations, medians, {analysis.results.title}",
        ("algorithm", *(heading for heading, *_ in shown.values())),
        tuple(rows),
        "Best in bold. IGD+ and ε+ (additive epsilon): distance from the reference front in "
        "normalised objectives, 0 is best. Area: mean hypervolume ratio along the logarithm of the "
        "evaluations. Shares and the optimiser's own time per evaluation do not measure quality.",
        stem=f"{analysis.results.name}-indicators-{count}",
    )


def _column(analysis: Analysis, count: int, name: str) -> dict[str, float]:
    at = analysis.scores[analysis.scores["evaluations"] == count]
    values = at.groupby("algorithm", sort=False)[name].agg(median)
    return {str(key): float(value) for key, value in values.items() if not np.isnan(value)}


def target_table(analysis: Analysis) -> Table:
    """Median evaluations to each target, and the share of runs that reached it."""
    table = analysis.targets
    targets = sorted(set(table["target"]))
    found = {
        (name, target): own["evaluations"].to_numpy(dtype=float)
        for (name, target), own in table.groupby(["algorithm", "target"], sort=False)
    }
    typical = {key: median(values) for key, values in found.items()}
    rows = []
    for name in analysis.ranking:
        cells = [Cell(name)]
        for target in targets:
            values = found.get((name, target))
            if values is None:
                cells.append(Cell(MISSING))
                continue
            middle = typical[name, target]
            least = min(typical[key] for key in typical if key[1] == target)
            share = float(np.isfinite(values).mean())
            text = f"{middle:,.0f}" if np.isfinite(middle) else "never"
            cells.append(Cell(f"{text} ({share:.0%})", np.isfinite(middle) and middle == least))
        rows.append(tuple(cells))
    return Table(
        f"Evaluations to a share of the reference hypervolume, {analysis.results.title}",
        ("algorithm", *(f"{100 * target:g} %" for target in targets)),
        tuple(rows),
        "Medians over the longest runs, in brackets the share of runs that reached the target; "
        "“never” if fewer than half did.",
        stem=f"{analysis.results.name}-targets",
    )


def failure_table(analysis: Analysis) -> Table | None:
    """How many networks could not be evaluated, by reason; None if all could."""
    counts: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for run in analysis.results.trajectories:
        found = run.metadata.get("failures", {})
        reasons.update(found)
        counts.setdefault(run.algorithm, Counter()).update(found)
    if not reasons:
        return None
    names = [name for name in analysis.ranking if name in counts]
    most = [reason for reason, _ in reasons.most_common(SHOWN_REASONS)]
    rows = [(reason, [counts[name][reason] for name in names]) for reason in most]
    if len(reasons) > len(most):
        others = [counts[n].total() - sum(counts[n][r] for r in most) for n in names]
        rows.append((f"{len(reasons) - len(most)} other reasons", others))
    return Table(
        f"Evaluations that failed, {analysis.results.title}",
        ("reason", *names),
        tuple((Cell(text), *(Cell(f"{count:,}") for count in own)) for text, own in rows),
        "All runs together. A failure costs one evaluation; such a network is on no front.",
        stem=f"{analysis.results.name}-failures",
    )


def rank_table(ranks: Sequence[Ranks]) -> Table:
    """Mean ranks of the algorithms over the problems, one column per number of evaluations."""
    columns = [dict(zip(one.algorithms, np.asarray(one.mean_ranks), strict=True)) for one in ranks]
    names = sorted(columns[-1], key=columns[-1].__getitem__) if columns else []
    rows = tuple(
        (
            Cell(name),
            *(
                Cell(_number(column.get(name), ".2f"), column.get(name) == min(column.values()))
                for column in columns
            ),
        )
        for name in names
    )
    notes = [
        f"{one.evaluations:,}: critical difference {_number(one.critical_difference, '.2f')}, "
        f"Friedman p {_p_value(one.p_friedman)}"
        for one in ranks
    ]
    return Table(
        "Mean ranks over the problems, 1 being best",
        ("algorithm", *(f"{one.evaluations:,} evaluations" for one in ranks)),
        rows,
        "; ".join(notes) + f". {RANKS_NOTE}" if notes else "",
        stem="ranks",
    )


def _close(found: Comparison | None) -> bool:
    return found is not None and found.verdict == NOT_SHOWN


def _kendall(first: FloatArray, second: FloatArray) -> float | None:
    """Tau-b: how alike two lists order things, ties left out; None if one orders nothing."""
    one, two = (np.sign(np.subtract.outer(values, values)) for values in (first, second))
    pairs = np.sqrt((one**2).sum() * (two**2).sum())
    return float((one * two).sum() / pairs) if pairs else None


def _interval(low: float, high: float, form: str) -> str:
    return MISSING if np.isnan(low) else f"[{low:{form}}, {high:{form}}]".replace("-", "−")


def _p_value(value: float) -> str:
    if np.isnan(value):
        return MISSING
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}" if value > 0 else "0"


def _number(value: float | None, form: str) -> str:
    if value is None or np.isnan(value):
        return MISSING
    if np.isinf(value):
        return "never"
    return format(value, form).replace("-", "−") if value < 0 else format(value, form)
