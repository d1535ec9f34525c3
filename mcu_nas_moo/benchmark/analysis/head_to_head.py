"""Two algorithms, or two states of one, beside each other on every problem."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.analysis.statistics import (
    NOT_SHOWN,
    Interval,
    compare_pairs,
    median,
    median_difference_interval,
)
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.tables import new_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults, Results

#: Share of the reference hypervolume that is to be reached early.
TARGET = 0.99


@dataclass(frozen=True)
class Duel:
    """The first beside the second on one problem after some number of evaluations.

    Attributes:
        problem: title.
        algorithm: that is compared with itself; empty where two algorithms are compared.
        evaluations: after how many; None for the evaluations that it takes to reach 99 % of the
            reference hypervolume, where fewer are better.
        runs: of the first and of the second.
        median_first, median_second: of the hypervolume ratio, or of the evaluations (infinite if
            most runs do not get there).
        interval: bootstrap interval, 95 %, of the difference of the medians; None where one of
            them is infinite.
        p_holm: of the Mann-Whitney test, corrected for all tests of the comparison.
        a12: probability that a run of the first is better, ties counted half.
        verdict: what is shown about the first.
    """

    problem: str
    algorithm: str
    evaluations: int | None
    runs: tuple[int, int]
    median_first: float
    median_second: float
    interval: Interval | None
    p_holm: float
    a12: float
    verdict: str


class _Case(NamedTuple):
    """What a duel is about; see its attributes of these names."""

    problem: str
    algorithm: str
    evaluations: int | None


#: What the first and the second side reached in each case.
_Samples: TypeAlias = dict[_Case, tuple[list[float], list[float]]]


def compare_algorithms(results: Results, first: str, second: str) -> list[Duel]:
    """Compare two algorithms on all problems that both ran on.

    Args:
        results: of any problems.
        first, second: names of algorithms in them.

    Raises:
        InputError: if an algorithm is in none of the results, or no problem has both.
    """
    known = list(dict.fromkeys(name for one in results.problems for name in one.algorithms))
    for name in (first, second):
        if name not in known:
            raise unknown_name("algorithm of these results", name, known)
    cases: _Samples = {}
    for problem in results.problems:
        if first in problem.algorithms and second in problem.algorithms:
            analysis = analyse(_only(problem, (first, second)))
            cases |= _cases((problem.title, ""), (analysis, first), (analysis, second))
    return _duels(cases, f"no problem has runs of both {first} and {second}")


def compare_results(first: Results, second: Results) -> list[Duel]:
    """Compare what two collections of results have in common: problems and algorithms.

    Args:
        first, second: such as the results of yesterday and of today.

    Raises:
        InputError: if they have nothing in common.
    """
    cases: _Samples = {}
    others = {problem.name: problem for problem in second.problems}
    for problem in first.problems:
        other = others.get(problem.name)
        if other is None:
            continue
        names = [name for name in problem.algorithms if name in other.algorithms]
        if not names:
            continue
        # One reference for both sides.
        first_analysis = analyse(_only(problem, names))
        second_analysis = analyse(replace(_only(other, names), reference=problem.reference))
        for name in names:
            cases |= _cases((problem.title, name), (first_analysis, name), (second_analysis, name))
    return _duels(cases, "the two have no algorithm on a problem in common")


def _only(problem: ProblemResults, names: Sequence[str]) -> ProblemResults:
    kept = tuple(run for run in problem.trajectories if run.algorithm in names)
    longest = max(run.budget for run in kept)
    judged = tuple(count for count in problem.budgets if count <= longest)
    return replace(problem, trajectories=kept, budgets=judged)


def _cases(
    about: tuple[str, str], first: tuple[Analysis, str], second: tuple[Analysis, str]
) -> _Samples:
    """What both sides reached, at each number of evaluations at which both were judged."""
    sides = []
    for analysis, name in (first, second):
        scores = analysis.scores[analysis.scores["algorithm"] == name]
        judged = {
            count: scores[scores["evaluations"] == count]["hypervolume_ratio"].tolist()
            for count in analysis.results.budgets
            if (scores["evaluations"] == count).any()
        }
        targets = analysis.targets
        rows = (targets["algorithm"] == name) & (targets["target"] == TARGET)
        sides.append((judged, targets[rows]["evaluations"].tolist(), analysis.curves[name].budget))
    (one, reached_one, budget_one), (two, reached_two, budget_two) = sides
    cases: _Samples = {_Case(*about, n): (one[n], two[n]) for n in one if n in two}
    # Runs of different lengths have different chances to get there at all.
    if budget_one == budget_two and np.isfinite([*reached_one, *reached_two]).any():
        cases[_Case(*about, None)] = reached_one, reached_two
    return cases


def _duels(cases: _Samples, otherwise: str) -> list[Duel]:
    if not cases:
        raise InputError(f"{otherwise}; nothing to compare")
    duels = []
    for tested in compare_pairs({case: _larger_better(case, *cases[case]) for case in cases}):
        first, second = cases[tested.case]
        finite = bool(np.isfinite([*first, *second]).all())
        duels.append(
            Duel(
                *tested.case,
                runs=(len(first), len(second)),
                median_first=median(first),
                median_second=median(second),
                interval=median_difference_interval(first, second) if finite else None,
                p_holm=tested.p_holm,
                a12=tested.a12,
                verdict=tested.verdict,
            )
        )
    return duels


def _larger_better(
    case: _Case, first: Sequence[float], second: Sequence[float]
) -> dict[str, Sequence[float]]:
    """Numbers for a test of ranks: evaluations that never suffice rank behind all others."""
    if case.evaluations is None:
        both = np.array([*first, *second])
        both = -np.minimum(both, both[np.isfinite(both)].max() + 1)
        first, second = both[: len(first)].tolist(), both[len(first) :].tolist()
    return {"first": first, "second": second}


def tally(duels: Sequence[Duel], first: str, second: str) -> str:
    """One line that says how often the first is ahead, behind, or neither."""
    counts = {"ahead": 0, "behind": 0, NOT_SHOWN: 0}
    rows = [duel for duel in duels if duel.evaluations is not None]
    for duel in rows:
        counts[duel.verdict] += 1
    return (
        f"{first} is ahead of {second} in {counts['ahead']} of {len(rows)} comparisons of the "
        f"hypervolume, behind in {counts['behind']}; no difference is shown in "
        f"{counts[NOT_SHOWN]}."
    )


def duel_tables(duels: Sequence[Duel], first: str, second: str) -> list[Table]:
    """The comparison as one table per problem, of at most 100 columns."""
    from rich.table import Column

    tables = []
    for problem in dict.fromkeys(duel.problem for duel in duels):
        duels_here = [duel for duel in duels if duel.problem == problem]
        several = any(duel.algorithm for duel in duels_here)
        widest = 8 if several else 14
        texts = [
            Column("algorithm", overflow="fold", min_width=9, max_width=16),
            Column("after", justify="right", no_wrap=True),
            Column(first, justify="right", max_width=widest, overflow="fold"),
            Column(second, justify="right", max_width=widest, overflow="fold"),
        ]
        numbers = ("difference\n95 % interval", "p\n(Holm)", "A12")
        table = new_table(texts if several else texts[1:], numbers, title=problem)
        table.add_column("verdict", no_wrap=True)
        for duel in duels_here:
            table.add_row(*([duel.algorithm] if several else []), *_cells(duel))
        tables.append(table)
    return tables


def _cells(duel: Duel) -> list[Any]:
    from rich.text import Text

    if duel.evaluations is None:
        form, count, low_first = "{:,.0f}", f"to {TARGET:.0%}", "{:+,.0f}"
    else:
        form, count, low_first = "{:.4f}", f"{duel.evaluations:,}", "{:+.4f}"

    def formatted(value: float) -> str:
        return "never" if np.isinf(value) else form.format(value)

    difference = "–"
    if duel.interval is not None:
        parts = (duel.median_first - duel.median_second, *duel.interval)
        whole, low, high = (low_first.format(part) for part in parts)
        difference = f"{whole}\n[{low}, {high}]"
    p = "<0.0001" if duel.p_holm < 1e-4 else f"{duel.p_holm:.4f}"
    style = "" if duel.verdict == NOT_SHOWN else "bold"
    return [
        count,
        formatted(duel.median_first),
        formatted(duel.median_second),
        # As Text, since the brackets would be taken for markup.
        Text(difference),
        p,
        f"{duel.a12:.2f}",
        Text(duel.verdict, style=style),
    ]
