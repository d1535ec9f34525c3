"""Stored runs made again, and stamped as today's where they come out equal to the bit.

Every run carries a fingerprint of the code that proposed its networks; runs of changed code are
not put beside older ones. A change that decides nothing, such as a renamed variable, changes the
fingerprint all the same. This command proves which changes are of that kind: for every problem of
a folder of compact results it makes one run of each algorithm again, that with the smallest budget
(``--all-budgets`` for all), and compares what it added to its archive, and when. Algorithms whose
runs are all equal get today's fingerprint in all their stored runs::

    python benchmarks/restamp_runs.py benchmarks/results/full --jobs 2 --against CHECKOUT

Sums of floating-point numbers differ in their last digit between processors, and some algorithms
then go another way. A run that is not equal to the stored one is therefore also made by the code of
CHECKOUT, the last one that made or stamped the runs, on this machine: equal to the bit in all that
was evaluated, it counts as equal, and the log says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from configparser import ConfigParser
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from markdown_table import markdown_table

from mcu_nas_moo.benchmark.references.reference import known_reference
from mcu_nas_moo.benchmark.results.compact import (
    RUN_FACTS,
    read_compact,
    reference_in,
    rewrite_facts,
    trajectories_of,
)
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.progress import Bars
from mcu_nas_moo.common.workpool import WorkPool
from mcu_nas_moo.optimisers.register import optimiser_fingerprint
from mcu_nas_moo.problem.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.results.compact import CompactFile
    from mcu_nas_moo.benchmark.runs.history import History

#: Facts of a run that are not times.
DECIDED = tuple(name for name in RUN_FACTS if name not in ("optimiser_ms", "wall_s"))


class Verdict(NamedTuple):
    """What came of making one run again.

    Attributes:
        equal: to the stored run.
        same_code: else, whether the code of the checkout made the same on this machine.
    """

    problem: str
    algorithm: str
    budget: int
    equal: bool
    same_code: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Make runs again, restamp, and write the log; 1 if a run came out different."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="of compact results")
    parser.add_argument("--seed", type=int, default=0, help="whose runs are made again")
    parser.add_argument("--all-budgets", action="store_true", help="not only the smallest")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--against", type=Path, help="checkout that made or stamped the runs")
    parser.add_argument("--algos", help="the only algorithms to look at, by commas")
    parser.add_argument(
        "--log", type=Path, default=Path("benchmarks/results/restamped_runs.md"), help="to write"
    )
    options = parser.parse_args(arguments)
    if options.against is not None and options.seed != 0:
        parser.error("--against knows the runs of seed 0 alone")
    begin = perf_counter()
    files = [read_compact(path) for path in sorted(options.folder.glob("*.npz"))]
    work = [alone(file, number) for file in files for number in chosen(file, options)]
    # The longest first, so that no process is left alone with one.
    work.sort(key=lambda file: -file.facts["runs"][0]["wall_s"])
    with Bars("runs") as progress:
        bar = progress.add_task("made again", total=len(work))
        verdicts = WorkPool(options.jobs).map(
            partial(again, checkout=options.against), work, lambda _: progress.advance(bar)
        )
    changed = stamps(files, {verdict.algorithm for verdict in verdicts})
    failed = {one.algorithm for one in verdicts if not (one.equal or one.same_code)}
    for file in files:
        restamp(file, set(changed) - failed)
    text = log(options, verdicts, changed, perf_counter() - begin)
    write_text_atomically(options.log, text)
    print(text)
    return 1 if failed else 0


def chosen(file: CompactFile, options: argparse.Namespace) -> list[int]:
    """Places of the runs of a file that are to be made again."""
    wanted = None if options.algos is None else set(options.algos.split(","))
    found: dict[object, int] = {}
    for number, run in sorted(enumerate(file.facts["runs"]), key=lambda item: item[1]["budget"]):
        name, budget = run["algorithm"], run["budget"]
        if run["seed"] == options.seed and (wanted is None or name in wanted):
            found.setdefault((name, budget) if options.all_budgets else name, number)
    return sorted(found.values())


def again(file: CompactFile, checkout: Path | None) -> Verdict:
    """Make the run of a file again and compare it, if need be with what ``checkout`` makes."""
    (stored,) = file.facts["runs"]
    task = Task.from_facts(file.problem, file.source)
    reference = reference_in(file, task) or known_reference(task)
    assert reference is not None, f"{file.source}: no reference"
    metadata = file.facts["metadata"][stored["metadata"]]
    chosen = metadata.get("hyperparameters", {})
    history = run_optimiser(
        stored["algorithm"],
        task,
        reference,
        stored["budget"],
        stored["seed"],
        hyperparameters=chosen,
    )
    made = Trajectory.of(history, task.space.canonical)
    (known,) = trajectories_of(file, task)
    equal = all(getattr(made, name) == getattr(known, name) for name in DECIDED)
    equal = equal and np.array_equal(made.at, known.at) and np.array_equal(made.X, known.X)
    same_code = (
        not equal and checkout is not None and not chosen and made_by(checkout, history, task)
    )
    return Verdict(file.source.stem, stored["algorithm"], stored["budget"], equal, same_code)


def made_by(checkout: Path, history: History, task: Task) -> bool:
    """Whether the code of a checkout makes exactly this run, by its own command."""
    settings = ConfigParser()
    settings.read(checkout / "setup.cfg", encoding="utf-8")
    scripts = settings["options.entry_points"]["console_scripts"].split("\n")
    entry = next(line for line in scripts if line.startswith("mcu-nas-bench"))
    module, _, function = entry.partition("=")[2].strip().partition(":")
    with TemporaryDirectory() as folder:
        options = {
            "--algos": history.algorithm,
            "--space": task.space.name,
            "--profile": task.profile.name,
            "--objectives": ",".join(task.objectives),
            "--budget": history.metadata["budget"],
            "--seeds": 1,
            "--jobs": 1,
            "--out": folder,
        }
        given = [str(part) for option in options.items() for part in option]
        subprocess.run(
            [sys.executable, "-c", f"from {module} import {function}; {function}()", *given],
            env={**os.environ, "PYTHONPATH": str(checkout.absolute())},
            cwd=folder,
            check=True,
            capture_output=True,
        )
        (path,) = Path(folder, "runs").glob("*.npz")
        with np.load(path, allow_pickle=False) as data:
            return np.array_equal(data["X"], history.X) and np.array_equal(data["F"], history.F)


def alone(file: CompactFile, number: int) -> CompactFile:
    """The same file with one of its runs."""
    runs = file.facts["runs"]
    start = sum(run["rows"] for run in runs[:number])
    rows = slice(start, start + runs[number]["rows"])
    arrays = {**file.arrays, "at": file.arrays["at"][rows], "X": file.arrays["X"][rows]}
    return file._replace(facts={**file.facts, "runs": [runs[number]]}, arrays=arrays)


def stamps(files: Sequence[CompactFile], algorithms: set[str]) -> dict[str, tuple[str, str]]:
    """Stored and present fingerprint of the algorithms for which they differ, by name."""
    found: dict[str, tuple[str, str]] = {}
    for algorithm in sorted(algorithms):
        known = {
            str(file.facts["metadata"][run["metadata"]]["optimiser"])
            for file in files
            for run in file.facts["runs"]
            if run["algorithm"] == algorithm
        }
        present = optimiser_fingerprint(algorithm)
        if known != {present}:
            found[algorithm] = ", ".join(sorted(known)), present
    return found


def restamp(file: CompactFile, algorithms: set[str]) -> None:
    """Write today's fingerprints of these algorithms into their stored runs."""
    facts: dict[str, Any] = json.loads(json.dumps(file.facts))
    for run in facts["runs"]:
        if run["algorithm"] in algorithms:
            metadata = facts["metadata"][run["metadata"]]
            metadata["optimiser"] = optimiser_fingerprint(run["algorithm"])
    if facts != file.facts:
        rewrite_facts(file, facts)


def log(
    options: argparse.Namespace,
    verdicts: Sequence[Verdict],
    changed: dict[str, tuple[str, str]],
    seconds: float,
) -> str:
    """What was made again, what came out equal, and what was stamped."""
    counts: dict[str, Counter[str]] = {}
    for one in verdicts:
        kind = "equal" if one.equal else "same code" if one.same_code else "different"
        counts.setdefault(one.algorithm, Counter())[kind] += 1
    rows = []
    for name, count in sorted(counts.items()):
        before, now = changed.get(name, ("", optimiser_fingerprint(name)))
        stamped = "NO" if count["different"] else "yes" if before else "as before"
        figures = (count.total(), count["equal"], count["same code"])
        rows.append((name, *map(str, figures), before or now, now, stamped))
    columns = ("algorithm", "made again", "equal", "same code", "stamp before", "now", "stamped")
    differing = "".join(
        f"\nDifferent: {one.algorithm}, budget {one.budget}, on {one.problem}.\n"
        for one in verdicts
        if not (one.equal or one.same_code)
    )
    return (
        "# Stored runs made again\n\n"
        f"`python benchmarks/restamp_runs.py {options.folder} --seed {options.seed}"
        f"{' --all-budgets' * options.all_budgets}"
        f"{'' if options.against is None else ' --against CHECKOUT'}`: "
        f"{len(verdicts)} runs in {seconds / 60:.0f} minutes.\n\n"
        "equal: to the bit in what joined the stored run's archive, and when. same code: not so, "
        "but the code that made\nthe stored run makes the same on this machine, to the bit in all "
        "that was evaluated; the stored one is another\nprocessor's.\n\n"
        f"{markdown_table(columns, rows)}\n{differing}"
    )


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":
        # As runs are made everywhere: sums depend on the number of threads.
        one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **one})
    sys.exit(main())
