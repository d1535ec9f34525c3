"""``mcu-nas-bench report``: put results together and report them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_nas_moo.cli.option_types import FILE, FOLDER
from mcu_nas_moo.cli.problem_options import (
    jobs_option,
    start_computing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mcu_nas_moo.benchmark.report.problem_report import Source
    from mcu_nas_moo.benchmark.report.writing import Report
    from mcu_nas_moo.benchmark.results.problem_results import Results

folders_argument = click.argument("folders", nargs=-1, required=True, type=FILE, metavar="DIR...")


@click.command(short_help="Put results together, score them again and report them.")
@folders_argument
@click.option(
    "--out",
    type=FOLDER,
    help="Folder of the report.  [default: DIR if the runs are in it, else bench-results/report]",
)
@jobs_option
def report(folders: tuple[Path, ...], out: Path | None, jobs: int) -> None:
    """Score the runs in all DIRs against today's reference fronts and report them together.

    \b
    Example:
      mcu-nas-bench report bench-results

    A DIR is a folder of `suite` or of the plain command, a folder above such ones, or the compact
    form that `export` makes. Results of the same problem must have been made with the same
    predictor, cost model and limits as they are today. What was not, or does not hold what the
    task computes, is damaged or something else, is left out, with a warning.
    """  # noqa: D301
    console = start_computing()
    folder = out or _folder_of_runs(folders) or Path("bench-results") / "report"
    import shlex

    command = shlex.join(["mcu-nas-bench", "report", *(path.as_posix() for path in folders)])
    report_folders(folders, folder, jobs, command, console)


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


def report_folders(
    folders: Sequence[Path],
    folder: Path,
    jobs: int,
    command: str,
    console: Console,
    *,
    quiet: bool = False,
) -> None:
    """Report all results in ``folders``, into ``folder``; warnings go to stderr.

    Raises:
        InputError: if there are none, or they cannot stand together.
    """
    from mcu_nas_moo.benchmark.results.loading import find_problems
    from mcu_nas_moo.benchmark.results.result_files import suite_records

    sources, warnings = find_problems(folders)
    show_report(
        sources,
        folder,
        console,
        quiet=quiet,
        jobs=jobs,
        command=command,
        warnings=warnings,
        records=suite_records(folders),
        where=", ".join(map(str, folders)),
    )


def show_report(
    sources: Sequence[Source],
    folder: Path,
    console: Console,
    *,
    quiet: bool = False,
    **options: Any,
) -> Report:
    """Write the report into ``folder`` and show the ranking; options are of ``make_report``."""
    from mcu_nas_moo.benchmark.analysis.overall import overall_tables, serious_cautions
    from mcu_nas_moo.benchmark.report.ranking import ranking_table, verdict
    from mcu_nas_moo.benchmark.report.writing import make_report
    from mcu_nas_moo.common.progress import Bars

    with Bars("steps", console, quiet=quiet, transient=True) as bars:
        bar = bars.add_task("Report", total=None)
        report = make_report(
            sources,
            folder,
            watch=lambda done, total: bars.update(bar, completed=done, total=total),
            **options,
        )
    for warning in report.warnings:
        click.echo(f"Warning: {warning}", err=True)
    console.print()
    analyses = report.analyses
    if len(analyses) == 1 and len(analyses[0].results.budgets) == 1:
        console.print(ranking_table(analyses[0]))
        console.print(verdict(analyses[0]), style="bold", markup=False)
    else:
        for table in overall_tables(analyses):
            console.print(table)
    for sentence in serious_cautions(analyses):
        console.print(sentence, markup=False)
    console.print(f"The report is {report.page}; its tables and pictures are beside it.")
    return report
