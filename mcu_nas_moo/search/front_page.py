"""``pareto_front.html``: the front of a search as one page that needs no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.pages import fill
from mcu_nas_moo.common.text import listed, script_json
from mcu_nas_moo.search.front import knee, on_front

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.problem.facts import ProblemFacts
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.search.subnets import Subnets
    from mcu_nas_moo.spaces.genes import Value


def main_axes(problem: ProblemFacts) -> tuple[str, str]:
    """Objectives across and upwards: the first that is no error, and the error if it is one."""
    across = next((o for o in problem.objectives if o != "error"), problem.objectives[0])
    others = [o for o in problem.objectives if o != across]
    return across, "error" if "error" in others else (others or [across])[0]


def write_front_page(
    path: Path, task: Task, subnets: Subnets, front: Subnets, reference: Reference | None
) -> None:
    """Write the page.

    Args:
        path: of the HTML file; subnet files are named as lying in ``subnets/`` beside it.
        task: that evaluated the subnets.
        subnets: every distinct one.
        front: those on the feasible front, in the order of the table; at least one.
        reference: front to show behind the one found.
    """
    problem = subnets.problem
    parts = {
        "title": escape(f"Pareto front of {problem.title}"),
        "lead": escape(_lead(problem, reference)),
        "facts": _facts(subnets, front),
        "figures": escape(_figures(subnets)),
        "noun": problem.noun,
        "data": script_json(page_data(task, subnets, front, reference)),
    }
    write_text_atomically(path, fill("mcu_nas_moo.search", "front_page", parts))


def page_data(
    task: Task, subnets: Subnets, front: Subnets, reference: Reference | None
) -> dict[str, Any]:
    """What the script of the page draws."""
    problem = subnets.problem
    axes = axes_of(subnets)
    names = list(axes)
    across, upwards = main_axes(problem)
    row_of = {name: row for row, name in enumerate(subnets.names)}
    order = [row_of[name] for name in front.names]
    # 0 infeasible, 1 feasible, 2 on the front.
    kind = subnets.feasible.astype(int) + on_front(subnets)
    return {
        "axes": [
            {
                "label": axis.label,
                "short": axis.short,
                "unit": axis.unit,
                "limit": problem.limits.get(axis.name),
            }
            for axis in axes.values()
        ],
        "objectives": [names.index(name) for name in problem.objectives],
        "across": names.index(across),
        "upwards": names.index(upwards),
        "order": order,
        "knee": order[knee(front)],
        "subnets": {
            "name": list(subnets.names),
            "kind": kind.tolist(),
            "values": _values(subnets.metrics, axes),
            "genes": [_in_lines(genes) for genes in subnets.genes],
        },
        "reference": reference
        and {"kind": reference.kind, "values": _values(reference.figures(task), axes)},
        "noun": problem.noun,
    }


def axes_of(subnets: Subnets) -> dict[str, Metric]:
    """What can be an axis, by the name of the objective."""
    known = subnets.problem.objectives_known
    return {name: metric for name, metric in known.items() if metric.name in subnets.metrics}


def _values(
    metrics: Mapping[str, FloatArray], axes: Mapping[str, Metric]
) -> list[list[float | None]]:
    """A column for each axis, in its unit, with six significant digits; None if not known."""
    count = len(next(iter(metrics.values())))
    return [
        [float(f"{value:.6g}") for value in (axis.factor * metrics[axis.name]).tolist()]
        if axis.name in metrics
        else [None] * count
        for axis in axes.values()
    ]


def _in_lines(genes: Mapping[str, Value]) -> list[str]:
    """Genes as readable lines, those of one stage together."""
    lines: list[tuple[str, str]] = []
    for gene, value in genes.items():
        head, _, rest = gene.partition("_")
        text = f"{rest} {value}".strip()
        if rest and lines and lines[-1][0] == head:
            lines[-1] = (head, f"{lines[-1][1]}, {text}")
        else:
            lines.append((head, text))
    return [f"{head} {text}" for head, text in lines]


def _lead(problem: ProblemFacts, reference: Reference | None) -> str:
    objectives = listed(metric.short for metric in problem.objective_metrics)
    text = f"Feasible {problem.noun}s for which no other one is better in {objectives}."
    if reference is not None:
        known = f"front of all {'networks' if problem.problem is None else 'solutions'}"
        what = known if reference.kind == "exact" else "best front known"
        text += f" Grey: the {what} of the space."
    return text


def _figures(subnets: Subnets) -> str:
    """What the figures are, in a sentence."""
    text = "Figures are those that the search went by"
    if not {"error", "accuracy"} & {*subnets.metrics}:
        return f"{text}."
    return f"{text}: error on {subnets.problem.accuracy_of}."


def _facts(subnets: Subnets, front: Subnets) -> str:
    facts = {
        f"distinct {subnets.problem.noun}s": f"{len(subnets):,}",
        "feasible": f"{int(subnets.feasible.sum()):,}",
        "on the front": f"{len(front):,}",
    }
    for metric in reversed(subnets.problem.limited_metrics):
        limit = subnets.problem.limits[metric.name]
        facts[f"limit of {metric.short}"] = f"{metric.factor * limit:g} {metric.unit}".rstrip()
    return "".join(
        f"<li><b>{escape(value)}</b>{escape(name)}</li>" for name, value in facts.items()
    )
