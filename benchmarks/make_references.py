"""Make the reference fronts that the package ships, for all profiles and both spaces.

Run it again whenever the predictor, the cost model, a space or a profile changes; a front whose
fingerprint does not fit its task is not used. Exact fronts of the spaces that can be enumerated
take a minute or two for all profiles together; pooled fronts of the others some minutes each::

    python benchmarks/make_references.py                  # those that are missing or out of date
    python benchmarks/make_references.py --all            # all of them
    python benchmarks/make_references.py --pool DIR       # pooled ones with all results of DIR
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from mcu_nas_moo.benchmark.references.enumeration import Enumerator
from mcu_nas_moo.benchmark.references.front_search import pooled_reference
from mcu_nas_moo.benchmark.references.reference import can_enumerate, load_reference
from mcu_nas_moo.benchmark.results.loading import load_results
from mcu_nas_moo.common.workpool import cores
from mcu_nas_moo.hardware.profile import list_profiles
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.spaces import list_spaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults

FOLDER = Path(__file__).parent / "reference_fronts"
OBJECTIVES = (("error", "latency"), ("error", "latency", "sram", "flash"))
#: More effort than for a front made on the fly, for two objectives and for more.
EFFORT = {"searches": 5, "rounds": 4}
EFFORT_MANY = {"searches": 3, "rounds": 2}


def main() -> None:
    """Make the fronts and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--all", action="store_true", help="remake those that are up to date, too")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes")
    parser.add_argument(
        "--pool", type=Path, nargs="+", default=[], help="results whose fronts are pooled as well"
    )
    options = parser.parse_args()
    found = _found_by_runs(options.pool)
    for space in list_spaces():
        tasks = [
            Task(space, profile, objectives)
            for profile in list_profiles()
            for objectives in OBJECTIVES
        ]
        missing = [task for task in tasks if options.all or not _up_to_date(task)]
        if can_enumerate(tasks[0]):
            _make_exact(missing, options.jobs)
            continue
        for task in tasks:
            if task in missing or task.name in found:
                _make_pooled(task, found.get(task.name))


def _up_to_date(task: Task) -> bool:
    path = FOLDER / f"{task.name}.npz"
    if path.exists() and load_reference(path).fingerprint == task.fingerprint:
        print(f"{path.name}: up to date")
        return True
    return False


def _found_by_runs(folders: Sequence[Path]) -> dict[str, ProblemResults]:
    """Results whose archives are pooled, for each problem."""
    if not folders:
        return {}
    return {problem.name: problem for problem in load_results(folders).problems}


def _make_exact(tasks: Sequence[Task], jobs: int) -> None:
    if not tasks:
        return
    start = perf_counter()
    profiles = dict.fromkeys(task.profile.name for task in tasks)
    most = max(OBJECTIVES, key=len)
    enumerator = Enumerator([Task(tasks[0].space.name, profile, most) for profile in profiles])
    enumerator.run(jobs)
    of_profile = {found.task.profile.name: found for found in enumerator.results()}
    for task in tasks:
        reference = of_profile[task.profile.name].reference(task.objectives)
        reference.save(FOLDER / f"{task.name}.npz")
        print(f"{task.name}: {len(reference.F)} subnets of {reference.origin['networks']:,}")
    print(f"{perf_counter() - start:.0f} s for all of them")


def _make_pooled(task: Task, runs: ProblemResults | None) -> None:
    start = perf_counter()
    effort = EFFORT if task.n_obj <= 2 else EFFORT_MANY
    found = [] if runs is None else [run.X for run in runs.trajectories]
    reference = pooled_reference(task, **effort, found=found)
    if runs is not None:
        origin = reference.origin | {"pooled_algorithms": sorted(runs.algorithms)}
        reference = replace(reference, origin=origin)
    reference.save(FOLDER / f"{task.name}.npz")
    print(
        f"{task.name}: {len(reference.F)} subnets of "
        f"{reference.origin['evaluations']:,} evaluated, {perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
