"""Stored runs made again, and stamped as today's where they come out equal to the bit.

Every run carries a fingerprint of the code that proposed its networks; runs of changed code are
not put beside older ones. A change that decides nothing, such as a renamed variable, changes the
fingerprint all the same. This command proves which changes are of that kind: for every problem of
a folder of compact results it makes the runs of one seed again, all algorithms and budgets, and
compares what they added to their archives, and when. Algorithms whose runs are all equal get
today's fingerprint in all their stored runs::

    python benchmarks/restamp_runs.py benchmarks/results/full --jobs 2
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
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
from mcu_nas_moo.optimisers.register import optimiser_fingerprint
from mcu_nas_moo.problem.task_facts import task_of_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.results.compact import CompactFile

#: Facts of a run that are not times.
DECIDED = tuple(name for name in RUN_FACTS if name not in ("optimiser_ms", "wall_s"))


class Verdict(NamedTuple):
    """What came of making one run again."""

    problem: str
    algorithm: str
    budget: int
    equal: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Make runs again, restamp, and write the log; 1 if a run came out different."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="of compact results")
    parser.add_argument("--seed", type=int, default=0, help="whose runs are made again")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--algos", help="the only algorithms to look at, by commas")
    parser.add_argument(
        "--log", type=Path, default=Path("benchmarks/results/restamped_runs.md"), help="to write"
    )
    options = parser.parse_args(arguments)
    wanted = None if options.algos is None else set(options.algos.split(","))
    begin = perf_counter()
    files = [read_compact(path) for path in sorted(options.folder.glob("*.npz"))]
    work = [
        (file, number)
        for file in files
        for number, run in enumerate(file.facts["runs"])
        if run["seed"] == options.seed and (wanted is None or run["algorithm"] in wanted)
    ]
    # The longest first, so that no process is left alone with one.
    work.sort(key=lambda item: -item[0].facts["runs"][item[1]]["wall_s"])
    verdicts = Parallel(n_jobs=options.jobs, batch_size=1, verbose=5)(
        delayed(again)(file, number) for file, number in work
    )
    changed = stamps(files, {verdict.algorithm for verdict in verdicts})
    failed = {verdict.algorithm for verdict in verdicts if not verdict.equal}
    for file in files:
        restamp(file, set(changed) - failed)
    text = log(options, verdicts, changed, perf_counter() - begin)
    write_text_atomically(options.log, text)
    print(text)
    return 1 if failed else 0


def again(file: CompactFile, number: int) -> Verdict:
    """Make a stored run again and compare it."""
    stored = file.facts["runs"][number]
    task = task_of_facts(file.facts, str(file.path))
    reference = reference_in(file, task) or known_reference(task)
    assert reference is not None, f"{file.path}: no reference"
    metadata = file.facts["metadata"][stored["metadata"]]
    history = run_optimiser(
        stored["algorithm"],
        task,
        reference,
        stored["budget"],
        stored["seed"],
        hyperparameters=metadata.get("hyperparameters", {}),
    )
    made = Trajectory.of(history, task.space.canonical)
    (known,) = trajectories_of(alone(file, number), task)
    equal = all(getattr(made, name) == getattr(known, name) for name in DECIDED)
    equal = equal and np.array_equal(made.at, known.at) and np.array_equal(made.X, known.X)
    return Verdict(file.path.stem, stored["algorithm"], stored["budget"], equal)


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
    made, equal = Counter[str](), Counter[str]()
    for verdict in verdicts:
        made[verdict.algorithm] += 1
        equal[verdict.algorithm] += verdict.equal
    rows = []
    for name in sorted(made):
        before, now = changed.get(name, ("", optimiser_fingerprint(name)))
        stamped = "as before" if not before else "yes" if equal[name] == made[name] else "NO"
        rows.append((name, f"{made[name]}", f"{equal[name]}", before or now, now, stamped))
    columns = ("algorithm", "made again", "equal", "stamp before", "stamp now", "stamped")
    differing = "".join(
        f"\nDifferent: {one.algorithm}, budget {one.budget}, on {one.problem}.\n"
        for one in verdicts
        if not one.equal
    )
    return (
        "# Stored runs made again\n\n"
        f"`python benchmarks/restamp_runs.py {options.folder} --seed {options.seed}`: "
        f"{sum(made.values())} runs in {seconds / 60:.0f} minutes, "
        f"{sum(equal.values())} equal to the bit in what joined their archives, and when.\n\n"
        f"{markdown_table(columns, rows)}\n{differing}"
    )


if __name__ == "__main__":
    sys.exit(main())
