"""The ranking on one problem, for the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.analysis.statistics import median

if TYPE_CHECKING:
    from rich.table import Table

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis


def ranking_table(analysis: Analysis) -> Table:
    """Medians over the seeds where the algorithms are ranked; at most 100 columns wide."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    count = analysis.compared_at
    title = Text(f"{analysis.results.title}, {count:,} evaluations", style="bold")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("algorithm", overflow="fold", max_width=30)
    # As Text, since the brackets would be taken for markup.
    ratio = Text("hypervolume\nratio, median\n[quartiles]")
    table.add_column(ratio, justify="right", min_width=16)
    for heading in (
        "first\nfeasible",
        "feasible\nshare",
        "unique\nshare",
        "optimiser\nms/eval.",
        "wall\ntime s",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    scores = analysis.scores[analysis.scores["evaluations"] == count]
    for place, name in enumerate(analysis.ranking, start=1):
        own = scores[scores["algorithm"] == name]
        lower, middle, upper = _quartiles(analysis, name)
        first, *rest = (
            median(own[column])
            for column in ("first_feasible", "feasible_share", "unique_share", "optimiser_ms")
        )
        table.add_row(
            str(place),
            Text(name),
            Text(f"{middle:.4f} [{lower:.4f}, {upper:.4f}]"),
            "never" if np.isinf(first) else f"{first:.0f}",
            f"{rest[0]:.1%}",
            f"{rest[1]:.1%}",
            f"{rest[2]:.3f}",
            f"{median(own['wall_s']):.2f}",
        )
    return table


def verdict(analysis: Analysis) -> str:
    """One line that says who leads, and with whom it is close."""
    best, *others = analysis.ranking
    lower, middle, _ = _quartiles(analysis, best)
    if middle <= 0:
        return "No algorithm found a feasible subnet that counts; try a larger --budget."
    line = f"{best} leads with a median hypervolume ratio of {middle:.4f}"
    if not others:
        return line + "."
    close = [name for name in others if _quartiles(analysis, name)[2] >= lower]
    if close:
        return f"{line}; it is close: the quartiles of {' and '.join(close)} overlap with it."
    return f"{line}, ahead of {others[0]} ({_quartiles(analysis, others[0])[1]:.4f})."


def _quartiles(analysis: Analysis, name: str) -> tuple[float, float, float]:
    medians = analysis.medians
    there = (medians["algorithm"] == name) & (medians["evaluations"] == analysis.compared_at)
    lower, middle, upper = medians[there][["lower", "median", "upper"]].iloc[0].tolist()
    return lower, middle, upper
