"""``mcu-nas-bench suite``: make the runs of a suite's file, and the report of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.bench.report import report_folders
from mcu_nas_moo.cli.bench.run_progress import Batch, finish, make_runs
from mcu_nas_moo.cli.option_types import POSITIVE
from mcu_nas_moo.cli.problem_options import (
    jobs_option,
    results_option,
    start_computing,
)
from mcu_nas_moo.cli.reference_fronts import reference_of

if TYPE_CHECKING:
    from rich.console import Console

    from mcu_nas_moo.benchmark.runs.suite import PlannedProblem


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
    console = start_computing()
    from mcu_nas_moo.benchmark.runs.suite import load_suite, plan, write_record
    from mcu_nas_moo.common.naming import file_name
    from mcu_nas_moo.common.user_parts import look_in

    for place in (Path.cwd(), file.parent.absolute()):
        look_in(place)  # for algorithms named module:Class
    chosen = load_suite(file)
    planned = plan(chosen, seeds)
    folder = out or Path("bench-results") / file_name(chosen.name)
    command = _command(file, seeds)
    batches = [batch for entry in planned for batch in _prepared(entry, folder, console)]
    write_record(folder, chosen, file.read_text(encoding="utf-8"), planned, command)
    failures = make_runs(batches, lambda batch, _: batch.title, folder, jobs, console, quiet=quiet)
    if not no_report:
        report_folders([folder], folder, jobs, command, console, quiet=quiet)
    finish(batches, failures, console)


def _command(file: Path, seeds: int | None) -> str:
    """What makes these results again; folders and processes have no influence on them."""
    here = Path.cwd()
    shown = file.absolute().relative_to(here) if file.absolute().is_relative_to(here) else file
    parts = ["mcu-nas-bench", "suite", shown.as_posix()]
    import shlex

    return shlex.join(parts if seeds is None else [*parts, "--seeds", str(seeds)])


def _prepared(entry: PlannedProblem, folder: Path, console: Console) -> list[Batch]:
    """Check what is finished and fix what runs are scored against, before the work begins."""
    from mcu_nas_moo.benchmark.runs.suite import reference_of_suite

    studies = entry.studies(folder)
    for study, runs in studies:
        study.check(runs)
    reference = reference_of_suite([study for study, _ in studies])
    if reference is None:
        console.print(entry.title)
        reference = reference_of(entry.task, console)
    batches = []
    for study, runs in studies:
        # Runs of one folder get one reference, also those added later.
        own = study.reference()
        if own is None:
            study.fix_reference(reference)
        batches.append(Batch(entry.title, study, runs, own or reference))
    return batches
