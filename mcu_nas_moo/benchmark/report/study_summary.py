"""The ranking of the algorithms, on the screen and as CSV."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.analysis.indicators import Score
from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.problem.archive import feasible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from mcu_nas_moo.benchmark.runs.history import History
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.problem.task import Task


@dataclass(frozen=True)
class Standing:
    """One algorithm over its seeds: medians, with quartiles of the hypervolume ratio."""

    algorithm: str
    seeds: int
    hypervolume_ratio: float
    lower_quartile: float
    upper_quartile: float
    first_feasible: float
    feasible_share: float
    unique_share: float
    optimiser_ms: float
    wall_s: float


def rank(scores: Sequence[Score]) -> list[Standing]:
    """One standing per algorithm, the highest median hypervolume ratio first.

    A run without a feasible evaluation counts as infinitely late in the median of the first one.
    """
    standings = []
    for name in dict.fromkeys(score.algorithm for score in scores):
        own = [score for score in scores if score.algorithm == name]
        ratios = [score.hypervolume_ratio for score in own]
        lower, median, upper = np.quantile(ratios, [0.25, 0.5, 0.75])
        first = [np.inf if s.first_feasible is None else s.first_feasible for s in own]
        standings.append(
            Standing(
                algorithm=name,
                seeds=len(own),
                hypervolume_ratio=float(median),
                lower_quartile=float(lower),
                upper_quartile=float(upper),
                # No interpolation: the mean of a number and infinity is no evaluation.
                first_feasible=float(np.quantile(first, 0.5, method="higher")),
                feasible_share=float(np.median([s.feasible_share for s in own])),
                unique_share=float(np.median([s.unique_share for s in own])),
                optimiser_ms=float(np.median([s.optimiser_ms for s in own])),
                wall_s=float(np.median([s.wall_s for s in own])),
            )
        )
    return sorted(standings, key=lambda standing: -standing.hypervolume_ratio)


def ranked_table(standings: Sequence[Standing], title: str) -> Table:
    """The standings as a table of at most 100 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("", no_wrap=True)
    table.add_column("algorithm", no_wrap=True)
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
    for place, one in enumerate(standings, start=1):
        table.add_row(
            str(place),
            one.algorithm,
            f"{one.hypervolume_ratio:.4f} [{one.lower_quartile:.4f}, {one.upper_quartile:.4f}]",
            "never" if np.isinf(one.first_feasible) else f"{one.first_feasible:.0f}",
            f"{one.feasible_share:.1%}",
            f"{one.unique_share:.1%}",
            f"{one.optimiser_ms:.3f}",
            f"{one.wall_s:.2f}",
        )
    return table


def verdict(standings: Sequence[Standing]) -> str:
    """One line that says who leads, and with whom it is close."""
    if not standings:
        return "No run has finished."
    best = standings[0]
    if best.hypervolume_ratio <= 0:
        return "No algorithm found a feasible subnet that counts; try a larger --budget."
    line = f"{best.algorithm} leads with a median hypervolume ratio of {best.hypervolume_ratio:.4f}"
    if len(standings) == 1:
        return line + "."
    close = [one.algorithm for one in standings[1:] if one.upper_quartile >= best.lower_quartile]
    if close:
        return f"{line}; it is close: the quartiles of {' and '.join(close)} overlap with it."
    second = standings[1]
    return f"{line}, ahead of {second.algorithm} ({second.hypervolume_ratio:.4f})."


def write_results(path: Path, scores: Sequence[Score]) -> None:
    """One row per run."""
    _write_csv(path, [field.name for field in fields(Score)], [asdict(score) for score in scores])


@dataclass(frozen=True, eq=False)
class PooledFront:
    """The feasible, mutually non-dominated subnets of several runs.

    Attributes:
        X, F: canonical genotypes ``(n, n_genes)`` and objectives, sorted by the first objective.
        algorithms: for each subnet, who found it.
    """

    X: Genotypes
    F: FloatArray
    algorithms: list[list[str]]


def pooled_front(task: Task, histories: Sequence[History]) -> PooledFront:
    """Pool the runs and keep each network of the common front once."""
    import moocore

    names = np.concatenate(
        [np.repeat([history.algorithm], len(history.X)) for history in histories]
    )
    X = np.concatenate([history.X for history in histories])
    F = np.concatenate([history.F for history in histories])
    kept = np.flatnonzero(feasible(np.concatenate([history.G for history in histories])))
    if len(kept):
        kept = kept[moocore.is_nondominated(F[kept], keep_weakly=True)]
    canonical = task.space.canonical(X[kept])
    unique, first, group = np.unique(canonical, axis=0, return_index=True, return_inverse=True)
    finders = [
        list(dict.fromkeys(names[kept][group.ravel() == number].tolist()))
        for number in range(len(unique))
    ]
    own_F = F[kept][first]
    order = np.lexsort(own_F.T[::-1])
    return PooledFront(unique[order], own_F[order], [finders[number] for number in order])


def write_pareto(path: Path, task: Task, front: PooledFront) -> None:
    """One row per subnet: its metrics, who found it, and its genes; inactive genes stay empty.

    If metrics are learned, each row says which.
    """
    metrics = task.metrics(front.X)
    genes = [gene.name for gene in task.space.genes]
    rows = [
        {name: float(f"{values[number]:.6g}") for name, values in metrics.items()}
        | {"algorithms": " ".join(front.algorithms[number])}
        | dict(subnet.values)
        for number, subnet in enumerate(task.space.decode(front.X))
    ]
    columns = [*metrics, "algorithms", *genes]
    if task.learned_metrics:
        columns.append("learned_metrics")
        rows = [row | {"learned_metrics": " ".join(task.learned_metrics)} for row in rows]
    _write_csv(path, columns, rows)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(path, write)
