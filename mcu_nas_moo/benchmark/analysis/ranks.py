"""Mean ranks of algorithms over several problems, and which of them differ.

As Demšar (2006, "Statistical comparisons of classifiers over multiple data sets", JMLR 7) has it:
each problem ranks the algorithms by their medians, Friedman's test tells whether the mean ranks
differ at all, and Nemenyi's critical difference which ones do. Both take problems to be independent
of each other, which profiles of one space are only in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.analysis.statistics import SIGNIFICANCE
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.common.arrays import FloatArray

#: Over fewer problems, mean ranks are a look and not a claim.
PROBLEMS_FOR_A_CLAIM = 3


@dataclass(frozen=True)
class Ranks:
    """How algorithms rank over problems; rank 1 is the best, ties share the mean of their ranks.

    Attributes:
        evaluations: after how many evaluations.
        problems: names of the problems.
        algorithms: those judged on all problems, best mean rank first.
        mean_ranks: theirs, in [1, number of algorithms].
        critical_difference: mean ranks that differ by more than this differ significantly
            (Nemenyi); NaN for fewer than two algorithms.
        p_friedman: of the test that all algorithms rank equally; NaN for fewer than three
            algorithms or two problems.
        cliques: largest groups of algorithms, two at least, whose mean ranks do not differ by more
            than the critical difference; the bars of a critical-difference diagram.
        notes: what a reader must know, a sentence each.
    """

    evaluations: int
    problems: tuple[str, ...]
    algorithms: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    critical_difference: float
    p_friedman: float
    cliques: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def mean_ranks(
    medians: Mapping[str, Mapping[str, float]], evaluations: int, level: float = SIGNIFICANCE
) -> Ranks:
    """Rank algorithms over problems.

    Args:
        medians: for each problem the median of each algorithm judged there, larger is better.
            Algorithms that lack in a problem are left out.
        evaluations: after how many evaluations.
        level: of significance, in (0, 1).

    Raises:
        InputError: if there is no problem.
    """
    if not medians:
        raise InputError("mean ranks need at least one problem")
    algorithms = list(dict.fromkeys(name for ratios in medians.values() for name in ratios))
    present = [name for name in algorithms if all(name in ratios for ratios in medians.values())]
    missing = [name for name in algorithms if name not in present]
    values = np.array([[ratios[name] for name in present] for ratios in medians.values()])
    # The order of the algorithms given decides between equal mean ranks.
    ranks = _ranks(values).mean(axis=0) if present else np.zeros(0)
    order = np.argsort(ranks, kind="stable")
    names = tuple(present[index] for index in order)
    ordered = tuple(ranks[order].tolist())
    difference = critical_difference(len(names), len(medians), level)
    p = _friedman(values)
    return Ranks(
        evaluations=evaluations,
        problems=tuple(medians),
        algorithms=names,
        mean_ranks=ordered,
        critical_difference=difference,
        p_friedman=p,
        cliques=_cliques(names, ordered, difference),
        notes=tuple(_notes(len(medians), missing, p, level)),
    )


def ranks_of(analyses: Sequence[Analysis], evaluations: int) -> Ranks:
    """Mean ranks by the median hypervolume ratio after so many evaluations.

    Problems where nothing was judged after so many evaluations are left out.

    Raises:
        InputError: if no problem is left.
    """
    medians = {}
    for analysis in analyses:
        scores = analysis.scores[analysis.scores["evaluations"] == evaluations]
        if len(scores):
            ratios = scores.groupby("algorithm", sort=False)["hypervolume_ratio"].median()
            medians[analysis.results.name] = {
                str(name): float(value) for name, value in ratios.items()
            }
    if not medians:
        raise InputError(f"no problem was judged after {evaluations} evaluations")
    return mean_ranks(medians, evaluations)


def critical_difference(algorithms: int, problems: int, level: float = SIGNIFICANCE) -> float:
    """Nemenyi's critical difference of mean ranks; NaN for fewer than two algorithms."""
    from scipy.stats import studentized_range

    if algorithms < 2:
        return float("nan")
    quantile = float(studentized_range.ppf(1.0 - level, algorithms, np.inf)) / np.sqrt(2.0)
    return float(quantile * np.sqrt(algorithms * (algorithms + 1) / (6.0 * problems)))


def _ranks(values: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    ranks: FloatArray = rankdata(-values, axis=1)
    return ranks


def _friedman(values: FloatArray) -> float:
    from scipy.stats import friedmanchisquare

    problems, algorithms = values.shape
    if algorithms < 3 or problems < 2:
        return float("nan")
    if (values == values[:, :1]).all():
        return 1.0  # nothing but ties, where the statistic is 0 / 0
    return float(friedmanchisquare(*values.T).pvalue)


def _cliques(
    names: Sequence[str], ranks: Sequence[float], difference: float
) -> tuple[tuple[str, ...], ...]:
    cliques: list[tuple[str, ...]] = []
    reached = 0
    for start, rank in enumerate(ranks):
        end = sum(other <= rank + difference for other in ranks)
        # A group that ends where an earlier one does is part of it.
        if end > max(reached, start + 1):
            cliques.append(tuple(names[start:end]))
            reached = end
    return tuple(cliques)


def _notes(problems: int, missing: Sequence[str], p: float, level: float) -> list[str]:
    notes = []
    if problems < PROBLEMS_FOR_A_CLAIM:
        over = "one problem" if problems == 1 else f"{problems} problems"
        notes.append(f"Ranks over {over} are a look, not a claim.")
    if p >= level:
        notes.append(f"Friedman's test shows no difference between the algorithms (p = {p:.3f}).")
    if missing:
        notes.append(f"Left out, since not judged on all problems: {', '.join(missing)}.")
    return notes
