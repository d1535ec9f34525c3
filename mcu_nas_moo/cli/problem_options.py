"""What the commands that run optimisers share: their problem, its reference, their console."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from mcu_nas_moo.cli.option_types import FOLDER, POSITIVE
from mcu_nas_moo.cli.program import leave_the_pipe
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.metrics import LIMITED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.problem.task import Task

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

DEFAULT_OBJECTIVES = "error,latency"

profile_option = click.option(
    "--profile", default="cortex-m7", help="Device: a name, or a YAML file."
)
space_option = click.option("--space", default="mbconv-stage", help="Search space.")
objectives_option = click.option(
    "--objectives", default=DEFAULT_OBJECTIVES, help="What to minimise, with commas; two at least."
)


def _cores() -> int:
    from mcu_nas_moo.common.workpool import cores  # with all that starts processes

    return cores()


jobs_option = click.option(
    "--jobs", type=POSITIVE, default=_cores, show_default="one per core", help="Processes."
)
results_option = click.option(
    "--out",
    type=FOLDER,
    help="Folder of the results; a second start continues there.  [default: in bench-results/]",
)


def limit_options(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Options for limits other than the profile's; the command gets ``limits``, by metric."""
    for metric in reversed(LIMITED.values()):
        text = f"{metric.short[0].upper()}{metric.short[1:]} limit instead of the profile's."
        command = bound_option("limits", metric, f"--{metric.option}", text)(command)
    return command


def bound_option(argument: str, metric: Metric, option: str, text: str) -> Callable[[Any], Any]:
    """An option for a bound of a metric, given in its unit.

    The command gets all bounds of one ``argument`` together: stored values by metric, without
    those that were left out.
    """

    def keep(context: click.Context, _: click.Parameter, value: float | None) -> None:
        bounds = context.params.setdefault(argument, {})
        if value is not None:
            bounds[metric.name] = value / metric.factor

    return click.option(option, type=float, help=text, expose_value=False, callback=keep)


def start_computing() -> Console:
    """Let numerical libraries that are imported from now on use one thread; the console.

    Runs are parallel; more threads within each of them would only get in the way, and the numbers
    would depend on how many there are.
    """
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    return plain_console()


def plain_console(widest: int | None = None) -> Console:
    """Where results are shown: 100 columns, or on a terminal all, at most ``widest``."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 100
    elif widest is not None:
        console.width = min(console.width, widest)
    console.on_broken_pipe = leave_the_pipe  # type: ignore[method-assign]
    return console


def names_in(text: str, option: str) -> list[str]:
    """Names between commas, each once.

    Raises:
        InputError: if there are none.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise InputError(f"{option} names nothing; see mcu-nas-bench --list")
    return names


def changed_limits_in_name(task: Task) -> str:
    """The limits that are other ones than the profile's, for names, as ``--sram-kib-20.5``."""
    changed = task.changed_limits.items()
    return "".join(f"--{name.replace('_', '-')}-{limit:.12g}" for name, limit in changed)


def task_of_options(
    space: str,
    profile: str,
    objectives: str,
    limits: dict[str, float] | None = None,
    predictors: str = "analytic",
) -> Task:
    """The task that the options of a command describe.

    Raises:
        InputError: for bad options, or fewer than two objectives.
    """
    from mcu_nas_moo.problem.task import Task

    names = names_in(objectives, "--objectives")
    task = Task(space, profile, names, limits=limits, predictors=predictors)
    if task.n_obj < 2:
        raise InputError(
            f"--objectives {objectives} has no trade-off; give two at least, "
            f"such as {DEFAULT_OBJECTIVES}"
        )
    return task


def fixed_reference(folder: Path, task: Task, console: Console) -> Reference:
    """The reference of earlier starts in ``folder``, or the known or a new one, kept there."""
    from mcu_nas_moo.benchmark.references.reference import REFERENCE_FILE, kept_reference

    reference = kept_reference(folder, task)
    if reference is None:
        reference = reference_of(task, console)
        reference.save(folder / REFERENCE_FILE)
    return reference


def reference_of(task: Task, console: Console) -> Reference:
    """The known reference of ``task``, or a new pooled one, which takes some seconds."""
    from mcu_nas_moo.benchmark.references.front_search import pooled_reference
    from mcu_nas_moo.benchmark.references.reference import (
        can_enumerate,
        known_reference,
        remake_command,
        stale_note,
    )
    from mcu_nas_moo.benchmark.references.whole_space import is_small

    reference = known_reference(task)
    if reference is None:
        note = stale_note(task)
        if note is not None:
            console.print(note)
        elif can_enumerate(task):
            console.print(f"For an exact reference front, run `{remake_command(task)}` first.")
        if is_small(task) or task.cost != "microseconds":
            return _reference_without_search(task, console)
        text = "Pooling a reference front from searches"
        with console.status(f"{text} ...") as status:
            reference = pooled_reference(
                task, say=lambda what: status.update(f"{text}: {what} ...")
            )
        console.print(
            f"No reference front is known for this problem; made one of {len(reference.F)} "
            f"subnets from {reference.origin['evaluations']:,} evaluations of searches."
        )
    return reference


def _reference_without_search(task: Task, console: Console) -> Reference:
    from mcu_nas_moo.benchmark.references.whole_space import (
        exhaustive_reference,
        is_small,
        sampled_reference,
    )
    from mcu_nas_moo.common.progress import Bars

    small = is_small(task)
    with Bars("networks") as bars:
        bar = bars.add_task("reference front", total=None)
        make = exhaustive_reference if small else sampled_reference
        reference = make(task, lambda count: bars.advance(bar, count))
    evaluated = reference.origin["evaluations"]
    console.print(
        f"Evaluated all {evaluated:,} networks: the reference front is exact."
        if small
        else f"An evaluation takes {task.cost}: {evaluated} random networks set the range of the "
        "objectives, and runs go beyond their front."
    )
    return reference
