"""Making runs with progress on the console; what fails or is stopped costs nothing finished."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress

    from mcu_nas_moo.benchmark.runs.study import Finished, Run

KILLED = (
    "a process of the benchmark was killed, perhaps for lack of memory; the same command "
    "continues with the runs that are missing"
)


class Remark(NamedTuple):
    """What is to be said about a run: ``title`` of its problem, ``budget`` of its study."""

    title: str
    run: Run
    budget: int
    text: str


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
        title, run, budget, text = min(group, key=lambda remark: (remark.run.seed, remark.budget))
        what = f" {event}" if event else ""
        if len(group) == 1:
            line = f"{title}: {algorithm} with seed {run.seed} and budget {budget}{what}"
        else:
            first = f"first: {title}, seed {run.seed}, budget {budget}"
            line = f"{algorithm}{what} in {len(group)} runs ({first})"
        lines.append(f"{line}: {text}")
    return lines


def run_progress(console: Console, disable: bool = False) -> Progress:
    """Bars that count runs."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeElapsedColumn(),
        console=console,
        disable=disable,
    )


def until_killed(runs: Iterator[Finished], problems: list[str]) -> Iterator[Finished]:
    """The runs as they end; a process that the system killed ends them with a line to say so."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        yield from runs
    except TerminatedWorkerError:
        problems.append(KILLED)


def stopped(folder: Path) -> SystemExit:
    """What to raise when the user interrupts; says that finished runs are kept."""
    click.echo(f"Stopped. Finished runs are in {folder}; the same command continues.", err=True)
    return SystemExit(130)
