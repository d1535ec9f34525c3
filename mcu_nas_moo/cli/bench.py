"""``mcu-nas-bench``: compare optimisers on the search problem of a device."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.errors import bad_input_in_one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mcu_nas_moo.bench.reference import Reference
    from mcu_nas_moo.bench.study import Run, Study
    from mcu_nas_moo.bench.summary import Standing
    from mcu_nas_moo.task import Task

DEFAULT_ALGORITHMS = "random,ga,nsga2,nsga3,ppo"
DEFAULT_OBJECTIVES = "error,latency"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--algos",
    default=DEFAULT_ALGORITHMS,
    show_default=True,
    help="Algorithms, with commas. tpe takes about 100 ms per evaluation.",
)
@click.option(
    "--profile",
    "profiles",
    default="cortex-m7",
    show_default=True,
    help="Device: a name, or a YAML file; several with commas, one after the other.",
)
@click.option("--space", default="mbconv-stage", show_default=True, help="Search space.")
@click.option(
    "--objectives",
    default=DEFAULT_OBJECTIVES,
    show_default=True,
    help="What to minimise, with commas; two at least.",
)
@click.option(
    "--predictors",
    default="analytic",
    show_default=True,
    help="What tells the costs: analytic; mlp, learned from it; or the FILE of learned costs that "
    "`mcu-nas predictor fit-costs` made.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Evaluations per run, exact.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Runs per algorithm; seeds 0, 1, ...",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=None,
    help="Processes.  [default: one per core]",
)
@click.option("--flash-kib", type=float, help="Flash limit instead of the profile's.")
@click.option("--sram-kib", type=float, help="SRAM limit instead of the profile's.")
@click.option("--latency-ms", type=float, help="Latency limit instead of the profile's.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder of the results; a second start continues there.  [default: in bench-results/]",
)
@click.option("--list", "listing", is_flag=True, help="Show algorithms, profiles and spaces.")
@bad_input_in_one_line
def main(
    algos: str,
    profiles: str,
    space: str,
    objectives: str,
    predictors: str,
    budget: int,
    seeds: int,
    jobs: int | None,
    flash_kib: float | None,
    sram_kib: float | None,
    latency_ms: float | None,
    out: Path | None,
    listing: bool,
) -> None:
    """Compare optimisers on the constrained search for networks that fit a microcontroller.

    Every algorithm gets the same number of evaluations per run. All that a run evaluated is kept
    and scored by the hypervolume of its feasible part, relative to a reference front that was
    fixed before. Prints a ranking; the results folder gets tables, pictures and full histories.
    """
    # Runs are parallel; more threads within each of them would only get in the way, and the
    # numbers would depend on how many there are.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=100)
    if listing:
        _show_choices(console)
        return
    from mcu_nas_moo.bench.optimiser import check_optimiser
    from mcu_nas_moo.bench.reachability import check_limits
    from mcu_nas_moo.bench.report import write_report
    from mcu_nas_moo.bench.study import Run, Study

    names = [check_optimiser(name) for name in _split(algos, "--algos")]
    given = {"flash_kib": flash_kib, "sram_kib": sram_kib, "latency_ms": latency_ms}
    limits = {name: value for name, value in given.items() if value is not None}
    with console.status("Learning the costs ...") if predictors == "mlp" else nullcontext():
        tasks = [
            _task(space, profile, objectives, limits, predictors)
            for profile in _split(profiles, "--profile")
        ]
    for task in tasks:
        check_limits(task)
    runs = [Run(name, seed) for name in names for seed in range(seeds)]
    problems = []
    for task in tasks:
        folder = out or Path("bench-results") / _study_name(task, limits, predictors, budget)
        if out is not None and len(tasks) > 1:
            folder = out / task.profile.name
        study = Study(folder, task, budget)
        reference = _reference(study, console)
        study.histories(runs)  # damaged files are said before the work begins
        problems += _make_runs(study, runs, reference, jobs, console)
        _show_ranking(study, write_report(study, runs, reference), console)
        _show_distance(study, runs, console)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise SystemExit(1)


def _split(text: str, option: str) -> list[str]:
    """Names between commas, each once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError(f"{option} names nothing; see mcu-nas-bench --list")
    return names


def _task(
    space: str, profile: str, objectives: str, limits: dict[str, float], predictors: str
) -> Task:
    from mcu_nas_moo.task import Task

    names = _split(objectives, "--objectives")
    task = Task(space, profile, names, limits=limits, predictors=predictors)
    if task.n_obj < 2:
        raise ValueError(
            f"--objectives {objectives} has no trade-off; give two at least, "
            f"such as {DEFAULT_OBJECTIVES}"
        )
    return task


def _study_name(task: Task, limits: dict[str, float], predictors: str, budget: int) -> str:
    """A name of its own for each combination of options that makes another study."""
    parts = [task.space.name, task.profile.name]
    if ",".join(task.objectives) != DEFAULT_OBJECTIVES:
        parts.append("-".join(task.objectives))
    parts += [f"{name.replace('_', '-')}-{value:g}" for name, value in limits.items()]
    if task.learned_metrics:
        parts.append(f"learned-{Path(predictors).stem}")
    return "-".join([*parts, str(budget)])


def _show_choices(console: Console) -> None:
    from mcu_nas_moo.bench.figures import LABELS
    from mcu_nas_moo.bench.optimiser import list_optimisers
    from mcu_nas_moo.profiles import list_profiles, load_profile
    from mcu_nas_moo.spaces import list_spaces, load_space

    groups = {
        "algorithms": list_optimisers(),
        "profiles": {name: load_profile(name).description for name in list_profiles()},
        "spaces": {name: f"{load_space(name).n_networks:.2g} networks" for name in list_spaces()},
        "objectives": {name: label for name, (label, _) in LABELS.items()},
    }
    from rich.table import Table

    for heading, entries in groups.items():
        table = Table(box=None, show_header=False, padding=(0, 2))
        table.add_column(no_wrap=True, min_width=14)
        table.add_column()
        for name, description in entries.items():
            table.add_row(name, description)
        console.print(heading, style="bold")
        console.print(table)


def _reference(study: Study, console: Console) -> Reference:
    """The reference of earlier starts, or the shipped one, or a new one."""
    from mcu_nas_moo.bench.front_search import pooled_reference
    from mcu_nas_moo.bench.reference import shipped_reference

    reference = study.reference()
    if reference is None:
        reference = shipped_reference(study.task)
        if reference is None:
            text = "No shipped reference front for this problem; making one"
            with console.status(f"{text} ...") as status:
                reference = pooled_reference(
                    study.task, say=lambda what: status.update(f"{text}: {what} ...")
                )
            console.print(
                f"No shipped reference front for this problem; made one of {len(reference.F)} "
                f"subnets from {reference.origin['evaluations']:,} evaluations."
            )
        study.fix_reference(reference)
    return reference


def _make_runs(
    study: Study, runs: Sequence[Run], reference: Reference, jobs: int | None, console: Console
) -> list[str]:
    """Make the missing runs; returns a line for each that failed."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    missing = study.missing(runs)
    if len(missing) < len(runs):
        console.print(f"{len(runs) - len(missing)} of {len(runs)} runs are finished already.")
    problems = []
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        bars = {}
        for name in dict.fromkeys(run.algorithm for run in runs):
            own = [run for run in runs if run.algorithm == name]
            done = sum(run not in missing for run in own)
            bars[name] = progress.add_task(name, total=len(own), completed=done)
        try:
            for run, problem in study.run(runs, reference, jobs or _cores()):
                progress.advance(bars[run.algorithm])
                if problem is not None:
                    problems.append(f"{run.algorithm} with seed {run.seed} failed: {problem}")
        except TerminatedWorkerError:
            progress.stop()
            problems.append(
                "a process of the benchmark was killed, perhaps for lack of memory; the same "
                "command continues with the runs that are missing"
            )
        except KeyboardInterrupt:
            progress.stop()
            click.echo(
                f"Stopped. Finished runs are in {study.folder}; the same command continues.",
                err=True,
            )
            raise SystemExit(130) from None
    return problems


def _show_distance(study: Study, runs: Sequence[Run], console: Console) -> None:
    """With learned costs: what the analytic model says to the networks that were found."""
    from mcu_nas_moo.bench.summary import pooled_front
    from mcu_nas_moo.learned_costs.report import exceeds_by_analytic_model

    task, histories = study.task, study.histories(runs)
    if not task.learned_metrics or not histories:
        return
    front = pooled_front(task, histories).X
    exceeding = int(exceeds_by_analytic_model(task.space, task.profile, front).sum())
    console.print(
        f"Learned by an MLP: {', '.join(task.learned_metrics)}. By the analytic cost model, "
        f"{exceeding} of the {len(front)} subnets on the common front exceed a limit."
    )


def _cores() -> int:
    from joblib import cpu_count

    return int(cpu_count())


def _show_ranking(study: Study, standings: Sequence[Standing], console: Console) -> None:
    from mcu_nas_moo.bench.summary import caution, ranked_table, verdict

    task = study.task
    title = f"{task.title}: {' and '.join(task.objectives)}, {study.budget:,} evaluations"
    console.print()
    console.print(ranked_table(standings, title))
    console.print(verdict(standings), style="bold")
    warning = caution(min((standing.seeds for standing in standings), default=0))
    if warning and standings:
        console.print(warning)
    console.print(f"Tables, pictures and histories are in {study.folder}{os.sep}")


if __name__ == "__main__":
    main()
