"""Speed of `Task.evaluate` and of the cost model alone, against network by network.

Run it on an otherwise idle machine: `python benchmarks/evaluate_speed.py`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from mcu_nas_moo import Task, list_spaces
from mcu_nas_moo.common.workpool import cores
from mcu_nas_moo.problem.evaluators.evaluate_all import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.hardware.cost_model import Costs

SIZES = (1, 100, 4096, 65_536)
#: One for the memory rule of STM32Cube.AI, which takes longest, and one for the simplest.
PROFILES = ("cortex-m7", "cortex-m4")
#: Networks evaluated one by one for the comparison.
ONE_BY_ONE = 500


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of some timed calls, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        started = perf_counter()
        call()
        times.append(perf_counter() - started)
    return min(times)


def costs(task: Task, X: Genotypes) -> list[Costs]:
    """Costs of the genotypes as `Task` computes them: in chunks, on all cores."""
    chunks = [X[start : start + CHUNK] for start in range(0, len(X), CHUNK)]
    if len(chunks) == 1:
        return [task.cost_model.evaluate(task.space.network(X))]
    with ThreadPoolExecutor(cores()) as pool:
        return list(
            pool.map(lambda part: task.cost_model.evaluate(task.space.network(part)), chunks)
        )


def compare(title: str, evaluate: Callable[[Task, Genotypes], object]) -> None:
    """Print one table for all shipped spaces and runtimes."""
    table = Table(title=f"{title}, best of 5")
    for column in ("space", "profile", "N", "ms per call", "networks/s", "x one by one"):
        table.add_column(column, justify="left" if column in ("space", "profile") else "right")
    for name in list_spaces():
        for profile in PROFILES:
            task = Task(name, profile)
            rng = np.random.default_rng(0)
            X = task.space.sample(ONE_BY_ONE, rng)
            took = seconds(lambda: [evaluate(task, x[None]) for x in X], repeats=2)  # noqa: B023
            singly = ONE_BY_ONE / took
            for n in SIZES:
                X = task.space.sample(n, rng)
                took = seconds(lambda: evaluate(task, X))  # noqa: B023
                table.add_row(
                    name,
                    profile,
                    f"{n:,}",
                    f"{1e3 * took:.2f}",
                    f"{n / took:,.0f}",
                    f"{n / took / singly:.1f}",
                )
    Console().print(table)


def main() -> None:
    """Print a table for whole evaluations and one for costs alone."""
    compare("Task.evaluate", lambda task, X: task.evaluate(X))
    compare("Layer tables and costs alone", costs)


if __name__ == "__main__":
    main()
