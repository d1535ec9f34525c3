"""What a study leaves behind: a ranking, tables and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.benchmark.analysis.indicators import hypervolume_curve, score
from mcu_nas_moo.benchmark.report import study_figures as figures
from mcu_nas_moo.benchmark.report import study_summary as summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.runs.study import Run, Study


def write_report(study: Study, runs: Sequence[Run], reference: Reference) -> list[summary.Standing]:
    """Score the finished ones of ``runs`` and write tables and pictures into the study's folder.

    Returns:
        the ranking; empty, with nothing written, if none of the runs is finished.
    """
    histories = study.histories(runs)
    if not histories:
        return []
    task, folder = study.task, study.folder
    curves = [hypervolume_curve(history.F, history.G, reference) for history in histories]
    scores = [
        score(history, curve, task.space.canonical)
        for history, curve in zip(histories, curves, strict=True)
    ]
    standings = summary.rank(scores)
    # Pictures list the algorithms in the order of the ranking.
    place = {standing.algorithm: number for number, standing in enumerate(standings)}
    ranked = sorted(zip(histories, curves, strict=True), key=lambda pair: place[pair[0].algorithm])
    curves_of = {
        name: [curve for history, curve in ranked if history.algorithm == name] for name in place
    }
    ordered = [history for history, _ in ranked]
    summary.write_results(folder / "results.csv", scores)
    summary.write_pareto(folder / "pareto.csv", task, summary.pooled_front(task, histories))
    figures.draw_pareto_front(folder / "pareto_front.png", task, ordered, reference)
    figures.write_pareto_page(folder / "pareto_front.html", task, ordered, reference)
    figures.draw_hypervolume(folder / "hypervolume.png", task, curves_of, study.budget)
    return standings
