"""Several problems together: their ranking, for the screen, and what to know of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.analysis.cautions import (
    beaten_front,
    few_runs,
    fewest_runs,
    unequal_runs,
)
from mcu_nas_moo.benchmark.analysis.ranks import mean_ranks
from mcu_nas_moo.common.tables import new_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.problem.task import Task

#: Most numbers of evaluations in a table of 100 columns.
SHOWN = 5
#: Shown where there is no figure.
MISSING = "–"


def overall_tables(analyses: Sequence[Analysis]) -> list[Group]:
    """One table per set of objectives, of at most 100 columns; problems by name share theirs.

    Its rows are algorithms: their mean rank over the problems, and after each number of
    evaluations the mean over the problems of the median hypervolume ratio. Ranks are taken at the
    largest number of evaluations at which as many algorithms as at any were judged on all
    problems; the others have none.

    Args:
        analyses: one per problem.
    """
    sets: dict[str, dict[int, dict[str, dict[str, float]]]] = {}
    for analysis in analyses:
        by_count = sets.setdefault(_heading(analysis.results.task), {})
        medians = analysis.medians
        rows = zip(medians["algorithm"], medians["evaluations"], medians["median"], strict=True)
        for algorithm, count, median in rows:
            of_count = by_count.setdefault(int(count), {})
            of_count.setdefault(analysis.results.name, {})[str(algorithm)] = float(median)
    return [
        _table(objectives, {count: by_count[count] for count in sorted(by_count)})
        for objectives, by_count in sets.items()
    ]


def _heading(task: Task) -> str:
    """What stands above a task's table: problems by name have objectives of their own."""
    if task.problem is not None:
        return f"{task.n_obj} objectives"
    return " and ".join(task.objectives)


def _table(objectives: str, medians: dict[int, dict[str, dict[str, float]]]) -> Group:
    """A table of the medians by evaluations, problem and algorithm."""
    from rich.console import Group
    from rich.table import Column
    from rich.text import Text

    problems = list(dict.fromkeys(name for ratios in medians.values() for name in ratios))
    means = {count: _means(ratios, problems) for count, ratios in medians.items()}
    ranked_at = max(medians, key=lambda count: (len(means[count]), count))
    ranks = mean_ranks(medians[ranked_at], ranked_at)
    rank_of = dict(zip(ranks.algorithms, ranks.mean_ranks, strict=True))
    names = dict.fromkeys(
        name for ratios in medians.values() for of in ratios.values() for name in of
    )
    ordered = sorted(
        names,
        key=lambda name: (rank_of.get(name, np.inf), -means[ranked_at].get(name, -np.inf)),
    )
    over = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    of_what = "" if len(problems) == 1 else ", mean over the problems"
    # Title and note are longer than a table of few columns is wide.
    title = Text(f"{objectives}: {over}", style="bold")
    note = Text(f"Median hypervolume ratio{of_what}; ranks after {ranked_at:,} evaluations.\n")
    counts = list(medians)
    shown = counts if len(counts) <= SHOWN else [*counts[: SHOWN - 1], counts[-1]]
    numbers = ["mean\nrank", *(f"after\n{count:,}" for count in shown)]
    table = new_table(("", Column("algorithm", overflow="fold", max_width=30)), numbers)
    for place, name in enumerate(ordered, start=1):
        rank = f"{rank_of[name]:.2f}" if name in rank_of else MISSING
        ratios = (means[count].get(name) for count in shown)
        cells = (MISSING if ratio is None else f"{ratio:.4f}" for ratio in ratios)
        table.add_row(str(place), name, rank, *cells)
    return Group(title, table, note)


def _means(medians: dict[str, dict[str, float]], problems: list[str]) -> dict[str, float]:
    """Mean over the problems of each algorithm that was judged on all of them."""
    names = dict.fromkeys(name for ratios in medians.values() for name in ratios)
    return {
        name: float(np.mean([medians[problem][name] for problem in problems]))
        for name in names
        if all(name in medians.get(problem, {}) for problem in problems)
    }


def serious_cautions(analyses: Sequence[Analysis]) -> list[str]:
    """What puts the comparison as a whole in doubt, most important first.

    Args:
        analyses: one per problem, at least one.
    """
    beaten = [beaten_front(one.results.reference, one.scores) for one in analyses]
    unequal = [unequal_runs(one.scores, one.compared_at) for one in analyses]
    found = _with_titles(analyses, beaten)
    few = _fewest_of_all(analyses)
    return [*found, *([few] if few else []), *_with_titles(analyses, unequal)]


def overall_cautions(analyses: Sequence[Analysis]) -> list[str]:
    """What is to be known of the whole; what is about some problems only stands there.

    Args:
        analyses: one per problem, at least one.
    """
    few = _fewest_of_all(analyses)
    shared = [
        sentence
        for sentence in analyses[0].cautions
        if all(sentence in one.cautions for one in analyses)
    ]
    found = [*([few] if few else []), *shared]
    exact = [one.results.reference.kind == "exact" for one in analyses]
    if any(exact) and not all(exact):
        found.append(
            "Some reference fronts are pooled, not exact; the part on each problem says which."
        )
    return list(dict.fromkeys(found))


def _fewest_of_all(analyses: Sequence[Analysis]) -> str | None:
    if len(analyses) == 1:
        return few_runs(fewest_runs(analyses[0].scores))
    return few_runs(
        {
            f"{name} on {one.results.title}": count
            for one in analyses
            for name, count in fewest_runs(one.scores).items()
        }
    )


def _with_titles(analyses: Sequence[Analysis], sentences: Sequence[str | None]) -> list[str]:
    """Each different sentence once, with the problem that it is about if there are several."""
    titles: dict[str, list[str]] = {}
    for one, sentence in zip(analyses, sentences, strict=True):
        if sentence is not None:
            titles.setdefault(sentence, []).append(one.results.title)
    if len(analyses) == 1:
        return list(titles)
    return [
        f"{places[0]}{f' and {len(places) - 1} more' if len(places) > 1 else ''}: {sentence}"
        for sentence, places in titles.items()
    ]
