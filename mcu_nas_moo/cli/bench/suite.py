"""``mcu-nas-bench suite``: make the runs of a suite's file, and the report of them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from mcu_nas_moo.cli.bench.report import report_folders
from mcu_nas_moo.cli.bench.run_progress import Remark, grouped
from mcu_nas_moo.cli.option_types import POSITIVE
from mcu_nas_moo.cli.problem_options import (
    jobs_option,
    one_thread_per_process,
    plain_console,
    reference_of,
    results_option,
)
from mcu_nas_moo.cli.program import said_when_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.runs.study import Run, Study
    from mcu_nas_moo.benchmark.runs.suite import PlannedProblem


class _Work(NamedTuple):
    """The runs on one problem and what they need."""

    title: str
    reference: Reference
    studies: list[tuple[Study, list[Run]]]

    @property
    def total(self) -> int:
        return sum(len(runs) for _, runs in self.studies)

    @property
    def missing(self) -> int:
        return sum(len(study.missing(runs)) for study, runs in self.studies)


@click.command(short_help="Make the runs of a suite's file, and a report.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@results_option
@click.option(
    "--seeds",
    type=POSITIVE,
    help="Runs per algorithm, problem and budget instead of the suite's own number.",
)
@jobs_option
@click.option("--no-report", is_flag=True, help="Make the runs only; `report` can follow later.")
@click.option("--quiet", is_flag=True, help="No progress; the tables at the end stay.")
def suite(
    file: Path, out: Path | None, seeds: int | None, jobs: int, no_report: bool, quiet: bool
) -> None:
    """Run the suite in FILE: algorithms on problems, with budgets and seeds.

    Such files are in benchmarks/suites/. An algorithm of your own is named module:Class; modules
    are looked for in the current folder and beside FILE. Runs that are finished are kept, and a
    run that fails does not stop the others. Ends with a ranking and report.html in the folder of
    the results.

    \b
    Example:
      mcu-nas-bench suite benchmarks/suites/smoke.yaml
    """  # noqa: D301
    one_thread_per_process()
    console = plain_console()
    from mcu_nas_moo.benchmark.runs.suite import load_suite, plan
    from mcu_nas_moo.benchmark.runs.suite_folder import write_record
    from mcu_nas_moo.common.naming import file_name
    from mcu_nas_moo.optimisers.user_optimisers import look_in

    for place in (Path.cwd(), file.parent.absolute()):
        look_in(place)  # for algorithms named module:Class
    chosen = load_suite(file)
    planned = plan(chosen, seeds)
    folder = out or Path("bench-results") / file_name(chosen.name)
    command = _command(file, seeds)
    everything = [_prepared(entry, folder, console) for entry in planned]
    write_record(folder, chosen, file.read_text(encoding="utf-8"), planned, command)
    problems = _make_runs(everything, folder, jobs, console, quiet)
    if not no_report:
        report_folders([folder], folder, jobs, command, console, quiet=quiet)
    for line in _notes(everything):
        console.print(f"Note: {line}")
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise SystemExit(1)


def _command(file: Path, seeds: int | None) -> str:
    """What makes these results again; folders and processes have no influence on them."""
    here = Path.cwd()
    shown = file.absolute().relative_to(here) if file.absolute().is_relative_to(here) else file
    parts = ["mcu-nas-bench", "suite", shown.as_posix()]
    return shlex.join(parts if seeds is None else [*parts, "--seeds", str(seeds)])


def _prepared(entry: PlannedProblem, folder: Path, console: Console) -> _Work:
    """Check what is finished and fix what runs are scored against, before the work begins."""
    from mcu_nas_moo.benchmark.runs.suite_folder import kept_reference

    studies = entry.studies(folder)
    for study, runs in studies:
        study.check(runs)
    reference = kept_reference([study for study, _ in studies])
    if reference is None:
        console.print(entry.title)
        reference = reference_of(entry.task, console)
    for study, _ in studies:
        if study.reference() is None:
            study.fix_reference(reference)
    return _Work(entry.title, reference, studies)


def _make_runs(
    everything: Sequence[_Work], folder: Path, jobs: int, console: Console, quiet: bool
) -> list[str]:
    """Make the missing runs; returns lines about those that failed."""
    total = sum(work.total for work in everything)
    missing = sum(work.missing for work in everything)
    if missing < total:
        console.print(f"{total - missing:,} of {total:,} runs are finished already.")
    from mcu_nas_moo.common.progress import Bars

    failures: list[Remark] = []
    with (
        said_when_stopped(f"Finished runs are in {folder}"),
        Bars("runs", console, quiet=quiet) as progress,
    ):
        bars = [
            progress.add_task(work.title, total=work.total, completed=work.total - work.missing)
            for work in everything
        ]
        for work, bar in zip(everything, bars, strict=True):
            for study, runs in work.studies:
                # Runs of one folder get one reference, also those added later.
                reference = study.reference() or work.reference
                for run, reason in study.run(runs, reference, jobs):
                    progress.advance(bar)
                    if reason is not None:
                        failures.append(Remark(work.title, run, study.budget, reason))
    return grouped(failures, "failed")


def _notes(everything: Sequence[_Work]) -> list[str]:
    """What finished runs have to say."""
    return grouped(
        [
            Remark(work.title, run, study.budget, note)
            for work in everything
            for study, runs in work.studies
            for run, note in study.notes(runs).items()
        ]
    )
