"""``mcu-nas enumerate``: the exact Pareto front of a space on a device."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.nas.subnet_options import torch_device
from mcu_nas_moo.cli.option_types import FOLDER
from mcu_nas_moo.cli.problem_options import (
    ProblemOptions,
    changed_limits_in_name,
    jobs_option,
    names_in,
    problem_options,
    refuse_beside,
    start_computing,
)
from mcu_nas_moo.cli.program import said_when_stopped
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.tables import new_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.benchmark.references.enumeration import Enumerator
    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.problem.task import Task

DEFAULT_OBJECTIVES = ("error,latency", "error,latency,sram,flash")


@click.command(name="enumerate")
@problem_options(several=True, objectives=False)
@click.option(
    "--objectives",
    "lists",
    multiple=True,
    default=DEFAULT_OBJECTIVES,
    help="Objectives of a front, with commas: error and some of latency, sram, flash and energy. "
    "Repeatable.",
)
@click.option(
    "--out",
    type=FOLDER,
    help="Folder of the fronts.  [default: the user's cache, where mcu-nas-bench finds them]",
)
@jobs_option
@click.option(
    "--device",
    default="auto",
    help="Where errors are predicted: cpu, cuda, or auto for cuda where there is one.",
)
def enumerate_command(
    problem: ProblemOptions,
    lists: tuple[str, ...],
    out: Path | None,
    jobs: int,
    device: str,
) -> None:
    """Keep the exact front of a space, of all of its networks.

    \b
    Examples:
      mcu-nas enumerate --profile cortex-m4
      mcu-nas enumerate --space mine.yaml --evaluator mine:Accuracy --objectives error,sram
      mcu-nas enumerate --problem mine:Problem

    A search can then be measured against the truth. Takes about a minute for mbconv-stage on two
    cores. Interrupted, the same command continues.
    """  # noqa: D301
    console = start_computing()
    from mcu_nas_moo.benchmark.references.enumeration import Enumerator
    from mcu_nas_moo.benchmark.references.whole_space import is_small

    if problem.problem is not None:
        refuse_beside(problem.problem, ["lists"])
        lists = lists[:1]  # it has its own
    wanted = [names_in(text, "--objectives") for text in lists]
    profiles = problem.profiles
    first = replace(problem, objectives=lists[0]).task(profiles[0])
    if is_small(first):
        _enumerate_small(problem, lists, out, console)
        return
    if problem.problem is not None:
        raise InputError(
            f"problem {problem.problem} has {first.space.n_genotypes:.2g} solutions, too many to "
            "evaluate all; mcu-nas-bench pools a front from searches, where none is told"
        )
    if first.evaluators.own:
        raise InputError(
            f"{first.space.name} has {first.space.n_networks:.2g} networks, too many to ask "
            f"{first.evaluators.own[0].name} about each; mcu-nas-bench pools a front from searches"
        )
    for names in wanted:
        if "error" not in names or len(names) < 2:
            raise InputError(f"--objectives must hold error and a cost, got {','.join(names)}")
    # One pass for all of them: a front for fewer objectives is part of that for more.
    together = dict.fromkeys(["error", *(name for names in wanted for name in names)])
    tasks = [replace(problem, objectives=",".join(together)).task(name) for name in profiles]
    state = _state_path(tasks, out)
    device = torch_device(device)
    with console.status("Halves of all networks ..."):
        enumerator = Enumerator(tasks, state, device=None if device == "cpu" else device)
    _run(enumerator, jobs, state, console)
    references, empty = [], []
    for found, profile in zip(enumerator.results(), profiles, strict=True):
        if not found.feasible:
            empty.append(profile or found.task.device_name)
            continue
        for names in wanted:
            reference = found.reference(names)
            references.append((reference, _save(reference, found.task, out)))
    with suppress(FileNotFoundError):
        state.unlink()
    if references:
        _show([reference for reference, _ in references], console)
        console.print(f"Fronts are in {references[0][1].parent}")
    if empty:
        raise InputError(
            f"no network of {tasks[0].space.name} meets the limits of {', '.join(empty)}; relax one"
        )


def _enumerate_small(
    problem: ProblemOptions, lists: Sequence[str], out: Path | None, console: Console
) -> None:
    """The fronts of a space whose networks can all be evaluated in some seconds."""
    from mcu_nas_moo.benchmark.references.whole_space import exhaustive_reference

    references = []
    for profile in problem.profiles:
        for objectives in lists:
            task = replace(problem, objectives=objectives).task(profile)
            with console.status(f"All networks of {task.title} ..."):
                references.append(exhaustive_reference(task))
            path = _save(references[-1], task, out)
    _show(references, console)
    console.print(f"Fronts are in {path.parent}")


def _save(reference: Reference, task: Task, out: Path | None) -> Path:
    """Write a reference to ``out``, or to where the benchmark finds it."""
    from mcu_nas_moo.benchmark.references.reference import user_reference_path

    path = user_reference_path(reference.problem)
    if out is not None:
        path = out / f"{reference.problem.name}{changed_limits_in_name(task)}.npz"
    reference.save(path)
    return path


def _state_path(tasks: Sequence[Task], out: Path | None) -> Path:
    """Where an interrupted enumeration is kept; another one has another name."""
    import hashlib

    from mcu_nas_moo.benchmark.references.reference import user_reference_path
    from mcu_nas_moo.common.naming import file_name

    folder = user_reference_path(tasks[0].facts()).parent if out is None else out
    text = " ".join(task.fingerprint for task in tasks)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return folder / f"unfinished-{file_name(tasks[0].space.name)}-{name}.npz"


def _run(enumerator: Enumerator, jobs: int, state: Path, console: Console) -> None:
    from mcu_nas_moo.common.progress import Bars

    networks, blocks = enumerator.halves.n_networks, enumerator.n_blocks
    if enumerator.n_done:
        console.print(f"{enumerator.n_done} of {blocks} blocks are finished already.")
    with (
        said_when_stopped(f"What is finished is in {state}"),
        Bars("blocks", console) as progress,
    ):
        bar = progress.add_task(f"{networks:,} networks", total=blocks, completed=enumerator.n_done)
        enumerator.run(jobs, lambda done: progress.update(bar, completed=done))


def _show(references: Sequence[Reference], console: Console) -> None:
    numbers = ("feasible", "share", "front", "ideal", "nadir")
    title = "Exact feasible Pareto fronts"
    table = new_table(("profile", "objectives"), numbers, title=title, box=None)
    for reference in references:
        table.add_row(
            reference.problem.profile,
            "\n".join(reference.problem.objectives),
            f"{reference.origin['feasible']:,}",
            f"{100 * reference.origin['feasible_share']:.3g} %",
            f"{len(reference.F):,}",
            "\n".join(f"{value:.5g}" for value in reference.ideal),
            "\n".join(f"{value:.5g}" for value in reference.nadir),
        )
    console.print(table)
