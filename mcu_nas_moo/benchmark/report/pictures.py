"""The figures of a report for print: PNG and SVG by matplotlib."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.report.appearance import REFERENCE_COLOUR, axes_of
from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.common.text import picture_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mcu_nas_moo.benchmark.analysis.ranks import Ranks
    from mcu_nas_moo.benchmark.report.appearance import Look
    from mcu_nas_moo.benchmark.report.figure_data import Attainment, Band, Fronts, Steps
    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults

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


def save_any_time(
    stem: Path, results: ProblemResults, bands: Mapping[str, Band], looks: Mapping[str, Look]
) -> None:
    """Hypervolume ratio over the evaluations, and beside it what lacks to 1 on a log scale."""
    with _style():
        figure = _figure(8.6, _height(3.6, bands))
        left, right = figure.subplots(1, 2)
        for name, band in bands.items():
            look = looks[name]
            line: dict[str, Any] = {"color": look.colour, "ls": look.line, "lw": 1.4}
            left.plot(band.evaluations, band.median, label=name, **line)
            # A run may equal an exact front; the logarithm needs a place for that.
            gap = np.maximum(1.0 - band.median, 1e-6)
            right.plot(band.evaluations, gap, **line)
            # Many bands on top of one another hide the lines.
            if len(bands) <= 8:
                fill: dict[str, Any] = {"color": look.colour, "alpha": 0.15, "lw": 0}
                left.fill_between(band.evaluations, band.lower, band.upper, **fill)
                low, high = (np.maximum(1.0 - side, 1e-6) for side in (band.upper, band.lower))
                right.fill_between(band.evaluations, low, high, **fill)
        for axes in (left, right):
            _count_axis(axes)
            axes.margins(x=0)
        left.axhline(1.0, color="0.5", ls=":", lw=1)
        left.set(ylabel="hypervolume ratio", ylim=(0, None))
        right.set(ylabel="1 − hypervolume ratio", yscale="log")
        shown = "median and quartiles" if len(bands) <= 8 else "medians"
        _title(figure, f"Any-time hypervolume, {shown} over seeds", results)
        _legend(figure, left)
        _save(figure, stem)


def save_fronts(
    stem: Path, results: ProblemResults, fronts: Fronts, looks: Mapping[str, Look]
) -> None:
    """Each algorithm's front over all its seeds beside the reference; a panel per pair."""
    axes_facts = axes_of(results.task)
    pairs = [(0, other) for other in range(1, len(axes_facts))] or [(0, 0)]
    joined = len(axes_facts) == 2
    with _style():
        width, height = (6.8, 4.2) if joined else (3.1 * len(pairs) + 1.2, 3.6)
        figure = _figure(width, _height(height, fronts.rows))
        panels = np.atleast_1d(figure.subplots(1, len(pairs), sharey=True))
        for axes, (upwards, across) in zip(panels, pairs, strict=True):
            factors = [axes_facts[across].factor, axes_facts[upwards].factor]
            known = fronts.reference[:, [across, upwards]] * factors
            known = known[np.argsort(known[:, 0], kind="stable")]
            label = f"reference ({results.reference.kind})"
            if joined:
                step: dict[str, Any] = {"drawstyle": "steps-post", "lw": 4}
            else:
                step = {"ls": "none", "marker": ".", "ms": 4}
            axes.plot(
                *known.T,
                color=REFERENCE_COLOUR,
                label=label,
                zorder=1,
                rasterized=not joined,
                **step,
            )
            for place, (name, rows) in enumerate(fronts.rows.items()):
                look = looks[name]
                points = fronts.F[rows][:, [across, upwards]] * factors
                points = points[np.argsort(points[:, 0], kind="stable")]
                axes.plot(
                    *points.T,
                    color=look.colour,
                    marker=look.mark,
                    mfc=look.colour if look.filled else "white",
                    ms=3 if joined else 2,
                    mew=0.6 if joined else 0.3,
                    lw=0.8 if joined else 0,
                    ls=look.line if joined else "none",
                    drawstyle="steps-post" if joined else "default",
                    # The leading algorithm on top, so that worse points do not hide its own.
                    zorder=3 - place / len(fronts.rows),
                    alpha=0.85 if joined else 0.6,
                    label=name,
                    # Thousands of marks make a heavy SVG.
                    rasterized=not joined,
                )
            axes.set_xlabel(axes_facts[across].label)
        panels[0].set_ylabel(axes_facts[0].label)
        _title(figure, f"Fronts of all seeds after {fronts.evaluations:,} evaluations", results)
        _legend(figure, panels[0], 1.0 if joined else 2.0)
        _save(figure, stem)


def save_attainment(
    stem: Path, results: ProblemResults, attainment: Attainment, looks: Mapping[str, Look]
) -> None:
    """The surface that half of the runs attain, of each algorithm."""
    upwards, across = axes_of(results.task)
    with _style():
        figure = _figure(6.8, _height(4.2, attainment.surfaces))
        axes = figure.subplots()
        known = results.reference.F[np.argsort(results.reference.F[:, 1], kind="stable")]
        axes.step(
            known[:, 1] * across.factor,
            known[:, 0] * upwards.factor,
            where="post",
            color=REFERENCE_COLOUR,
            lw=4,
            label=f"reference ({results.reference.kind})",
        )
        for name, surface in attainment.surfaces.items():
            look, order = looks[name], np.argsort(surface[:, 1], kind="stable")
            axes.step(
                surface[order, 1] * across.factor,
                surface[order, 0] * upwards.factor,
                where="post",
                color=look.colour,
                ls=look.line,
                lw=1.3,
                label=name,
            )
        axes.set(xlabel=across.label, ylabel=upwards.label)
        when = f"after {attainment.evaluations:,} evaluations"
        _title(figure, f"Attained by half of the runs {when}", results)
        _legend(figure, axes)
        _save(figure, stem)


def save_attainment_difference(
    stem: Path, results: ProblemResults, attainment: Attainment, first: str, second: str
) -> None:
    """Where runs of one algorithm attain more often than those of another."""
    upwards, across = axes_of(results.task)
    with _style():
        figure = _figure(6.4, 4.2)
        axes = figure.subplots()
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
        bar = figure.colorbar(mesh, ax=axes)
        bar.set_label(picture_text(f"share of runs: {first} − {second}"))
        axes.grid(visible=False)
        axes.set(xlabel=across.label, ylabel=upwards.label)
        when = f"after {attainment.evaluations:,} evaluations"
        _title(figure, f"Attainment {when}, {first} less {second}", results)
        _save(figure, stem)


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
    end = max(results.budgets)
    with _style():
        figure = _figure(2.3 * len(targets) + 1.4, _height(3.0, functions))
        panels = np.atleast_1d(figure.subplots(1, len(targets), sharey=True))
        for axes, target in zip(panels, targets, strict=True):
            for name, own in functions.items():
                steps, look = own.get(target), looks[name]
                if steps is None:
                    continue
                last = steps.shares[-1] if len(steps.shares) else 0.0
                at = [1.0, *steps.evaluations, steps.end]
                share = [0.0, *steps.shares, last]
                style: dict[str, Any] = {"color": look.colour, "ls": look.line, "lw": 1.3}
                axes.step(at, share, where="post", label=name, **style)
            _count_axis(axes)
            axes.set(xlim=(1, end), ylim=(-0.02, 1.02))
            axes.set_title(f"{100 * target:g} %")
        panels[0].set_ylabel("share of runs")
        _title(figure, "Runs that reached a share of the reference hypervolume", results)
        _legend(figure, panels[0])
        _save(figure, stem)


def save_critical_difference(stem: Path, ranks: Ranks) -> None:
    """Mean ranks on a line; bars join algorithms that are not shown to differ (Demšar 2006)."""
    order = np.argsort(ranks.mean_ranks, kind="stable")
    names = [ranks.algorithms[n] for n in order]
    values = np.asarray(ranks.mean_ranks, dtype=float)[order]
    n = len(names)
    half = (n + 1) // 2
    bars = [
        [names.index(name) for name in clique if name in names]
        for clique in ranks.cliques
        if len(clique) > 1
    ]
    below = 0.35 + 0.22 * len(bars)
    with _style():
        figure = _figure(6.8, 1.3 + 0.2 * half + 0.12 * len(bars))
        axes = figure.subplots()
        axes.set_axis_off()
        lowest, highest = 1.0, float(n)
        margin = 0.28 * max(highest - lowest, 1.0)
        axes.plot([lowest, highest], [0, 0], color="0.2", lw=1, clip_on=False)
        for tick in range(1, n + 1):
            axes.plot([tick, tick], [0, 0.15], color="0.2", lw=1)
            axes.text(tick, 0.25, str(tick), ha="center", va="bottom", fontsize=8)
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            left = place < half
            level = -below - 0.45 * (place if left else n - 1 - place)
            end = lowest - 0.04 * margin if left else highest + 0.04 * margin
            axes.plot([value, value, end], [0, level, level], color="0.45", lw=0.8)
            axes.text(
                end - 0.03 * margin if left else end + 0.03 * margin,
                level,
                picture_text(f"{name}  {value:.2f}" if left else f"{value:.2f}  {name}"),
                ha="right" if left else "left",
                va="center",
                fontsize=8.5,
            )
        for number, members in enumerate(bars):
            level = -0.2 - 0.22 * number
            ends = [values[min(members)] - 0.03, values[max(members)] + 0.03]
            axes.plot(ends, [level, level], color="0.1", lw=3, solid_capstyle="butt")
        difference = float(ranks.critical_difference)
        if np.isfinite(difference) and difference <= highest - lowest:
            axes.plot([1, 1 + difference], [1.15, 1.15], color="0.2", lw=1.2, marker="|", ms=5)
            text = f"critical difference {difference:.2f}"
            axes.text(1 + difference / 2, 1.25, text, ha="center", va="bottom", fontsize=8)
        else:
            text = f"critical difference {difference:.2f}, wider than the scale"
            axes.text(1, 1.25, text, ha="left", va="bottom", fontsize=8)
        axes.set(xlim=(lowest - margin, highest + margin), ylim=(-below - 0.45 * half, 1.7))
        axes.set_title(f"Mean ranks after {ranks.evaluations:,} evaluations", pad=8)
        _save(figure, stem, "tight")


def save_ranks(stem: Path, ranks: Sequence[Ranks], looks: Mapping[str, Look]) -> None:
    """Mean rank of each algorithm over the numbers of evaluations, labelled at its end."""
    with _style():
        names = list(ranks[-1].algorithms)
        figure = _figure(6.4, max(3.2, 0.22 * len(names) + 1.2))
        axes = figure.subplots()
        ends = {}
        for name in names:
            points = [
                (one.evaluations, float(one.mean_ranks[list(one.algorithms).index(name)]))
                for one in ranks
                if name in one.algorithms
            ]
            look = looks[name]
            axes.plot(
                *np.array(points).T,
                color=look.colour,
                ls=look.line,
                marker=look.mark,
                mfc=look.colour if look.filled else "white",
                ms=4,
                lw=1.3,
            )
            ends[name] = points[-1]
        if len(ranks) > 1:
            axes.set_xscale("log")
        axes.set_xticks([one.evaluations for one in ranks])
        axes.set_xticklabels([f"{one.evaluations:,}" for one in ranks])
        axes.minorticks_off()
        axes.set(xlabel="evaluations", ylabel="mean rank over the problems (1 is best)")
        axes.invert_yaxis()
        low, high = axes.get_ylim()
        places = _spread_out([y for _, y in ends.values()], 0.042 * abs(low - high))
        for (name, (x, y)), place in zip(ends.items(), places, strict=True):
            axes.annotate(
                picture_text(name),
                (x, y),
                xytext=(1.03, place),
                textcoords=("axes fraction", "data"),
                color=looks[name].colour,
                va="center",
                fontsize=8,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": looks[name].colour, "lw": 0.5},
            )
        _save(figure, stem, "tight")


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


def _title(figure: Figure, what: str, results: ProblemResults) -> None:
    figure.suptitle(picture_text(f"{what}\n{results.title}"), fontsize=9.5)


def _height(least: float, names: Sized) -> float:
    """Inches that a legend of all ``names`` needs, with the title, or ``least``."""
    return max(least, 0.185 * (len(names) + 1) + 0.75)


def _legend(figure: Figure, axes: Axes, markerscale: float = 1.0) -> None:
    """Outside, at the right, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        [picture_text(label) for label in labels],
        loc="outside right center",
        frameon=False,
        handlelength=2.4,
        markerscale=markerscale,
    )


def _style() -> Any:
    import matplotlib as mpl

    return mpl.rc_context(_STYLE)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, stem: Path, bounds: str | None = None) -> None:
    """Write both formats; ``bounds`` "tight" if labels lie outside of the axes."""
    # No date inside, so that the same results make the same files.
    for ending, facts in (("png", {"Software": None}), ("svg", {"Date": None})):
        write = partial(figure.savefig, dpi=180, format=ending, metadata=facts, bbox_inches=bounds)
        write_atomically(stem.with_name(f"{stem.name}.{ending}"), write)
        # The layout takes as long as the drawing, and is the same for the second format.
        figure.set_layout_engine("none")


def _count_axis(axes: Axes) -> None:
    """Evaluations on a logarithmic axis; labels of its minor ticks would only cost time."""
    from matplotlib.ticker import NullFormatter

    axes.set(xscale="log", xlabel="evaluations")
    axes.xaxis.set_minor_formatter(NullFormatter())
