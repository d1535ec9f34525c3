"""Time and memory of a report, beside those of another checkout of this repository.

Each round makes the report of ``benchmarks/results/full`` with this checkout and with the other one
in turn. CPU time is that of all processes, and tells more than wall time on a machine with other
work; memory is the largest resident size of one process and of all together::

    python benchmarks/report_speed.py --against ../older --rounds 2
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from checkouts import HERE, entry_point, environment
from markdown_table import markdown_table

#: Seconds between two looks at the memory.
EVERY_S = 0.2


class Measured(NamedTuple):
    """One report: seconds, seconds of all processors, MiB of the largest process and of all."""

    wall_s: float
    cpu_s: float
    largest_mib: float
    together_mib: float
    page_mb: float


def measure(checkout: Path, folder: Path, jobs: int) -> Measured:
    """Make the report of a folder of results with the code of a checkout."""
    module, function = entry_point(checkout, "mcu-nas-bench")
    start = f"import sys; from {module} import {function}; sys.exit({function}())"
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", start, "report", str(folder), "--out", out]
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        process = subprocess.Popen(
            [*command, "--jobs", str(jobs)],
            env=environment(checkout),
            cwd=checkout,
            stdout=subprocess.DEVNULL,
        )
        largest = together = 0.0
        while process.poll() is None:
            sizes = [_size(one) for one in _family(process.pid)]
            largest, together = max(largest, *sizes, 0.0), max(together, sum(sizes))
            time.sleep(EVERY_S)
        if process.returncode:
            raise SystemExit(f"{checkout}: exit code {process.returncode}")
        wall_s, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        page_mb = (Path(out) / "report.html").stat().st_size / 1e6
    return Measured(wall_s, cpu_s, largest, together, page_mb)


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _size(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--results", type=Path, default=HERE / "benchmarks" / "results" / "full")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    checkouts = {"this": HERE} | ({"other": options.against} if options.against else {})
    found: dict[str, list[Measured]] = {name: [] for name in checkouts}
    for _ in range(options.rounds):
        for name, checkout in checkouts.items():
            one = measure(checkout.resolve(), options.results.resolve(), options.jobs)
            found[name].append(one)
            print(name, one, file=sys.stderr, flush=True)
    medians = {name: np.median(own, axis=0) for name, own in found.items()}
    rows = [[name, *(f"{value:,.1f}" for value in own)] for name, own in medians.items()]
    if options.against:
        ratios = medians["other"] / medians["this"]
        rows.append(["other / this", *(f"{value:.2f}" for value in ratios)])
    heads = ("checkout", "wall s", "CPU s", "largest process MiB", "all MiB", "page MB")
    print(markdown_table(heads, rows))


if __name__ == "__main__":
    main()
