"""From runs to all files of a report, one problem after the other."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import partial
from operator import call
from typing import TYPE_CHECKING, Any, NamedTuple

from mcu_nas_moo.benchmark.report.problem_report import ProblemReport, draw, report_problem
from mcu_nas_moo.benchmark.results.problem_results import nothing_there
from mcu_nas_moo.common.files import write_atomically, write_text_atomically
from mcu_nas_moo.common.workpool import WorkPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.benchmark.analysis.ranks import Ranks
    from mcu_nas_moo.benchmark.analysis.runtimes import RuntimeDistribution
    from mcu_nas_moo.benchmark.report.appearance import Look
    from mcu_nas_moo.benchmark.report.problem_report import Source
    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults, Results


class Report(NamedTuple):
    """What was written.

    Attributes:
        page: path of the page.
        problems: what it shows of each.
        warnings: what the reader of the results should know, a line each.
    """

    page: Path
    problems: list[ProblemReport]
    warnings: list[str]

    @property
    def analyses(self) -> list[Analysis]:
        """One per problem."""
        return [one.analysis for one in self.problems]


def write_report(results: Results, folder: Path, **options: Any) -> Path:
    """Write the report of ``results``; :func:`make_report` says what, and with which options.

    Returns:
        the path of the page.
    """
    sources = [partial(_as_it_is, one) for one in results.problems]
    return make_report(sources, folder, warnings=results.warnings, **options).page


def _as_it_is(problem: ProblemResults) -> tuple[ProblemResults, tuple[str, ...]]:
    return problem, ()


def make_report(
    sources: Sequence[Source],
    folder: Path,
    *,
    jobs: int = 1,
    command: str = "",
    records: Sequence[Mapping[str, Any]] = (),
    warnings: Sequence[str] = (),
    where: str = "these results",
    watch: Callable[[int, int], object] = lambda finished, total: None,
) -> Report:
    """Load the runs on each problem, analyse them, and write page, figures and tables.

    A process holds the runs on one problem at a time. Files: ``report.html``, ``figures/*.png`` and
    ``*.svg``, ``tables/*.md`` and ``*.tex``, ``results.csv`` (one row per run and judged number of
    evaluations), ``pairs.csv`` (every two algorithms) and ``pareto.csv`` (the networks on the
    front of all runs).

    Args:
        sources: load the runs on one problem each. One with an attribute ``size`` is taken the
            earlier, the larger that is.
        folder: made if missing; files of these names in it are replaced.
        jobs: processes.
        command: that made the report; shown in it.
        records: contents of the ``suite.json`` of the suites that made the runs; shown in it.
        warnings: to be shown, beside those of the sources.
        where: the runs are; for the error.
        watch: is told how many steps of how many are done.

    Raises:
        InputError: if there is no run.
    """
    from mcu_nas_moo.benchmark.analysis.ranks import ranks_of
    from mcu_nas_moo.benchmark.analysis.runtimes import runtime_distribution
    from mcu_nas_moo.benchmark.report.appearance import looks

    pool, steps = WorkPool(jobs), len(sources)
    # A process that has the largest problem left at the end would keep the others waiting.
    order = sorted(range(steps), key=lambda n: -getattr(sources[n], "size", 0.0))
    made = pool.map(
        _report_problem, [sources[n] for n in order], lambda done: watch(done, 2 * steps + 1)
    )
    prepared = [made[order.index(n)] for n in range(steps)]
    shown = [one for one, _ in prepared if one is not None]
    told = list(dict.fromkeys([*warnings, *(line for _, own in prepared for line in own)]))
    if not shown:
        raise nothing_there(where, told)
    analyses = [one.analysis for one in shown]
    names = dict.fromkeys(name for one in analyses for name in one.results.algorithms)
    look = looks(names)
    ranks = [one for one in (ranks_of(analyses, c) for c in _judged(analyses)) if one.algorithms]
    runtimes = runtime_distribution([one.runtimes for one in analyses])
    drawings = [partial(draw, one, look, folder / "figures") for one in shown]
    drawings.insert(0, partial(_draw_overview, ranks, runtimes, look, folder / "figures"))
    pool.map(call, drawings, lambda done: watch(steps + done, steps + len(drawings)))
    page = folder / "report.html"
    _write_page(page, shown, ranks, runtimes, look, told, command, records)
    _write_frames(analyses, folder)
    return Report(page, shown, told)


def _report_problem(source: Source) -> tuple[ProblemReport | None, Sequence[str]]:
    """:func:`report_problem`; what the runs took of memory is then given back to the system."""
    made = report_problem(source)
    with suppress(AttributeError, OSError, TypeError):  # where the C library has no such function
        ctypes.CDLL(None).malloc_trim(0)
    return made


def _write_page(
    path: Path,
    shown: Sequence[ProblemReport],
    ranks: Sequence[Ranks],
    runtimes: RuntimeDistribution,
    look: Mapping[str, Look],
    warnings: Sequence[str],
    command: str,
    records: Sequence[Mapping[str, Any]],
) -> None:
    """Write the page, and the tables on it as files of their own."""
    from mcu_nas_moo.benchmark.report import contents
    from mcu_nas_moo.benchmark.report.common_front import write_fronts
    from mcu_nas_moo.benchmark.report.page import Page, render
    from mcu_nas_moo.benchmark.report.page_data import overview_data

    analyses = [one.analysis for one in shown]
    mean_ranks = {
        one.evaluations: dict(zip(one.algorithms, one.mean_ranks, strict=True)) for one in ranks
    }
    summaries = {
        count: [contents.summary_table(analyses, count, mean_ranks.get(count, {}))]
        for count in contents.counts(analyses)
    }
    largest = max(one.compared_at for one in analyses)
    overview_tables = [contents.rank_table(ranks)] if ranks else []
    overview_tables.append(contents.sensitivity_table(analyses, largest))
    overview = overview_data(look, ranks, runtimes)
    page = Page(shown, overview, summaries, overview_tables, warnings, command, records)
    write_text_atomically(path, render(page))
    everything = [table for own in summaries.values() for table in own] + overview_tables
    everything += [table for one in shown for group in one.tables.values() for table in group]
    for table in everything:
        stem = path.parent / "tables" / table.stem
        write_text_atomically(stem.with_name(f"{stem.name}.md"), table.to_markdown())
        write_text_atomically(stem.with_name(f"{stem.name}.tex"), table.to_latex())
    write_fronts(path.parent / "pareto.csv", [one.front for one in shown])


def _judged(analyses: Sequence[Analysis]) -> list[int]:
    """Numbers of evaluations at which every problem has scores, increasing."""
    judged = [set(one.scores["evaluations"].tolist()) for one in analyses]
    return sorted(int(count) for count in set.intersection(*judged))


def _write_frames(analyses: Sequence[Analysis], folder: Path) -> None:
    import pandas as pd

    for name, frames in (
        ("results.csv", [one.scores for one in analyses]),
        ("pairs.csv", [one.pairs for one in analyses]),
    ):
        whole: pd.DataFrame = pd.concat(
            [
                frame.assign(problem=one.results.name)
                for one, frame in zip(analyses, frames, strict=True)
            ]
        )
        whole.insert(0, "problem", whole.pop("problem"))
        write_atomically(
            folder / name,
            partial(whole.to_csv, index=False, lineterminator="\n", float_format="%.8g"),
        )


def _draw_overview(
    ranks: Sequence[Ranks], runtimes: RuntimeDistribution, look: Mapping[str, Look], folder: Path
) -> None:
    """Save the figures about all problems."""
    from mcu_nas_moo.benchmark.report import pictures

    for own in ranks:
        if len(own.algorithms) > 1:
            stem = folder / f"critical-difference-{own.evaluations}"
            pictures.save_critical_difference(stem, own)
    if ranks and len(ranks[-1].algorithms) > 1:
        pictures.save_ranks(folder / "ranks", ranks, look)
    if runtimes.shares:
        pictures.save_runtimes(folder / "targets", runtimes, look)
