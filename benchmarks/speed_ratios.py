"""What takes how long here, as a ratio to another checkout of this repository.

Both are asked in turn, each in a process of its own, and take turns in being first; a ratio is the
median over these pairs, with their quartiles. CPU time, of all threads and of children, depends
less than wall time on what else the machine does. Below 1 this checkout is faster::

    git clone . /tmp/before && git -C /tmp/before checkout f916dd3
    python benchmarks/speed_ratios.py --against /tmp/before
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from compileall import compile_dir
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from checkouts import HERE, entry_point, environment
from markdown_table import markdown_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESULT = HERE / "benchmarks" / "results" / "speed_ratios.md"
#: Networks per call of `Task.evaluate`, and calls per measurement.
SIZES = {100: 100, 4096: 5, 65_536: 1}
#: Algorithms whose runs are timed, and runs per measurement.
RUNS = {"random": 10, "nsga2": 1}
BUDGET = 2000
#: A program that evaluates for the first time.
FIRST = (
    "import sys, numpy; from mcu_nas_moo import Task; task = Task(sys.argv[1]); "
    "task.evaluate(task.space.sample(100, numpy.random.default_rng(0)))"
)


class Time(NamedTuple):
    """Seconds that something took."""

    cpu: float
    wall: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--against", type=Path, help="the other checkout", required=True)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    parser.add_argument("--out", type=Path, default=RESULT, help="Markdown file to write")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve(options.against)
        return
    load = os.getloadavg()[0]
    for checkout in (options.against, HERE):  # or the first process would compile for all others
        compile_dir(checkout / "mcu_nas_moo", quiet=1)
    servers = [Server(options.against), Server(HERE)]
    rows = []
    for name in servers[0].names:
        if options.only not in name:
            continue
        for server in servers:
            server.measure(name)  # what is loaded or compiled only once
        pairs = []
        for number in range(options.pairs):
            order = servers if number % 2 else servers[::-1]
            times = {server: server.measure(name) for server in order}
            pairs.append([times[server] for server in servers])
        rows.append(row(name, np.array(pairs)))
        print(*rows[-1], sep=" | ", flush=True)
    columns = ("what", "before, CPU ms", "now, CPU ms", "ratio of CPU time", "of wall time")
    text = (
        f"# Times as ratios to an older checkout\n\n{__doc__.replace('::', ':')}\n"
        f"{options.pairs} pairs; load average of the machine before: {load:.1f} on "
        f"{os.cpu_count()} cores.\n\n{markdown_table(columns, rows)}\n"
    )
    options.out.write_text(text, encoding="utf-8")
    for server in servers:
        server.close()


def row(name: str, times: Any) -> tuple[str, ...]:
    """One line of the table; times have the shape (pairs, 2 checkouts, CPU and wall)."""
    before, now = 1e3 * np.median(times[..., 0], axis=0)
    quartiles = np.quantile(times[:, 1] / times[:, 0], (0.25, 0.5, 0.75), axis=0)
    ratios = (f"{middle:.2f} ({low:.2f} to {high:.2f})" for low, middle, high in quartiles.T)
    return name, f"{before:,.1f}", f"{now:,.1f}", *ratios


class Server:
    """A process that measures with the package of one checkout."""

    def __init__(self, checkout: Path) -> None:
        command = [sys.executable, __file__, "--serve", "--against", str(checkout.resolve())]
        self._process = subprocess.Popen(
            command,
            env=environment(checkout),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names: list[str] = self._answer()

    def measure(self, name: str) -> Time:
        """Have something measured once."""
        assert self._process.stdin is not None
        print(name, file=self._process.stdin, flush=True)
        return Time(*self._answer())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def serve(checkout: Path) -> None:
    """Measure what is asked for, line by line."""
    known = measurements(checkout)
    print(json.dumps(list(known)), flush=True)
    for line in sys.stdin:
        print(json.dumps(timed(known[line.strip()])), flush=True)


def timed(call: Callable[[], object]) -> Time:
    """Time of a call, children that have ended included."""
    cpu, wall = cpu_seconds(), perf_counter()
    call()
    return Time(cpu_seconds() - cpu, perf_counter() - wall)


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measurements(checkout: Path) -> dict[str, Callable[[], object]]:
    """What is measured, by name; the checkout's own `harness_overhead.py` knows its modules."""
    sys.path.insert(0, str(checkout / "benchmarks"))
    harness: Any = import_module("harness_overhead")
    task = harness.Task()
    reference = harness.shipped_reference(task)
    public: Any = import_module("mcu_nas_moo")
    package = Path(public.__file__ or "")
    assert package.is_relative_to(checkout), f"{package} is not the package of {checkout}"

    def evaluate(some_task: Any, size: int) -> Callable[[], object]:
        X = some_task.space.sample(size, np.random.default_rng(0))
        return lambda: [some_task.evaluate(X) for _ in range(SIZES[size])]

    def run(name: str) -> Callable[[], object]:
        return lambda: [
            harness._measure(name, task, reference, BUDGET, seed) for seed in range(RUNS[name])
        ]

    def python(code: str, *arguments: str) -> Callable[[], object]:
        command = [sys.executable, "-P", "-c", code, *arguments]
        return lambda: subprocess.run(command, check=True, capture_output=True)

    def help_of(program: str) -> Callable[[], object]:
        module, function = entry_point(checkout, program)
        return python(f"from {module} import {function}; {function}()", "--help")

    return {
        **{
            f"Task.evaluate, {space} on {profile}, {SIZES[n]} x {n:,} networks": evaluate(
                harness.Task(space, profile), n
            )
            for space in public.list_spaces()
            for profile in public.list_profiles()
            for n in SIZES
        },
        **{f"{name}, {RUNS[name]} runs of {BUDGET:,} evaluations": run(name) for name in RUNS},
        **{f"{name} --help": help_of(name) for name in ("mcu-nas", "mcu-nas-bench")},
        "import mcu_nas_moo": python("import mcu_nas_moo"),
        **{
            f"a new process that evaluates 100 networks of {space}": python(FIRST, space)
            for space in public.list_spaces()
        },
    }


if __name__ == "__main__":
    main()
