"""Pictures of a study: Pareto fronts and the hypervolume over the evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.benchmark.report.study_summary import pooled_front
from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.contracts.metrics import METRICS, OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.runs.history import History
    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.problem.task import Task

#: Colours that stay apart for colour-blind readers (Okabe and Ito 2008), and marks to match.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
PLOTLY_MARKS = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "triangle-down",
    "cross",
    "x",
    "star",
)


class _Axis(NamedTuple):
    """One objective on an axis."""

    label: str
    column: int
    factor: float
    limit: float | None


def _axes(task: Task) -> tuple[_Axis, _Axis]:
    """The second objective across and the first one upwards."""
    axes = []
    for column in (1, 0):
        metric = OBJECTIVES[task.objectives[column]]
        axes.append(_Axis(metric.label, column, metric.factor, task.limits.get(metric.name)))
    return axes[0], axes[1]


def _by_algorithm(histories: Sequence[History]) -> dict[str, list[History]]:
    groups: dict[str, list[History]] = {}
    for history in histories:
        groups.setdefault(history.algorithm, []).append(history)
    return groups


def _front_title(task: Task) -> str:
    part = f" (2 of {task.n_obj} objectives)" if task.n_obj > 2 else ""
    return f"Feasible Pareto fronts{part}, {task.title}"


def draw_pareto_front(
    path: Path, task: Task, histories: Sequence[History], reference: Reference
) -> None:
    """PNG of each algorithm's feasible front over all its seeds, beside the reference front.

    With more than two objectives, the first two are shown and the points are not joined.
    """
    figure, axes = _figure()
    across, upwards = _axes(task)
    joined = task.n_obj == 2
    place = [across.column, upwards.column]
    factors = np.array([across.factor, upwards.factor])
    line = {"drawstyle": "steps-post"} if joined else {"linestyle": "none"}

    known = _sorted(reference.F[:, place] * factors)
    axes.plot(
        *known.T,
        color="0.72",
        lw=4 if joined else 0,
        marker=None if joined else ".",
        label=f"reference front ({reference.kind})",
        solid_capstyle="round",
        **line,
    )
    for number, (name, group) in enumerate(_by_algorithm(histories).items()):
        points = _sorted(pooled_front(task, group).F[:, place] * factors)
        axes.plot(
            *points.T,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKS[number % len(MARKS)],
            ms=3.5,
            lw=1.2,
            alpha=0.85,
            label=name,
            **line,
        )
    if across.limit is not None and across.limit * across.factor <= 1.5 * known[:, 0].max():
        axes.axvline(across.limit * across.factor, color="0.4", ls=":", lw=1)
        axes.annotate(
            "limit",
            (across.limit * across.factor, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
            color="0.4",
        )
    axes.set(xlabel=across.label, ylabel=upwards.label)
    seeds = max(len(group) for group in _by_algorithm(histories).values())
    axes.set_title(f"{_front_title(task)}, {_count(seeds, 'seed')} pooled")
    axes.legend(frameon=False)
    _save(figure, path)


def draw_hypervolume(
    path: Path, task: Task, curves: Mapping[str, Sequence[FloatArray]], budget: int
) -> None:
    """PNG of the any-time hypervolume ratio: median over seeds and the band of its quartiles.

    Args:
        path: of the picture.
        task: what was optimised.
        curves: ratio after each evaluation, for each seed of each algorithm.
        budget: evaluations per run; shorter runs keep their last value.
    """
    figure, axes = _figure()
    evaluations = np.arange(1, budget + 1)
    lowest = 1.0
    for number, (name, own) in enumerate(curves.items()):
        padded = np.stack([np.pad(curve, (0, budget - len(curve)), mode="edge") for curve in own])
        lower, median, upper = np.quantile(padded, [0.25, 0.5, 0.75], axis=0)
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(evaluations, median, color=colour, lw=1.8, label=name)
        axes.fill_between(evaluations, lower, upper, color=colour, alpha=0.18, lw=0)
        lowest = min(lowest, float(median[budget // 20]))
    axes.axhline(1.0, color="0.5", ls=":", lw=1)
    axes.set(xlabel="evaluations", ylabel="hypervolume / that of the reference front")
    axes.set_xlim(1, budget)
    # The first evaluations of a run climb from 0; what matters is what follows.
    axes.set_ylim(max(0.0, lowest - 0.05), None)
    seeds = max(len(own) for own in curves.values())
    axes.set_title(f"Any-time hypervolume, {task.title}, quartiles of {_count(seeds, 'seed')}")
    axes.legend(frameon=False, loc="lower right")
    _save(figure, path)


def write_pareto_page(
    path: Path, task: Task, histories: Sequence[History], reference: Reference
) -> None:
    """HTML page with the fronts of :func:`draw_pareto_front`; pointing at a subnet shows it.

    The page holds all it needs and works offline.
    """
    import plotly.graph_objects as go

    across, upwards = _axes(task)
    joined = task.n_obj == 2
    figure = go.Figure()
    known = _sorted(reference.F[:, [across.column, upwards.column]])
    figure.add_scatter(
        x=known[:, 0] * across.factor,
        y=known[:, 1] * upwards.factor,
        name=f"reference front ({reference.kind})",
        mode="lines" if joined else "markers",
        line={"color": "#c4c4c4", "width": 6, "shape": "hv"},
        hoverinfo="skip",
    )
    for number, (name, group) in enumerate(_by_algorithm(histories).items()):
        front = pooled_front(task, group)
        order = np.lexsort((front.F[:, upwards.column], front.F[:, across.column]))
        figure.add_scatter(
            x=front.F[order, across.column] * across.factor,
            y=front.F[order, upwards.column] * upwards.factor,
            name=name,
            mode="lines+markers" if joined else "markers",
            line={"color": COLOURS[number % len(COLOURS)], "width": 1.5, "shape": "hv"},
            marker={"symbol": PLOTLY_MARKS[number % len(PLOTLY_MARKS)], "size": 7},
            text=_descriptions(task, front.X[order]),
            hovertemplate="%{text}<extra>" + name + "</extra>",
        )
    if across.limit is not None and across.limit * across.factor <= 1.5 * known[:, 0].max():
        figure.add_vline(
            across.limit * across.factor,
            line_dash="dot",
            line_color="grey",
            annotation_text="limit",
        )
    figure.update_layout(
        title=_front_title(task),
        xaxis_title=across.label,
        yaxis_title=upwards.label,
        template="plotly_white",
        hoverlabel={"align": "left", "font": {"family": "monospace", "size": 12}},
        legend={"orientation": "h", "yanchor": "top", "y": -0.15, "x": 0},
        margin={"l": 60, "r": 20, "t": 60, "b": 60},
    )

    def write(partial: Path) -> None:
        page = figure.to_html(include_plotlyjs=True, full_html=True, config={"responsive": True})
        partial.write_text(page, encoding="utf-8")

    write_atomically(path, write)


def _descriptions(task: Task, X: np.ndarray) -> list[str]:
    """What a subnet is and costs, as lines of HTML."""
    metrics = task.metrics(X)
    texts = []
    for row, subnet in enumerate(task.space.decode(X)):
        lines = [
            f"{metric.short} {metric.text(metrics[name][row])}"
            for name, metric in METRICS.items()
            if name in metrics
        ]
        lines.append("")
        stage = None
        for gene, value in subnet.values.items():
            head, _, rest = gene.partition("_")
            if rest and head == stage:
                lines[-1] += f", {rest} {value}"
            else:
                lines.append(f"{head} {rest} {value}".replace("  ", " "))
                stage = head if rest else None
        texts.append("<br>".join(lines))
    return texts


def _sorted(points: FloatArray) -> FloatArray:
    ordered: FloatArray = points[np.lexsort((points[:, 1], points[:, 0]))]
    return ordered


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _figure() -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92", lw=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    write_atomically(path, lambda partial: figure.savefig(partial, dpi=160, format="png"))
