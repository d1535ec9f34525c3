"""Speed of `Task.evaluate`, and the same work done network by network.

Run it on an otherwise idle machine: `python benchmarks/evaluate_speed.py`.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from mcu_nas_moo import Task, list_spaces

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (1, 100, 4096, 65_536)
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


def main() -> None:
    """Print one table for all shipped spaces."""
    table = Table(title="Task.evaluate, best of 5")
    for column in ("space", "N", "ms per call", "networks/s", "x one by one"):
        table.add_column(column, justify="left" if column == "space" else "right")
    for name in list_spaces():
        task = Task(name)
        rng = np.random.default_rng(0)
        X = task.space.sample(ONE_BY_ONE, rng)
        singly = ONE_BY_ONE / seconds(lambda: [task.evaluate(x[None]) for x in X], repeats=2)  # noqa: B023
        for n in SIZES:
            X = task.space.sample(n, rng)
            took = seconds(lambda: task.evaluate(X))  # noqa: B023
            table.add_row(
                name, f"{n:,}", f"{1e3 * took:.2f}", f"{n / took:,.0f}", f"{n / took / singly:.1f}"
            )
    Console().print(table)


if __name__ == "__main__":
    main()
