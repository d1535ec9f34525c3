"""``mcu-nas search``: a search for subnets as an Optuna study."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.option_types import FILE, NOT_NEGATIVE, POSITIVE, RenamedOption
from mcu_nas_moo.cli.problem_options import (
    ProblemOptions,
    changed_limits_in_name,
    problem_options,
    start_computing,
)
from mcu_nas_moo.cli.program import note
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import NoReturn

    import optuna
    from rich.console import Console

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.common.progress import Bars
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.search.search_folder import SearchFolder
    from mcu_nas_moo.search.search_study import Progress


@click.command()
@problem_options()
@click.option("--algo", default="ppo", help="One of mcu-nas-bench --list, or your own module:name.")
@click.option(
    "--budget",
    "trials",
    cls=RenamedOption,
    old=["--trials"],
    type=POSITIVE,
    default=1000,
    help="Evaluations: finished trials of the whole study, those of earlier starts included.",
)
@click.option("--seed", type=NOT_NEGATIVE, default=0)
@click.option("--jobs", type=POSITIVE, default=1, help="Processes.")
@click.option(
    "--storage",
    help="Storage of Optuna: a URL such as sqlite:///study.db, or a file for a journal. A "
    "database is many times slower than the default.  "
    "[default: study.journal in the output folder]",
)
@click.option("--study-name", help="In that storage.  [default: names of the problem]")
@click.option(
    "--out", type=FILE, help="Folder of the results.  [default: search/ and names of the problem]"
)
def search(
    problem: ProblemOptions,
    algo: str,
    trials: int,
    seed: int,
    jobs: int,
    storage: str | None,
    study_name: str | None,
    out: Path | None,
) -> None:
    """Search subnets for a device; started again, continue.

    \b
    Examples:
      mcu-nas search --profile cortex-m7 --algo ppo
      mcu-nas search --profile cortex-m4 --budget 3000 --seed 1
      mcu-nas search --latency-ms 10 --objectives error,latency,sram
      mcu-nas search --problem mine:Problem --algo nsga2

    The search is an Optuna study; optuna-dashboard opens it while it runs. The results are
    subnets.csv (every distinct subnet), subnets/ (a file for each one on the feasible front, which
    all later commands take), pareto_front.html and pareto_front.png.
    """  # noqa: D301
    console = start_computing()
    import optuna

    from mcu_nas_moo.benchmark.references.reference import known_reference
    from mcu_nas_moo.common.naming import printable
    from mcu_nas_moo.search.lease import alone_in
    from mcu_nas_moo.search.parallel import search_in_processes
    from mcu_nas_moo.search.run_search import check_algorithm
    from mcu_nas_moo.search.run_search import search as run_search
    from mcu_nas_moo.search.search_folder import SEARCHES, SearchFolder
    from mcu_nas_moo.search.search_study import load_study, open_study
    from mcu_nas_moo.search.study_storage import storage_folder, storage_for_searching

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = problem.task()
    check_algorithm(algo, task, trials, seed, jobs)  # bad input should leave nothing behind
    _tell_of_kernels(task)
    reference = known_reference(task)
    name = _name(task) if study_name is None else printable(study_name)
    folder = SearchFolder(out or SEARCHES / _name(task))
    folder.check(task.facts())
    if storage is None:
        folder.root.mkdir(parents=True, exist_ok=True)
    place = storage or folder.journal
    opened = storage_for_searching(place, note)
    with alone_in(storage_folder(place)):
        study = open_study(opened, name, task)
    bars, watch = _bars(algo, trials, reference, console)
    try:
        with bars:
            if jobs > 1:
                progress = search_in_processes(
                    place, study, task, algo, trials, seed, jobs, watch, note
                )
            else:
                where = storage_folder(place)
                progress = run_search(
                    study, task, algo, trials, seed, folder=where, watch=watch, say=note
                )
    except KeyboardInterrupt:
        # Opened anew: the interruption may have come while this one was read.
        study = load_study(storage_for_searching(place, note), name)
        _stopped(study, task, folder, reference)
    if progress.finished < trials:
        text = f"{algo} has nothing left to propose after {progress.finished:,} trials"
        if progress.under_way:
            text += (
                f", but for {len(progress.under_way):,} under way in, or left by, other processes"
            )
        console.print(f"{text}.")
    _finish(study, task, folder, reference, console)


def _tell_of_kernels(task: Task) -> None:
    """Say at once, and not after a training, that networks cannot become firmware."""
    from mcu_nas_moo.spaces.abilities import HasNetworks

    if not isinstance(task.space, HasNetworks):
        return
    import numpy as np

    from mcu_nas_moo.deployment.firmware.kernels.register import operators_without_kernel

    table = task.space.network(task.space.sample(1, np.random.default_rng(0)))
    missing = operators_without_kernel(table)
    if missing:
        note(
            f"{', '.join(missing)} not on firmware yet: networks of {task.space.name} are costed, "
            "trained and exported, and `mcu-nas firmware` will refuse them"
        )


def _name(task: Task) -> str:
    """Of the study and its folder."""
    learned = "--learned" if task.learned_metrics else ""
    return f"{task.name}{changed_limits_in_name(task)}{learned}"


def _bars(
    algo: str, trials: int, reference: Reference | None, console: Console
) -> tuple[Bars, Callable[[Progress, bool], None]]:
    """What shows the progress, and what is called with it."""
    from mcu_nas_moo.common.progress import Bars

    bars = Bars("trials, {task.fields[feasible]} feasible, {task.fields[front]}", console)
    bar = bars.add_task(algo, total=trials, feasible=0, front="")

    def watch(progress: Progress, changed: bool) -> None:
        replaying = f" (replaying, {progress.to_replay:,} to go)" if progress.to_replay else ""
        bars.update(
            bar,
            description=f"{algo}{replaying}",
            completed=progress.finished,
            feasible=progress.feasible,
        )
        if changed:
            text = f"{len(progress.front)} on the front"
            if reference is not None and len(progress.front):
                ratio = reference.hypervolume_of(progress.front) / reference.hypervolume
                text += f", hypervolume {ratio:.3f}"
            bars.update(bar, front=text)

    return bars, watch


def _finish(
    study: optuna.Study,
    task: Task,
    folder: SearchFolder,
    reference: Reference | None,
    console: Console | None,
) -> None:
    """Write the results and, on a console, say what they are."""
    from mcu_nas_moo.search.search_folder import SEARCHES, SearchRecord
    from mcu_nas_moo.search.search_study import (
        failures_of,
        finished_trials,
        problem_of,
        starts_of,
        subnets_of,
    )

    subnets, failures = subnets_of(study), failures_of(study)
    reasons = "; ".join(f"{reason} ({count:,})" for reason, count in failures.items())
    if failures and not len(subnets):
        raise InputError(
            f"none of {sum(failures.values()):,} {task.facts().noun}s could be evaluated: {reasons}"
        )
    record = SearchRecord(
        problem=problem_of(study),
        study=study.study_name,
        trials=len(finished_trials(study)) + sum(failures.values()),
        subnets=len(subnets),
        starts=starts_of(study),
    )
    with nullcontext() if console is None else console.status("Writing the results ..."):
        front = folder.write(task, subnets, record, reference)
    if console is None:
        return
    click.echo(
        f"{record.trials:,} trials: {len(subnets):,} distinct {record.problem.noun}s, "
        f"{int(subnets.feasible.sum()):,} feasible, {len(front):,} on the front."
    )
    if failures:
        what = "networks" if record.problem.problem is None else "solutions"
        click.echo(f"{sum(failures.values()):,} {what} could not be evaluated: {reasons}")
    if reference is not None:
        ratio = reference.hypervolume_of(front.objective_values) / reference.hypervolume
        click.echo(f"Hypervolume: {ratio:.3f} of that of the {reference.kind} reference front.")
    click.echo(f"Results, with a page for the browser: {folder.root}/")
    # What `mcu-nas front` finds without being told.
    own = folder.root.parent == SEARCHES
    import shlex

    given = "" if own else f" --from {shlex.quote(str(folder.root))}"
    click.echo(f"Next: mcu-nas front list{given}, then mcu-nas front pick --knee{given}")


def _stopped(
    study: optuna.Study, task: Task, folder: SearchFolder, reference: Reference | None
) -> NoReturn:
    """Write what there is and end; a second interruption ends at once."""
    with suppress(ValueError):  # nothing feasible so far is no fault of the user
        _finish(study, task, folder, reference, None)
    click.echo(
        f"Stopped. What is finished is in the study and {folder.root}; the same command continues.",
        err=True,
    )
    raise SystemExit(130)
