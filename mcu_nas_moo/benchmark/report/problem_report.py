"""All that a report needs of one problem, once its runs are let go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.report import contents, figure_data
from mcu_nas_moo.benchmark.report.common_front import common_front
from mcu_nas_moo.benchmark.report.page_data import problem_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.benchmark.report.appearance import Look
    from mcu_nas_moo.benchmark.report.common_front import CommonFront
    from mcu_nas_moo.benchmark.report.figure_data import Attainment, Band, Fronts, Steps
    from mcu_nas_moo.benchmark.report.table import Table
    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults

    #: Loads the runs on a problem, None if there are none, with warnings for the reader.
    Source = Callable[[], tuple[ProblemResults | None, Sequence[str]]]


@dataclass(frozen=True, eq=False)
class ProblemReport:
    """What is shown of one problem.

    Attributes:
        analysis: its runs have no rows any more.
        front: feasible front of all runs together.
        bands, functions, fronts, attainment: what the figures show.
        data: what the page's script draws.
        tables: by number of evaluations; under None those that hold for all.
    """

    analysis: Analysis
    front: CommonFront
    bands: Mapping[str, Band]
    functions: Mapping[str, Mapping[float | None, Steps]]
    fronts: Fronts
    attainment: Attainment | None
    data: dict[str, Any]
    tables: dict[int | None, list[Table]]


def report_problem(source: Source) -> tuple[ProblemReport | None, Sequence[str]]:
    """Load the runs on a problem and work out all that is shown; None if there are no runs."""
    results, warnings = source()
    if results is None or not results.trajectories:
        return None, warnings
    one = analyse(results)
    bands, functions = figure_data.any_time(one), figure_data.reached(one)
    fronts, attainment = figure_data.fronts(one), figure_data.attainment(one)
    tables: dict[int | None, list[Table]] = {
        count: [
            contents.comparison_table(one, count),
            contents.pair_table(one, count),
            contents.indicator_table(one, count),
        ]
        for count in contents.counts([one])
    }
    failures = contents.failure_table(one)
    tables[None] = [contents.target_table(one), *([] if failures is None else [failures])]
    shown = ProblemReport(
        analysis=replace(one, results=results.without_rows()),
        front=common_front(results),
        bands=bands,
        functions=functions,
        fronts=fronts,
        attainment=attainment,
        data=problem_data(one, bands, functions, fronts, attainment),
        tables=tables,
    )
    return shown, warnings


def draw(shown: ProblemReport, looks: Mapping[str, Look], folder: Path) -> None:
    """Save the figures of a problem."""
    from mcu_nas_moo.benchmark.report import pictures

    results, attainment = shown.analysis.results, shown.attainment

    def stem(what: str) -> Path:
        return folder / f"{results.name}-{what}"

    pictures.save_any_time(stem("any-time"), results, shown.bands, looks)
    pictures.save_reached(stem("targets"), results, shown.functions, looks)
    pictures.save_fronts(stem("fronts"), results, shown.fronts, looks)
    if attainment is None:
        return
    pictures.save_attainment(stem("attainment"), results, attainment, looks)
    names = [name for name in shown.analysis.ranking if name in attainment.attaining][:2]
    if len(names) == 2:
        where = stem("attainment-difference")
        pictures.save_attainment_difference(where, results, attainment, *names)
