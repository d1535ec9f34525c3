"""How fast indicators are: any-time curves and whole analyses, against the obvious peers.

Runs NSGA-II on one task with two and with four objectives, then times, in the same process, and
prints a table in Markdown:

- the compact form of a run (what it added to its archive), against comparing each evaluation with
  the archive in numpy;
- the any-time hypervolume, exact after every evaluation, against pymoo's (which is moocore's)
  computed again at each step of the archive;
- the analysis that a report shows of many runs (any-time curves, hypervolume for two reference
  points, IGD+, additive epsilon, targets, area, statistics), against pymoo's hypervolume at each
  step of the archives and IGD+ at the judged numbers of evaluations alone, in one process.

Peers are timed at some steps, evenly spaced, or on some runs, and scaled up::

    python benchmarks/indicator_speed.py --evaluations 10000 --runs 500
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import moocore
import numpy as np
from markdown_table import markdown_table

from mcu_nas_moo.benchmark.analysis.anytime import any_time_curve
from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.references.reference import Reference, shipped_reference
from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcu_nas_moo.benchmark.runs.history import History
    from mcu_nas_moo.common.arrays import FloatArray

OBJECTIVES = (("error", "latency"), ("error", "latency", "sram", "flash"))
COLUMNS = ("what", "objectives", "time", "peer", "peer's time", "times faster")
#: Different runs behind an analysis of many; they are repeated with other seeds.
DIFFERENT_RUNS = 5
#: Names under which they appear.
ALGORITHMS = 10
#: Evaluations of the runs that are analysed, and the numbers after which they are judged.
ANALYSED = 5000
JUDGED = (500, 1000, 2000, 5000)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--profile", default="cortex-m7")
    parser.add_argument("--evaluations", type=int, default=10_000, help="of the any-time curve")
    parser.add_argument("--runs", type=int, default=500, help="in the analysis")
    parser.add_argument("--analysed", type=int, default=ANALYSED, help="evaluations of those runs")
    parser.add_argument("--steps", type=int, default=20, help="at which peers are timed")
    options = parser.parse_args(arguments)

    rows = []
    for objectives in OBJECTIVES:
        task = Task("mbconv-stage", options.profile, objectives)
        reference = shipped_reference(task) or _own_reference(task, options.analysed)
        rows += _curve_rows(task, reference, options.evaluations, options.steps)
        rows.append(_analysis_row(task, reference, options.runs, options.analysed, options.steps))
    print(markdown_table(COLUMNS, rows, left=2))


def _curve_rows(task: Task, reference: Reference, evaluations: int, steps: int) -> list[list[str]]:
    history = run_optimiser("nsga2", task, reference, evaluations, seed=0)
    canonical = task.space.canonical
    run = Trajectory.of(history, canonical)
    any_time_curve(run, reference)  # the reference's own hypervolume is computed once
    ours = _best(lambda: any_time_curve(run, reference))
    compact = _best(lambda: Trajectory.of(history, canonical))
    loop = _best(lambda: _archive_by_comparison(history), repeat=1)
    points = reference.normalise(run.F)
    volumes = _volumes_again(points, reference, steps)
    title = f"any-time hypervolume, {evaluations:,} evaluations, {len(points):,} steps"
    return [
        _row(f"compact form, {evaluations:,} evaluations", task, compact, "numpy, archive", loop),
        _row(title, task, ours, "pymoo at every step", volumes),
    ]


def _volumes_again(points: FloatArray, reference: Reference, steps: int) -> float:
    """Seconds of pymoo's hypervolume of the first 1, 2, ... of points that join the archive."""
    from pymoo.indicators.hv import HV

    indicator = HV(ref_point=reference.reference_point)
    chosen = np.unique(np.linspace(1, len(points), steps).astype(int))
    # Dominated points are removed beforehand, to the peer's advantage.
    fronts = [points[:step][moocore.is_nondominated(points[:step])] for step in chosen]
    return _best(lambda: [indicator(front) for front in fronts]) * len(points) / len(chosen)


def _analysis_row(
    task: Task, reference: Reference, runs: int, evaluations: int, steps: int
) -> list[str]:
    different = min(DIFFERENT_RUNS, runs)
    histories = [
        run_optimiser("nsga2", task, reference, evaluations, seed) for seed in range(different)
    ]
    made = [Trajectory.of(history, task.space.canonical) for history in histories]
    # As of several algorithms, so that there are pairs to compare.
    trajectories = tuple(
        replace(made[number % different], algorithm=f"algorithm {number % ALGORITHMS}", seed=number)
        for number in range(runs)
    )
    counts = tuple(count for count in JUDGED if count <= evaluations) or (evaluations,)
    results = ProblemResults(task, reference, counts, trajectories)
    ours = _best(lambda: analyse(results), repeat=1)
    peer = np.mean([_peer_analysis(run, reference, counts, steps) for run in made]) * runs
    title = f"analysis of {runs} runs of {evaluations:,} evaluations"
    return _row(title, task, ours, f"pymoo's HV at every step, IGD+ at {len(counts)}", peer)


def _peer_analysis(
    run: Trajectory, reference: Reference, counts: Sequence[int], steps: int
) -> float:
    from pymoo.indicators.igd_plus import IGDPlus

    distance = IGDPlus(reference.normalise(reference.F))
    archives = [reference.normalise(run.archive(count)) for count in counts]
    volumes = _volumes_again(reference.normalise(run.F), reference, steps)
    return volumes + _best(lambda: [distance(archive) for archive in archives], repeat=1)


def _archive_by_comparison(history: History) -> FloatArray:
    archive = np.zeros((0, history.F.shape[1]))
    for point in history.F[feasible(history.G)]:
        if not (archive <= point).all(axis=1).any():
            archive = np.concatenate([archive[(archive < point).any(axis=1)], point[None, :]])
    return archive


def _own_reference(task: Task, evaluations: int) -> Reference:
    """The front of one run, where no reference is shipped: time hangs on its size alone."""
    X = np.random.default_rng(0).integers(0, task.n_choices, (2000, task.n_genes))
    F, G = task.evaluate(X)
    X, F = X[feasible(G)], F[feasible(G)]
    history = run_optimiser("nsga2", task, Reference(task.facts(), X, F), evaluations, seed=99)
    run = Trajectory.of(history, task.space.canonical)
    rows = run.archive_rows()
    return Reference(task.facts(), run.X[rows], run.F[rows])


def _best(call: Callable[[], object], repeat: int = 3) -> float:
    times = []
    for _ in range(repeat):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def _row(what: str, task: Task, ours: float, peer: str, theirs: float) -> list[str]:
    return [what, str(task.n_obj), _time(ours), peer, _time(theirs), f"{theirs / ours:,.1f}"]


def _time(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{1e3 * seconds:,.1f} ms"


if __name__ == "__main__":
    main()
