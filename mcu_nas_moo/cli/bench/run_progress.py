"""Making runs with progress on the console; what fails or is stopped costs nothing finished."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import click

from mcu_nas_moo.cli.program import BAD_INPUT, FAULT, said_when_stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.runs.study import Run, Study


class Batch(NamedTuple):
    """Runs of a study: ``title`` of its problem, and the reference that they are scored against."""

    title: str
    study: Study
    runs: Sequence[Run]
    reference: Reference


class Remark(NamedTuple):
    """What is to be said about a run: ``title`` of its problem, ``budget`` of its study.

    ``fault`` says that it failed, and not by what the user gave.
    """

    title: str
    run: Run
    budget: int
    text: str
    fault: bool = False


def grouped(remarks: Sequence[Remark], event: str = "") -> list[str]:
    """A line for each remark; one for all runs of an algorithm where only numbers or names differ.

    Args:
        remarks: in the order of the lines.
        event: what happened to the runs, such as ``failed``.
    """
    groups: dict[tuple[str, str], list[Remark]] = {}
    for remark in remarks:
        # Which gene of which row it was is not what matters.
        gist = re.sub(r"'[^']*'|-?\b(\d[\d.,e+-]*|nan|inf)\b", "", remark.text)
        groups.setdefault((remark.run.algorithm, gist), []).append(remark)
    lines = []
    for (algorithm, _), group in groups.items():
        title, run, budget, text, _ = min(
            group, key=lambda remark: (remark.run.seed, remark.budget)
        )
        what = f" {event}" if event else ""
        if len(group) == 1:
            line = f"{title}: {algorithm} with seed {run.seed} and budget {budget}{what}"
        else:
            first = f"first: {title}, seed {run.seed}, budget {budget}"
            line = f"{algorithm}{what} in {len(group)} runs ({first})"
        lines.append(f"{line}: {text}")
    return lines


def make_runs(
    batches: Sequence[Batch],
    bar_of: Callable[[Batch, Run], str],
    folder: Path,
    jobs: int,
    console: Console,
    *,
    quiet: bool = False,
) -> list[Remark]:
    """Make the missing runs, one batch after the other; returns why some failed.

    ``bar_of`` names the bar that a run belongs to; ``folder`` is where the finished ones are.
    """
    from mcu_nas_moo.common.progress import Bars

    total, done = Counter[str](), Counter[str]()
    for batch in batches:
        missing = set(batch.study.missing(batch.runs))
        total.update(bar_of(batch, run) for run in batch.runs)
        done.update(bar_of(batch, run) for run in batch.runs if run not in missing)
    if done:
        console.print(f"{done.total():,} of {total.total():,} runs are finished already.")
        if any(batch.study.tensorboard is not None for batch in batches):
            console.print("They leave no TensorBoard log; for one, choose another --out.")
    failures: list[Remark] = []
    with (
        said_when_stopped(f"Finished runs are in {folder}"),
        Bars("runs", console, quiet=quiet) as progress,
    ):
        bars = {
            name: progress.add_task(name, total=count, completed=done[name])
            for name, count in total.items()
        }
        for batch in batches:
            for run, why, fault in batch.study.run(batch.runs, batch.reference, jobs):
                progress.advance(bars[bar_of(batch, run)])
                if why is not None:
                    failures.append(Remark(batch.title, run, batch.study.budget, why, fault))
    return failures


def finish(batches: Sequence[Batch], failures: Sequence[Remark], console: Console) -> None:
    """Say what finished runs have to say and which runs failed; end the program if any did."""
    notes = [
        Remark(title, run, study.budget, note)
        for title, study, runs, _ in batches
        for run, note in study.notes(runs).items()
    ]
    for line in grouped(notes):
        console.print(f"Note: {line}")
    for line in grouped(failures, "failed"):
        click.echo(line, err=True)
    if failures:
        raise SystemExit(FAULT if any(failure.fault for failure in failures) else BAD_INPUT)
