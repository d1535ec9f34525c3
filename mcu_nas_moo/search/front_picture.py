"""``pareto_front.png``: the front of a search as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.common.text import picture_text
from mcu_nas_moo.search.front_page import main_axes

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.search.subnets import Subnets


def draw_front(
    path: Path, task: Task, subnets: Subnets, front: Subnets, reference: Reference | None
) -> None:
    """Write the picture: error over the next objective, all feasible subnets and the front.

    Args:
        path: of the PNG file.
        task: that evaluated the subnets.
        subnets: every distinct one.
        front: those on the feasible front; at least one.
        reference: front to show behind the one found.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    problem = subnets.problem
    pair = [problem.objectives_known[name] for name in main_axes(problem)]
    joined = len(problem.objectives) == 2
    line: dict[str, Any] = {"drawstyle": "steps-post"} if joined else {"linestyle": "none"}

    def points(metrics: dict[str, FloatArray]) -> FloatArray:
        F = np.stack([axis.factor * metrics[axis.name] for axis in pair], axis=1)
        ordered: FloatArray = F[np.lexsort((-F[:, 1], F[:, 0]))]
        return ordered.T

    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92", lw=0.8)
    axes.set_axisbelow(True)
    if reference is not None:
        style: dict[str, Any] = (
            {"lw": 5, "solid_capstyle": "round"} if joined else {"marker": ".", "ms": 3}
        )
        label = f"{reference.kind} front"
        axes.plot(*points(reference.figures(task)), color="0.8", label=label, **style, **line)
    others = subnets.take(subnets.feasible)
    axes.plot(*points(others.metrics), ".", ms=4, color="0.55", label="feasible", alpha=0.6)
    line |= {"marker": "o", "ms": 4, "color": "#0072B2"}
    axes.plot(*points(front.metrics), lw=1.3, label="found front", **line)
    limits = [problem.limits.get(axis.name) for axis in pair]
    low, high = axes.get_xlim()
    if limits[0] is not None and limits[0] <= high + 0.5 * (high - low):
        axes.axvline(limits[0], color="#b3261e", ls=":", lw=1.2)
        top = axes.get_xaxis_transform()
        style = {"color": "#b3261e", "size": 8, "ha": "right", "va": "top"}
        axes.text(limits[0], 0.99, "limit ", style, transform=top)
    axes.set(xlabel=pair[0].label, ylabel=pair[1].label)
    part = "" if joined else f" (2 of {len(problem.objectives)} objectives)"
    axes.set_title(picture_text(f"Feasible Pareto front{part}, {problem.title}"))
    axes.legend(frameon=False)
    write_atomically(path, lambda partial: figure.savefig(partial, dpi=160, format="png"))
