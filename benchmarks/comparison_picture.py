"""Picture of the any-time hypervolume: a panel for each space and profile."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from comparison_tables import SUBJECT

from mcu_nas_moo.analysis.statistics import quartiles
from mcu_nas_moo.files import write_atomically
from mcu_nas_moo.report.study_figures import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from mcu_nas_moo.typing import FloatArray

BLACK = "#000000"
#: Points of a curve.
STEPS = 60
NOTE = "medians and quartiles; lines break where runs with the next larger budget take over"
#: Ratios that are marked on the axis; what lies outside is drawn at its end.
TICKS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)


def evaluations_shown(budget: int, after: int, start: int, end: int) -> list[int]:
    """Numbers of evaluations, evenly spaced on a log axis, above ``after`` and up to ``budget``.

    Args:
        budget: of the runs that are shown there.
        after: the next smaller budget of the algorithm's runs, 0 if there is none.
        start, end: range of the axis.
    """
    grid = np.unique(np.geomspace(start, end, STEPS).round().astype(int)).tolist()
    inner = [count for count in grid if after < count < budget]
    return [*([after + 1] if after >= start else []), *inner, budget]


def draw_any_time(
    path: Path, frame: pd.DataFrame, algorithms: Sequence[str], start: int, end: int
) -> None:
    """PNG of medians and bands of quartiles.

    Args:
        path: of the picture.
        frame: space, profile, algorithm, seed, budget, evaluations and ratio. Runs of different
            budgets are lines of their own.
        algorithms: in the order of the legend.
        start, end: range of the evaluations.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    spaces, profiles = (list(frame[name].unique()) for name in ("space", "profile"))
    size = (max(7.5, 3.6 * len(profiles)), 0.9 + 2.9 * len(spaces))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(spaces), len(profiles), sharex=True, sharey=True, squeeze=False)
    lowest, highest = _range(frame)
    others = [name for name in algorithms if name != SUBJECT]
    rest = [colour for colour in COLOURS if colour != BLACK]
    colours = {SUBJECT: BLACK} | dict(zip(others, cycle(rest), strict=False))
    for (row, column), axes in np.ndenumerate(grid):
        space, profile = spaces[row], profiles[column]
        own = frame[(frame["space"] == space) & (frame["profile"] == profile)]
        for name in algorithms:
            _draw(axes, own[own["algorithm"] == name], colours[name], name)
        axes.set_title(f"{space} on {profile}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92", lw=0.8)
        axes.set_axisbelow(True)
        axes.set_xscale("log")
        axes.set_xlim(start, end)
        counts = [count for count in (100, 200, 500, 1000, 2000, 5000) if start <= count <= end]
        axes.set_xticks(counts or [start, end])
        axes.tick_params(labelsize=9)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        # Distances to the front differ by factors, not by amounts.
        axes.set_yscale("function", functions=(_stretch, _unstretch))
        ticks = [tick for tick in TICKS if lowest <= tick <= highest]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(lowest, highest)
    figure.supxlabel(f"evaluations\n{NOTE}", fontsize=9)
    figure.supylabel("hypervolume / that of the reference front", fontsize=9)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    write_atomically(path, lambda partial: figure.savefig(partial, dpi=160, format="png"))


def _draw(axes: Any, frame: pd.DataFrame, colour: str, name: str) -> None:
    label = name
    for _, own in frame.groupby("budget"):
        curves = [(count, quartiles(runs)) for count, runs in own.groupby("evaluations")["ratio"]]
        counts = [count for count, _ in curves]
        lower, median, upper = np.array([three for _, three in curves]).T
        width = 2.2 if name == SUBJECT else 1.3
        axes.plot(counts, median, color=colour, lw=width, label=label)
        axes.fill_between(counts, lower, upper, color=colour, alpha=0.15, lw=0)
        label = "_"  # one entry in the legend


def _range(frame: pd.DataFrame) -> tuple[float, float]:
    """Ends of the axis: below most of the curves, and the first mark above all of them."""
    medians = frame.groupby(["space", "profile", "algorithm", "evaluations"])["ratio"].median()
    lowest = float(np.clip(np.floor(20 * medians.quantile(0.02)) / 20, 0.0, TICKS[0]))
    return lowest, next((tick for tick in TICKS if tick > medians.max()), TICKS[-1])


def _stretch(ratio: FloatArray) -> FloatArray:
    distance = np.maximum(1.0 - np.asarray(ratio, dtype=np.float64), 0.5 * (1 - TICKS[-1]))
    stretched: FloatArray = -np.log10(distance)
    return stretched


def _unstretch(value: FloatArray) -> FloatArray:
    ratio: FloatArray = 1.0 - 10.0 ** -np.asarray(value, dtype=np.float64)
    return ratio
