"""Making runs with progress on the console; what fails or is stopped costs nothing finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress

    from mcu_nas_moo.bench.study import Finished

KILLED = (
    "a process of the benchmark was killed, perhaps for lack of memory; the same command "
    "continues with the runs that are missing"
)


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
