"""How much of a run's time is the harness itself, and how fast the command answers ``--help``.

A run is: build the optimiser, ask, evaluate, tell, save the history. The harness's share is what
is left of the wall time without the optimiser (ask, tell, building) and the evaluations. Scoring
is shown beside it, as time per run. Goals: below 10 % of a run, --help below 0.7 s::

    python benchmarks/harness_overhead.py --algos random,nsga2,ppo --budget 2000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

from mcu_nas_moo.benchmark.analysis.anytime import any_time_curve
from mcu_nas_moo.benchmark.references.front_search import pooled_reference
from mcu_nas_moo.benchmark.references.reference import Reference, shipped_reference
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.problem.task import Task


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--algos", default="random,ga,nsga2,nsga3,ppo")
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=3, help="runs; the median is shown")
    options = parser.parse_args()

    task = Task()
    reference = shipped_reference(task) or pooled_reference(task, searches=1)
    table = Table(title=f"Median of {options.repeat} runs of {options.budget:,} evaluations")
    table.add_column("algorithm")
    for heading in ("run ms", "optimiser ms", "evaluations ms", "harness ms", "harness", "scoring"):
        table.add_column(heading, justify="right")
    for name in options.algos.split(","):
        # The first run, which is left out, pays for what is loaded only once.
        rows = [
            _measure(name, task, reference, options.budget, seed)
            for seed in range(options.repeat + 1)
        ]
        total, optimiser, evaluation, scoring = 1e3 * np.median(rows[1:], axis=0)
        harness = total - optimiser - evaluation
        table.add_row(
            name,
            *(f"{value:,.1f}" for value in (total, optimiser, evaluation, harness)),
            f"{harness / total:.1%}",
            f"{scoring:,.1f} ms",
        )
    console = Console(width=100)
    console.print(table)

    times = []
    for _ in range(5):
        start = perf_counter()
        command = [sys.executable, "-m", "mcu_nas_moo.cli.bench.main", "--help"]
        subprocess.run(command, check=True, capture_output=True)
        times.append(perf_counter() - start)
    console.print(f"mcu-nas-bench --help: {np.median(times):.2f} s (median of {len(times)})")


def _measure(
    name: str, task: Task, reference: Reference, budget: int, seed: int
) -> tuple[float, float, float, float]:
    """Seconds of the whole run, the optimiser, the evaluations, and of scoring the run."""
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        history = run_optimiser(name, task, reference, budget, seed)
        history.save(Path(folder) / "run.npz")
        total = perf_counter() - start
    start = perf_counter()
    any_time_curve(Trajectory.of(history, task.space.canonical), reference)
    scoring = perf_counter() - start
    return total, float(history.optimiser_seconds.sum()), history.evaluation_seconds, scoring


if __name__ == "__main__":
    main()
