"""``mcu-nas-bench report``: put results together and report them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.problem_options import (
    jobs_option,
    one_thread_per_process,
    plain_console,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mcu_nas_moo.benchmark.results.problem_results import Results

folders_argument = click.argument(
    "folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR..."
)


@click.command(short_help="Put results together, score them again and report them.")
@folders_argument
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder of the report.  [default: DIR if the runs are in it, else bench-results/report]",
)
@jobs_option
def report(folders: tuple[Path, ...], out: Path | None, jobs: int) -> None:
    """Score the runs in all DIRs against today's reference fronts and report them together.

    A DIR is a folder of `suite` or of the plain command, a folder above such ones, or the compact
    form that `export` makes. Results of the same problem must have been made with the same
    predictor, cost model and limits as they are today. What was not, or does not hold what the
    task computes, is damaged or something else, is left out, with a warning.
    """
    one_thread_per_process()
    console = plain_console()
    results = read_results(folders, jobs, console)
    folder = out or _folder_of_runs(folders) or Path("bench-results") / "report"
    command = shlex.join(["mcu-nas-bench", "report", *(path.as_posix() for path in folders)])
    show_report(results, folders, folder, jobs, command, console)


def _folder_of_runs(folders: Sequence[Path]) -> Path | None:
    """The only folder, if it is that of a suite or of a study and not of compact files."""
    from mcu_nas_moo.benchmark.runs.study import STUDY_FILE

    if len(folders) > 1:
        return None
    (folder,) = folders
    inside = [folder / STUDY_FILE, *folder.glob(f"*/{STUDY_FILE}")]
    return folder if any(path.exists() for path in inside) else None


def read_results(folders: Sequence[Path], jobs: int, console: Console) -> Results:
    """All results in these folders; warnings go to stderr.

    Raises:
        InputError: if there are none, or they cannot stand together.
    """
    from mcu_nas_moo.benchmark.results.loading import load_results

    with console.status("Reading the runs ..."):
        results = load_results(folders, jobs)
    for warning in results.warnings:
        click.echo(f"Warning: {warning}", err=True)
    return results


def show_report(
    results: Results,
    sources: Sequence[Path],
    folder: Path,
    jobs: int,
    command: str,
    console: Console,
) -> None:
    """Write the report of ``results``, read from ``sources``, into ``folder``; show the ranking."""
    from mcu_nas_moo.benchmark.analysis.overall import overall_tables
    from mcu_nas_moo.benchmark.analysis.overall_cautions import serious_cautions
    from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
    from mcu_nas_moo.benchmark.report.writing import write_analyses
    from mcu_nas_moo.benchmark.results.result_files import suite_records

    with console.status("Scoring the runs ..."):
        analyses = [analyse(problem, jobs) for problem in results.problems]
    with console.status("Writing the report ..."):
        page = write_analyses(
            analyses,
            folder,
            warnings=results.warnings,
            command=command,
            records=suite_records(sources),
        )
    console.print()
    for table in overall_tables(analyses):
        console.print(table)
    for sentence in serious_cautions(analyses):
        console.print(sentence, markup=False)
    console.print(f"The report is {page}; its tables and pictures are beside it.")
