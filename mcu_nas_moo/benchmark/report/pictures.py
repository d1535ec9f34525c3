"""The figures of a report for print: PNG and SVG by matplotlib."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.report.appearance import REFERENCE_COLOUR, axes_of
from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.common.text import picture_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.text import Text

    from mcu_nas_moo.benchmark.analysis.ranks import Ranks
    from mcu_nas_moo.benchmark.analysis.runtimes import RuntimeDistribution
    from mcu_nas_moo.benchmark.report.appearance import Look
    from mcu_nas_moo.benchmark.report.figure_data import Attainment, Band, Fronts, Steps
    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.contracts.metrics import Metric

#: Fonts of a figure that stands in a column of a paper stay readable.
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "mcu-nas-moo",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
}
#: Dots per inch of the PNG.
_DPI = 180
#: Inches for ticks and labels at the left of the panels and below them.
_LEFT, _BELOW = 0.65, 0.52
#: Marks of a joined front at most; more would only hide its line.
_MARKS = 60
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def save_any_time(
    stem: Path, results: ProblemResults, bands: Mapping[str, Band], looks: Mapping[str, Look]
) -> None:
    """Hypervolume ratio over the evaluations, and beside it what lacks to 1 on a log scale."""
    # Many bands on top of one another hide the lines.
    banded = len(bands) <= 8
    shown = "median and quartiles" if banded else "medians"
    title = f"Any-time hypervolume, {shown} over seeds\n{results.title}"
    with _picture(stem, title, (2.9, 2.6), 2, gap=0.7) as (left, right):
        for axes in (left, right):
            _count_axis(axes)
            axes.margins(x=0)
        for name, band in bands.items():
            # A run may equal an exact front; the logarithm needs a place for that.
            gaps = (np.maximum(1.0 - side, 1e-6) for side in (band.upper, band.median, band.lower))
            for axes, (low, middle, high) in ((left, band[1:]), (right, gaps)):
                axes.plot(band.evaluations, middle, **_line(name, looks))
                if banded:
                    fill: dict[str, Any] = {"color": looks[name].colour, "alpha": 0.15, "lw": 0}
                    axes.fill_between(band.evaluations, low, high, **fill)
        left.axhline(1.0, color="0.5", ls=":", lw=1)
        left.set(ylabel="hypervolume ratio", ylim=(0, None))
        right.set(ylabel="1 − hypervolume ratio", yscale="log")
        right.yaxis.set_major_formatter(_power_of_ten)


def save_fronts(
    stem: Path, results: ProblemResults, fronts: Fronts, looks: Mapping[str, Look]
) -> None:
    """Each algorithm's front over all its seeds beside the reference; a panel per pair."""
    objectives = axes_of(results.task)
    joined = len(objectives) == 2
    title = f"Fronts of all seeds after {fronts.evaluations:,} evaluations\n{results.title}"
    size = (4.4, 3.2) if joined else (2.5, 2.6)
    columns = [*range(1, len(objectives))] or [0]
    # Thousands of marks make a heavy SVG.
    shape: dict[str, Any] = (
        {"drawstyle": "steps-post"} if joined else {"ls": "none", "rasterized": True}
    )
    with _picture(stem, title, size, len(columns), markerscale=1 if joined else 2) as panels:
        for axes, column in zip(panels, columns, strict=True):
            known = _reference(results) | ({} if joined else {"marker": ".", "ms": 4}) | shape
            axes.plot(*_outline(fronts.reference, objectives, column), **known)
            for place, (name, rows) in enumerate(fronts.rows.items()):
                style = _line(name, looks, 0.8) | _mark(looks[name], 3 if joined else 2) | shape
                axes.plot(
                    *_outline(fronts.F[rows], objectives, column),
                    # The leading algorithm on top, so that worse points do not hide its own.
                    zorder=3 - place / len(fronts.rows),
                    alpha=0.85 if joined else 0.6,
                    mew=0.6 if joined else 0.3,
                    markevery=-(-len(rows) // _MARKS) if joined else 1,
                    **style,
                )
            axes.set_xlabel(objectives[column].label)
        panels[0].set_ylabel(objectives[0].label)


def save_attainment(
    stem: Path, results: ProblemResults, attainment: Attainment, looks: Mapping[str, Look]
) -> None:
    """The surface that half of the runs attain, of each algorithm."""
    objectives = axes_of(results.task)
    title = f"Attained by half of the runs after {attainment.evaluations:,} evaluations"
    with _picture(stem, f"{title}\n{results.title}", (4.4, 3.2)) as (axes,):
        axes.step(*_outline(results.reference.F, objectives), where="post", **_reference(results))
        for name, surface in attainment.surfaces.items():
            axes.step(*_outline(surface, objectives), where="post", **_line(name, looks))
        axes.set(xlabel=objectives[1].label, ylabel=objectives[0].label)


def save_attainment_difference(
    stem: Path, results: ProblemResults, attainment: Attainment, first: str, second: str
) -> None:
    """Where runs of one algorithm attain more often than those of another."""
    upwards, across = axes_of(results.task)
    title = f"Attainment after {attainment.evaluations:,} evaluations, {first} less {second}"
    with _picture(stem, f"{title}\n{results.title}", (4.4, 3.2), right=1.15) as (axes,):
        mesh = axes.pcolormesh(
            attainment.across * across.factor,
            attainment.upwards * upwards.factor,
            # A cell has the share of its lower corner, since more is attained only farther on.
            attainment.difference(first, second)[:-1, :-1],
            cmap="PuOr_r",
            vmin=-1,
            vmax=1,
            shading="flat",
            rasterized=True,
        )
        bar = axes.figure.colorbar(mesh, cax=axes.inset_axes((1.04, 0, 0.05, 1)))
        bar.set_label(picture_text(f"share of runs: {first} − {second}"))
        axes.grid(visible=False)
        axes.set(xlabel=across.label, ylabel=upwards.label)


def save_reached(
    stem: Path,
    results: ProblemResults,
    functions: Mapping[str, Mapping[float | None, Steps]],
    looks: Mapping[str, Look],
) -> None:
    """Share of runs that reached each target, a panel per target, over the evaluations."""
    targets = sorted({t for own in functions.values() for t in own if t is not None})
    if not targets:
        return
    title = f"Runs that reached a share of the reference hypervolume\n{results.title}"
    with _picture(stem, title, (1.8, 2.0), len(targets)) as panels:
        for axes, target in zip(panels, targets, strict=True):
            for name, own in functions.items():
                steps = own.get(target)
                if steps is None:
                    continue
                last = steps.shares[-1] if len(steps.shares) else 0.0
                at = [1.0, *steps.evaluations, steps.end]
                axes.step(at, [0.0, *steps.shares, last], where="post", **_line(name, looks))
            _count_axis(axes)
            axes.set(xlim=(1, max(results.budgets)), ylim=(-0.02, 1.02))
            axes.set_title(f"{100 * target:g} %")
        panels[0].set_ylabel("share of runs")


def save_runtimes(stem: Path, runtimes: RuntimeDistribution, looks: Mapping[str, Look]) -> None:
    """Share of all problems, runs and targets that were solved, over the evaluations."""
    title = "Targets reached over the evaluations, all problems"
    with _picture(stem, title, (4.4, 2.7)) as (axes,):
        for name, shares in runtimes.shares.items():
            axes.step(runtimes.evaluations, shares, where="post", **_line(name, looks))
        _count_axis(axes)
        axes.set(xlim=(1, int(np.max(runtimes.evaluations))), ylim=(-0.02, 1.02))
        axes.set_ylabel("share of problems, runs and targets")


def save_critical_difference(stem: Path, ranks: Ranks) -> None:
    """Mean ranks on a line; bars join algorithms that are not shown to differ (Demšar 2006)."""
    order = np.argsort(ranks.mean_ranks, kind="stable")
    names = [ranks.algorithms[n] for n in order]
    values = np.asarray(ranks.mean_ranks, dtype=float)[order]
    n = len(names)
    half = (n + 1) // 2
    bars = [[names.index(name) for name in clique] for clique in ranks.cliques]
    below = 0.35 + 0.22 * len(bars)
    size = (4.6, 0.9 + 0.2 * half + 0.12 * len(bars))
    title = f"Mean ranks after {ranks.evaluations:,} evaluations"
    with _picture(stem, title, size, bare=True) as (axes,):
        axes.set_axis_off()
        axes.set(xlim=(1, n), ylim=(-below - 0.45 * half, 1.7))
        axes.plot([1, n], [0, 0], color="0.2", lw=1, clip_on=False)
        for tick in range(1, n + 1):
            axes.plot([tick, tick], [0, 0.15], color="0.2", lw=1)
            axes.text(tick, 0.25, str(tick), ha="center", va="bottom", fontsize=8)
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            left = place < half
            level = -below - 0.45 * (place if left else n - 1 - place)
            end, text = (1, f"{name}  {value:.2f} ") if left else (n, f" {value:.2f}  {name}")
            axes.plot([value, value, end], [0, level, level], color="0.45", lw=0.8)
            side: dict[str, Any] = {"ha": "right" if left else "left", "va": "center"}
            axes.text(end, level, picture_text(text), fontsize=8.5, **side)
        for number, members in enumerate(bars):
            level = -0.2 - 0.22 * number
            ends = [values[min(members)] - 0.03, values[max(members)] + 0.03]
            axes.plot(ends, [level, level], color="0.1", lw=3, solid_capstyle="butt")
        difference = float(ranks.critical_difference)
        text, middle = f"critical difference {difference:.2f}", 1 + difference / 2
        place_of: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8}
        if difference <= n - 1:
            axes.plot([1, 1 + difference], [1.15, 1.15], color="0.2", lw=1.2, marker="|", ms=5)
            axes.text(middle, 1.25, text, **place_of)
        else:
            axes.text((1 + n) / 2, 1.25, f"{text}, wider than the scale", **place_of)


def save_ranks(stem: Path, ranks: Sequence[Ranks], looks: Mapping[str, Look]) -> None:
    """Mean rank of each algorithm over the numbers of evaluations, labelled at its end."""
    names = ranks[-1].algorithms
    with _picture(stem, "", (4.4, max(2.6, 0.2 * len(names)))) as (axes,):
        ends = {}
        for name in names:
            points = [
                (one.evaluations, float(one.mean_ranks[one.algorithms.index(name)]))
                for one in ranks
                if name in one.algorithms
            ]
            style = _line(name, looks) | _mark(looks[name], 4) | {"label": None}
            axes.plot(*np.array(points).T, **style)
            ends[name] = points[-1]
        if len(ranks) > 1:
            axes.set_xscale("log")
        axes.set_xticks([one.evaluations for one in ranks])
        axes.set_xticklabels([f"{one.evaluations:,}" for one in ranks])
        axes.minorticks_off()
        axes.set(xlabel="evaluations", ylabel="mean rank over the problems (1 is best)")
        axes.invert_yaxis()
        low, high = axes.get_ylim()
        places = _spread_out([y for _, y in ends.values()], 0.05 * abs(low - high))
        for (name, end), place in zip(ends.items(), places, strict=True):
            axes.annotate(
                picture_text(name),
                end,
                xytext=(1.05, place),
                textcoords=("axes fraction", "data"),
                color=looks[name].colour,
                va="center",
                fontsize=8,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": looks[name].colour, "lw": 0.5},
            )


def _spread_out(values: Sequence[float], distance: float) -> list[float]:
    """``values`` moved as little as needed so that none is nearer than ``distance`` to another."""
    order = np.argsort(values, kind="stable")
    placed = np.asarray(values, dtype=float)[order]
    for _ in range(200):
        moved = False
        for one, two in pairwise(range(len(placed))):
            lack = distance - (placed[two] - placed[one])
            if lack > 1e-9:
                placed[one] -= lack / 2
                placed[two] += lack / 2
                moved = True
        if not moved:
            break
    result = np.empty_like(placed)
    result[order] = placed
    return [float(value) for value in result]


def _line(name: str, looks: Mapping[str, Look], width: float = 1.3) -> dict[str, Any]:
    return {"label": name, "color": looks[name].colour, "ls": looks[name].line, "lw": width}


def _mark(look: Look, size: float) -> dict[str, Any]:
    return {"marker": look.mark, "mfc": look.colour if look.filled else "white", "ms": size}


def _reference(results: ProblemResults) -> dict[str, Any]:
    label = f"reference ({results.reference.kind})"
    return {"label": label, "color": REFERENCE_COLOUR, "lw": 4, "zorder": 1}


def _outline(F: FloatArray, objectives: Sequence[Metric], column: int = 1) -> list[FloatArray]:
    """Points across and upwards, from left to right."""
    order = np.argsort(F[:, column], kind="stable")
    return [F[order, n] * objectives[n].factor for n in (column, 0)]


def _count_axis(axes: Axes) -> None:
    """Evaluations on a logarithmic axis; labels of its minor ticks would only cost time."""
    from matplotlib.ticker import NullFormatter

    axes.set(xscale="log", xlabel="evaluations")
    axes.xaxis.set_major_formatter(_power_of_ten)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _power_of_ten(value: float, _: float) -> str:
    """Without matplotlib's layout of formulas, which takes long."""
    return "10" + str(round(np.log10(value))).translate(_RAISED)


@contextmanager
def _picture(
    stem: Path,
    title: str,
    size: tuple[float, float],
    panels: int = 1,
    *,
    gap: float = 0.12,
    right: float = 0.15,
    markerscale: float = 1.0,
    bare: bool = False,
) -> Iterator[Sequence[Axes]]:
    """Axes to draw in, panels side by side; saved as PNG and SVG at the end.

    Margins are set once, by the legend of what has a label and by texts beside the axes: the layout
    engines of matplotlib would take longer than all drawing.

    Args:
        stem: path of the files, without ending.
        title: over the panels; may be empty.
        size: inches of a panel. All grow in height where the legend needs it.
        panels: that share the values upwards, unless the ``gap`` has room for labels of their own.
        gap: inches between two.
        right: inches at the right of them, if nothing there needs more.
        markerscale: of marks in the legend.
        bare: there are no labels at the left and below.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(dpi=_DPI)
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, sharey=gap < _LEFT, squeeze=False)[0]
        yield axes
        width, height = size
        left, below = (0.1, 0.1) if bare else (_LEFT, _BELOW)
        above = 0.12 + 0.17 * len(title.splitlines()) + 0.2 * any(one.get_title() for one in axes)
        for side, text in ((text.get_ha(), text) for one in axes for text in one.texts):
            if side == "right":
                left = max(left, _inches(figure, text)[0] + 0.1)
            elif side == "left":
                right = max(right, _inches(figure, text)[0] + 0.05 * width + 0.1)
        handles, labels = axes[0].get_legend_handles_labels()
        if handles:
            legend = figure.legend(
                handles,
                [picture_text(label) for label in labels],
                loc="center right",
                frameon=False,
                handlelength=2.4,
                borderpad=0.2,
                markerscale=markerscale,
            )
            beside, tall = _inches(figure, legend)
            right, height = max(right, beside + 0.2), max(height, tall - below)
        whole = np.array(
            [left + panels * width + (panels - 1) * gap + right, below + height + above]
        )
        figure.set_size_inches(*whole)
        figure.suptitle(picture_text(title), fontsize=9.5, y=1 - 0.08 / whole[1], va="top")
        low, high = np.array([left, below]) / whole, 1 - np.array([right, above]) / whole
        figure.subplots_adjust(low[0], low[1], high[0], high[1], wspace=gap / width)
        # No date inside, so that the same results make the same files.
        for ending, facts in (("png", {"Software": None}), ("svg", {"Date": None})):
            write = partial(figure.savefig, dpi=_DPI, format=ending, metadata=facts)
            write_atomically(stem.with_name(f"{stem.name}.{ending}"), write)


def _inches(figure: Figure, artist: Text | Legend) -> tuple[float, float]:
    """Width and height."""
    from matplotlib.text import Text

    canvas: Any = figure.canvas
    renderer = canvas.get_renderer()
    if isinstance(artist, Text):  # of an annotation without its arrow
        box = Text.get_window_extent(artist, renderer)
    else:
        box = artist.get_window_extent(renderer)
    return box.width / _DPI, box.height / _DPI
