"""How algorithms and objectives look, in every figure alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.problem.task import Task

#: Colours that stay apart for colour-blind readers on white: Okabe and Ito (2008) without yellow,
#: and wine and olive of Tol's "muted" scheme (2021).
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#333333",
    "#882255",
    "#999933",
)
#: Marks, as matplotlib and plotly call them.
MARKS = (
    ("o", "circle"),
    ("s", "square"),
    ("^", "triangle-up"),
    ("D", "diamond"),
    ("v", "triangle-down"),
    ("P", "cross"),
    ("X", "x"),
    ("*", "star"),
    ("p", "pentagon"),
)
#: Lines of the first nine algorithms, the next nine, and so on: matplotlib's and plotly's names.
LINES = (("solid", "solid"), ((0, (4, 1.5)), "dash"), ((0, (1, 1.2)), "dot"))
#: Colour of the reference front.
REFERENCE_COLOUR = "#b8b8b8"


class Look(NamedTuple):
    """Colour, mark and line of one algorithm; open marks where the colours repeat."""

    colour: str
    mark: str
    plotly_mark: str
    line: str | tuple[int, tuple[float, float]]
    plotly_line: str
    filled: bool


def looks(algorithms: Iterable[str]) -> dict[str, Look]:
    """A look for each of ``algorithms``, by their order; 27 of them can be told apart."""
    chosen = {}
    for number, name in enumerate(algorithms):
        turn, place = divmod(number, len(COLOURS))
        mark, plotly_mark = MARKS[place]
        line, plotly_line = LINES[turn % len(LINES)]
        filled = turn % 2 == 0
        chosen[name] = Look(
            COLOURS[place],
            mark,
            plotly_mark if filled else f"{plotly_mark}-open",
            line,
            plotly_line,
            filled,
        )
    return chosen


def axes_of(task: Task) -> list[Metric]:
    """What the columns of ``F`` show; a factor below 0 turns what is to be maximised round."""
    return [
        metric if metric.smaller_is_better else replace(metric, factor=-metric.factor)
        for metric in task.objective_metrics
    ]
