"""The feasible front of all runs on a problem together: its networks, and who found them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.common.genotypes import distinct_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.problem.task import Task


@dataclass(frozen=True, eq=False)
class CommonFront:
    """Feasible, mutually non-dominated networks.

    Of networks with equal objectives, those count that a run found first.

    Attributes:
        problem: name.
        task: that computes their metrics.
        X, F: canonical genotypes ``(n, n_genes)`` and objectives, sorted by the objectives.
        algorithms: for each network, who found it.
    """

    problem: str
    task: Task
    X: Genotypes
    F: FloatArray
    algorithms: list[list[str]]


def common_front(results: ProblemResults) -> CommonFront:
    """The front of all runs, after all their evaluations."""
    import moocore

    runs = [(run, run.archive_rows()) for run in results.trajectories]
    X = np.concatenate([run.X[rows] for run, rows in runs])
    F = np.concatenate([run.F[rows] for run, rows in runs])
    found_by = np.concatenate([np.repeat(n, len(rows)) for n, (_, rows) in enumerate(runs)])
    if len(F):
        kept = moocore.is_nondominated(F, keep_weakly=True)
        X, F, found_by = X[kept], F[kept], found_by[kept]
    unique, first, row = distinct_rows(X)
    finders: list[dict[str, None]] = [{} for _ in unique]
    for number, run in zip(row.tolist(), found_by.tolist(), strict=True):
        finders[number][runs[run][0].algorithm] = None
    order = np.lexsort(F[first].T[::-1])
    names = [list(finders[number]) for number in order]
    return CommonFront(results.name, results.task, unique[order], F[first][order], names)


def write_fronts(path: Path, fronts: Sequence[CommonFront]) -> None:
    """CSV with a row per network: problem, metrics, who found it, genes.

    Genes without effect stay empty, as do those of other spaces. Where metrics are learned, each
    row says which.
    """
    rows = []
    genes = [gene.name for front in fronts for gene in front.task.space.genes]
    for front in fronts:
        metrics = front.task.metrics(front.X)
        for number, subnet in enumerate(front.task.space.decode(front.X)):
            figures = {name: float(f"{of[number]:.6g}") for name, of in metrics.items()}
            known = {"problem": front.problem, **figures}
            known["algorithms"] = " ".join(front.algorithms[number])
            if front.task.learned_metrics:
                known["learned_metrics"] = " ".join(front.task.learned_metrics)
            rows.append({**known, **subnet.values})
            genes += subnet.values  # which may tell more than the genes
    names = [name for front in fronts for name in front.task.metrics(front.X[:0])]
    learned = ["learned_metrics"] if any(front.task.learned_metrics for front in fronts) else []
    columns = dict.fromkeys(["problem", *names, "algorithms", *genes, *learned])

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(path, write)
