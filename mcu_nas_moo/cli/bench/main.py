"""``mcu-nas-bench``: compare optimisers on the search problem of a device."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.bench.compare import compare
from mcu_nas_moo.cli.bench.export_results import export
from mcu_nas_moo.cli.bench.report import report, show_report
from mcu_nas_moo.cli.bench.run_progress import Batch, Remark, finish, make_runs
from mcu_nas_moo.cli.bench.suite import suite
from mcu_nas_moo.cli.bench.tune import tune
from mcu_nas_moo.cli.option_types import FOLDER, POSITIVE, RenamedOption
from mcu_nas_moo.cli.problem_options import (
    DEFAULT_OBJECTIVES,
    ProblemOptions,
    names_in,
    problem_options,
    results_option,
    start_computing,
)
from mcu_nas_moo.cli.program import Program
from mcu_nas_moo.cli.reference_fronts import fixed_reference
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.tables import new_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.report.common_front import CommonFront
    from mcu_nas_moo.benchmark.runs.study import Run, Study
    from mcu_nas_moo.problem.task import Task

DEFAULT_ALGORITHMS = "random,local-search,ga,nsga2,nsga3,ppo"


@click.group(
    cls=Program,
    invoke_without_command=True,
    subcommand_metavar="[suite|report|compare|export|tune ...]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="mcu-nas-moo")
@click.option(
    "--algos",
    default=DEFAULT_ALGORITHMS,
    help="Algorithms, with commas; see --list. One of your own is module:Class, a file of the "
    "current folder or an installed package. tpe is slow, and slower the longer a run is.",
)
@problem_options(several=True)
@click.option("--budget", type=POSITIVE, default=2000, help="Evaluations per run, exact.")
@click.option("--seeds", type=POSITIVE, default=5, help="Runs per algorithm; seeds 0, 1, ...")
# Counted below: commands behind this one have the option themselves.
@click.option("--jobs", type=POSITIVE, show_default="one per core", help="Processes.")
@results_option
@click.option(
    "--hyperparameters",
    "configs",
    cls=RenamedOption,
    old=["--config"],
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="FILE of hyperparameters, such as the best_config.json of `tune`; repeatable.",
)
@click.option(
    "--tensorboard",
    type=FOLDER,
    help="Folder for a TensorBoard log of each run of ppo and ppo-plain.",
)
@click.option("--list", "listing", is_flag=True, help="Show all names.")
@click.pass_context
def main(
    context: click.Context,
    algos: str,
    problem: ProblemOptions,
    budget: int,
    seeds: int,
    jobs: int | None,
    out: Path | None,
    configs: tuple[Path, ...],
    tensorboard: Path | None,
    listing: bool,
) -> None:
    """Compare optimisers on the search for microcontroller networks.

    \b
    Examples:
      mcu-nas-bench --algos ga,nsga3,ppo --profile cortex-m7
      mcu-nas-bench --space mine.yaml --evaluator mine:Accuracy --budget 500

    Every algorithm gets the same number of evaluations per run. All that a run evaluated is kept
    and scored by the hypervolume of its feasible part, relative to a reference front that was
    fixed before. Prints a ranking; the results folder gets tables, pictures and full histories.

    The commands below do more: suites of many problems, reports with statistics, comparisons.
    """  # noqa: D301
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    console = start_computing()
    if listing:
        _show_choices(console)
        return
    from mcu_nas_moo.benchmark.runs.study import Run, Study
    from mcu_nas_moo.common.naming import file_name
    from mcu_nas_moo.common.user_parts import look_in
    from mcu_nas_moo.common.workpool import cores
    from mcu_nas_moo.optimisers.register import check_optimiser
    from mcu_nas_moo.problem.reachability import check_limits

    jobs = jobs or cores()
    look_in(Path.cwd())
    names = [check_optimiser(name) for name in names_in(algos, "--algos")]
    hyperparameters = _hyperparameters(configs, names)
    if tensorboard is not None:
        _check_tensorboard(names)
    with console.status("Learning the costs ...") if problem.costs == "mlp" else nullcontext():
        tasks = [problem.task(profile) for profile in problem.profiles]
    for task in tasks:
        check_limits(task)
    runs = [Run(name, seed) for name in names for seed in range(seeds)]
    for name, values in hyperparameters.items():
        console.print(f"{name} with {', '.join(f'{key} {value}' for key, value in values.items())}")
    failures: list[Remark] = []
    batches: list[Batch] = []
    for task in tasks:
        name = _study_name(task, problem.costs, budget, hyperparameters)
        folder = out or Path("bench-results") / name
        if out is not None and len(tasks) > 1:
            folder = out / file_name(task.device_name)
        study = Study(
            folder, task, budget, hyperparameters=hyperparameters, tensorboard=tensorboard
        )
        reference = fixed_reference(folder, task, console)
        study.histories(runs)  # damaged files are said before the work begins
        batch = Batch(task.title, study, runs, reference)
        failures += make_runs([batch], lambda _, run: run.algorithm, folder, jobs, console)
        _show_report(study, runs, reference, jobs, console)
        batches.append(batch)
    finish(batches, failures, console)


def _refuse_options_before(context: click.Context) -> None:
    """Options of the comparison mean nothing to a command after them."""
    names = {str(one.name) for one in context.command.params} - {"traceback"}
    sources = [context.get_parameter_source(name) for name in names]
    if click.core.ParameterSource.COMMANDLINE in sources:
        command = context.invoked_subcommand
        raise InputError(f"options of {command} come after it: mcu-nas-bench {command} --...")


def _hyperparameters(
    configs: Sequence[Path], algorithms: Sequence[str]
) -> dict[str, dict[str, object]]:
    """What the files set for these algorithms; those that keep their defaults are left out."""
    from mcu_nas_moo.benchmark.runs.hyperparameter_files import read_configs

    given = read_configs(configs)
    if given and not set(given) & set(algorithms):
        raise InputError(
            f"--hyperparameters are about {', '.join(given)}, --algos about {', '.join(algorithms)}"
        )
    return {name: values for name, values in given.items() if name in algorithms and values}


def _check_tensorboard(algorithms: Sequence[str]) -> None:
    """Make sure that a log can be written, and by one of the algorithms."""
    from importlib.util import find_spec

    from mcu_nas_moo.optimisers.register import entry, list_optimisers

    if find_spec("tensorboard") is None:
        raise InputError("--tensorboard needs TensorBoard; pip install tensorboard")
    if not any(entry(name).logs for name in algorithms):
        writing = ", ".join(name for name in list_optimisers() if entry(name).logs)
        raise InputError(
            f"--tensorboard: none of {', '.join(algorithms)} writes a log; these do: {writing}"
        )


def _study_name(
    task: Task,
    costs: str,
    budget: int,
    hyperparameters: dict[str, dict[str, object]],
) -> str:
    """A name of its own for each combination of options that makes another study."""
    import hashlib
    import json

    from mcu_nas_moo.common.naming import file_name

    parts = [task.space.name]
    if task.profile is not None:
        parts.append(task.device_name)
    if task.problem is None:  # which settles these
        if ",".join(task.objectives) != DEFAULT_OBJECTIVES:
            parts.append("-".join(task.objectives))
        for name, value in task.changed_limits.items():
            parts.append(f"{name.replace('_', '-')}-{value:g}")
    if task.learned_metrics:
        parts.append(f"learned-{Path(costs).stem}")
    if (own := task.facts().own_parts) is not None:
        parts.append(own)
    if hyperparameters:
        text = json.dumps(hyperparameters, sort_keys=True)
        parts.append(f"config-{hashlib.sha256(text.encode()).hexdigest()[:8]}")
    return file_name("-".join([*parts, str(budget)]))


def _show_choices(console: Console) -> None:
    from mcu_nas_moo.common.user_parts import announced, describe
    from mcu_nas_moo.contracts.metrics import OBJECTIVES
    from mcu_nas_moo.hardware.profile import list_profiles, load_profile
    from mcu_nas_moo.optimisers.register import list_optimisers
    from mcu_nas_moo.problem.named.register import GROUP, PROBLEMS
    from mcu_nas_moo.spaces import list_spaces, load_space

    problems = {name: problem.description for name, problem in PROBLEMS.items()}
    groups = {
        "algorithms": list_optimisers(),
        "profiles": {name: load_profile(name).description for name in list_profiles()},
        "spaces": {name: f"{load_space(name).n_networks:.2g} networks" for name in list_spaces()},
        "objectives": {name: metric.label for name, metric in OBJECTIVES.items()},
        "problems": {**{name: describe(name, GROUP) for name in announced(GROUP)}, **problems},
    }
    from rich.table import Column

    for heading, entries in groups.items():
        columns = (Column(no_wrap=True, min_width=14), "")
        table = new_table(columns, box=None, show_header=False, padding=(0, 2), pad_edge=True)
        for name, description in entries.items():
            table.add_row(name, description)
        console.print(heading, style="bold")
        console.print(table)


def _show_report(
    study: Study, runs: Sequence[Run], reference: Reference, jobs: int, console: Console
) -> None:
    """Report the finished ones of ``runs``, in the folder of the study."""
    import shlex

    from mcu_nas_moo.benchmark.results.loading import results_of_study
    from mcu_nas_moo.benchmark.runs.study import RUNS

    if len(study.missing(runs)) == len(runs):
        console.print("No run has finished.")
        return
    source = partial(results_of_study, study, runs, reference)
    command = shlex.join(["mcu-nas-bench", "report", study.folder.as_posix()])
    written = show_report([source], study.folder, console, jobs=jobs, command=command)
    console.print(f"The histories are in {study.folder / RUNS}{os.sep}")
    _show_distance(written.problems[0].front, console)


def _show_distance(front: CommonFront, console: Console) -> None:
    """With learned costs: what the analytic model says to the networks that were found."""
    from mcu_nas_moo.problem.evaluators.cost_errors import exceeds_by_analytic_model

    task = front.task
    if not task.learned_metrics or task.profile is None:
        return
    exceeding = int(exceeds_by_analytic_model(task.space, task.profile, front.X).sum())
    console.print(
        f"Learned by an MLP: {', '.join(task.learned_metrics)}. By the analytic cost model, "
        f"{exceeding} of the {len(front.X)} subnets on the common front exceed a limit."
    )


main.add_stage("Runs", suite, tune)
main.add_stage("Results", report, compare, export)


if __name__ == "__main__":
    main()
