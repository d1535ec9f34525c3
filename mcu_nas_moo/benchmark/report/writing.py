"""All files of a report."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.benchmark.analysis.ranks import Ranks
    from mcu_nas_moo.benchmark.report.appearance import Look
    from mcu_nas_moo.benchmark.report.table import Table
    from mcu_nas_moo.benchmark.results.problem_results import Results


def write_report(
    results: Results,
    folder: Path,
    *,
    jobs: int = 1,
    command: str = "",
    records: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Analyse ``results`` and write the page, figures, tables and scores.

    Files: ``report.html``, ``figures/*.png`` and ``*.svg``, ``tables/*.md`` and ``*.tex``,
    ``scores.csv`` (one row per run and judged number of evaluations) and ``pairs.csv`` (every two
    algorithms).

    Args:
        results: at least one problem with at least one run.
        folder: made if missing; files of these names in it are replaced.
        jobs: processes that compute.
        command: that made the report; shown in it.
        records: contents of the ``suite.json`` of the suites that made the runs; shown in it.

    Returns:
        the path of the page.

    Raises:
        InputError: if there is no run.
    """
    from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse

    problems = [one for one in results.problems if one.trajectories]
    if not problems:
        raise InputError("there is no finished run to report on")
    analyses = [analyse(one, jobs) for one in problems]
    return write_analyses(
        analyses, folder, warnings=results.warnings, command=command, records=records, jobs=jobs
    )


def write_analyses(
    analyses: Sequence[Analysis],
    folder: Path,
    *,
    warnings: Sequence[str] = (),
    command: str = "",
    records: Sequence[Mapping[str, Any]] = (),
    jobs: int = 1,
) -> Path:
    """:func:`write_report` for results that were analysed already; at least one problem."""
    from mcu_nas_moo.benchmark.analysis.overall_cautions import overall_cautions
    from mcu_nas_moo.benchmark.analysis.ranks import ranks_of
    from mcu_nas_moo.benchmark.analysis.runtimes import runtime_distribution
    from mcu_nas_moo.benchmark.report import contents, figure_data
    from mcu_nas_moo.benchmark.report.appearance import looks
    from mcu_nas_moo.benchmark.report.page import Page, render
    from mcu_nas_moo.benchmark.report.page_data import overview_data, problem_data
    from mcu_nas_moo.benchmark.report.runtime_picture import save_runtimes

    names = list(dict.fromkeys(name for one in analyses for name in one.results.algorithms))
    look = looks(names)
    cautions = overall_cautions(analyses)
    counts = contents.counts(analyses)
    ranks = [one for one in (ranks_of(analyses, c) for c in _judged(analyses)) if one.algorithms]
    mean_ranks = {
        one.evaluations: dict(zip(one.algorithms, one.mean_ranks, strict=True)) for one in ranks
    }
    runtimes = runtime_distribution([one.runtimes for one in analyses])
    largest = max(one.compared_at for one in analyses)
    summaries = {
        count: [contents.summary_table(analyses, count, mean_ranks.get(count, {}))]
        for count in counts
    }
    overview_tables = [contents.rank_table(ranks)] if ranks else []
    overview_tables.append(contents.sensitivity_table(analyses, largest))
    problem_tables: list[dict[int | None, list[Table]]] = []
    data, shown = [], []
    for one in analyses:
        tables: dict[int | None, list[Table]] = {
            count: [
                contents.comparison_table(one, count),
                contents.pair_table(one, count),
                contents.indicator_table(one, count),
            ]
            for count in contents.counts([one])
        }
        tables[None] = [contents.target_table(one)]
        problem_tables.append(tables)
        figures = (
            figure_data.any_time(one),
            figure_data.reached(one),
            figure_data.fronts(one),
            figure_data.attainment(one),
        )
        shown.append(figures)
        own_cautions = [sentence for sentence in one.cautions if sentence not in cautions]
        data.append(problem_data(one, *figures, own_cautions))
    page = Page(
        analyses=analyses,
        overview=overview_data(look, ranks, runtimes if runtimes.shares else None),
        problems=data,
        count_tables=summaries,
        overview_tables=overview_tables,
        problem_tables=problem_tables,
        cautions=cautions,
        warnings=tuple(dict.fromkeys(warnings)),
        command=command,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        records=records,
    )
    path = folder / "report.html"
    _write_text(path, render(page))
    everything = [table for own in summaries.values() for table in own] + overview_tables
    everything += [table for own in problem_tables for group in own.values() for table in group]
    for table in everything:
        _write_text(folder / "tables" / f"{table.stem}.md", table.to_markdown())
        _write_text(folder / "tables" / f"{table.stem}.tex", table.to_latex())
    _write_frames(analyses, folder)
    _draw(analyses, shown, ranks, look, folder / "figures", jobs)
    if runtimes.shares:
        save_runtimes(folder / "figures" / "targets", runtimes, look)
    return path


def _judged(analyses: Sequence[Analysis]) -> list[int]:
    """Numbers of evaluations at which every problem has scores, increasing."""
    judged = [set(one.scores["evaluations"].tolist()) for one in analyses]
    return sorted(int(count) for count in set.intersection(*judged))


def _write_frames(analyses: Sequence[Analysis], folder: Path) -> None:
    import pandas as pd

    for name, frames in (
        ("scores.csv", [one.scores for one in analyses]),
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


def _draw(
    analyses: Sequence[Analysis],
    shown: Sequence[tuple[Any, Any, Any, Any]],
    ranks: Sequence[Ranks],
    look: Mapping[str, Look],
    folder: Path,
    jobs: int,
) -> None:
    from joblib import Parallel, delayed, parallel_config

    from mcu_nas_moo.benchmark.report import pictures

    drawings: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
    for one, (bands, functions, fronts, attainment) in zip(analyses, shown, strict=True):
        name = one.results.name
        # Runs weigh much on the way to another process, and are not drawn themselves.
        results = replace(one.results, trajectories=())
        drawings += [
            (pictures.save_any_time, (folder / f"{name}-any-time", results, bands, look)),
            (pictures.save_reached, (folder / f"{name}-targets", results, functions, look)),
            (pictures.save_fronts, (folder / f"{name}-fronts", results, fronts, look)),
        ]
        if attainment is not None:
            stem = folder / f"{name}-attainment"
            drawings.append((pictures.save_attainment, (stem, results, attainment, look)))
            names = [n for n in one.ranking if n in attainment.attaining][:2]
            if len(names) == 2:
                stem = folder / f"{name}-attainment-difference"
                drawing = pictures.save_attainment_difference
                drawings.append((drawing, (stem, results, attainment, *names)))
    for own in ranks:
        if len(own.algorithms) > 1:
            stem = folder / f"critical-difference-{own.evaluations}"
            drawings.append((pictures.save_critical_difference, (stem, own)))
    if ranks and len(ranks[-1].algorithms) > 1:
        drawings.append((pictures.save_ranks, (folder / "ranks", ranks, look)))
    # Drawing is most of the work; a process more pays off for some problems.
    processes = 1 if len(analyses) < 3 else jobs
    with parallel_config(backend="loky", inner_max_num_threads=1):
        Parallel(n_jobs=processes)(delayed(draw)(*given) for draw, given in drawings)


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
