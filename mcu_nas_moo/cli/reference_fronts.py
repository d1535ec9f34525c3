"""The reference front of a command's problem: the known one, or one that is made on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.problem.task import Task


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
        points, known = "subnets", ""
        if task.problem is not None:
            points = "points"
            known = f": it tells none, and {task.space.n_genotypes:.2g} solutions are too many to "
            known += "evaluate all"
        console.print(
            f"No reference front is known for this problem{known}; made one of {len(reference.F)} "
            f"{points} from {reference.origin['evaluations']:,} evaluations of searches."
        )
    return reference


def _reference_without_search(task: Task, console: Console) -> Reference:
    from mcu_nas_moo.benchmark.references.whole_space import (
        FEW,
        exhaustive_reference,
        is_small,
        sampled_reference,
    )
    from mcu_nas_moo.common.progress import Bars

    small = is_small(task)
    with Bars("networks") as bars:
        bar = bars.add_task("reference front", total=task.space.n_networks if small else FEW)
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
