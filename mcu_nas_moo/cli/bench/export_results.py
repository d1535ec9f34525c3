"""``mcu-nas-bench export``: results in the formats of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.bench.report import folders_argument, read_results
from mcu_nas_moo.cli.option_types import FOLDER, NOT_NEGATIVE
from mcu_nas_moo.cli.problem_options import (
    jobs_option,
    names_in,
    start_computing,
)
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.benchmark.results.result_files import FoundStudy
    from mcu_nas_moo.problem.task import Task

FORMATS = ("moocore", "ioh", "optuna", "csv", "compact")


@click.command(short_help="Results for moocore, IOHinspector, Optuna, as CSV, or compact.")
@folders_argument
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(FORMATS),
    help="moocore: fronts as sets of points. ioh: any-time data for IOHinspector. optuna: every "
    "evaluation as a trial. csv: tables. compact: small files that `report` reads.",
)
@click.option("--out", type=FOLDER, help="Folder of the files; not for optuna.")
@click.option(
    "--storage", help="Storage of Optuna: a URL such as sqlite:///runs.db, or a file for a journal."
)
@click.option(
    "--study-name", help="Of the Optuna study; with several runs, what their names begin with."
)
@click.option("--algos", help="Only these algorithms, with commas.")
@click.option("--seed", type=NOT_NEGATIVE, help="Only runs of this seed.")
@jobs_option
def export(
    folders: tuple[Path, ...],
    form: str,
    out: Path | None,
    storage: str | None,
    study_name: str | None,
    algos: str | None,
    seed: int | None,
    jobs: int,
) -> None:
    """Write the results in the DIRs in another format.

    \b
    Examples:
      mcu-nas-bench export bench-results --format moocore --out fronts
      mcu-nas-bench export bench-results --format optuna --storage sqlite:///runs.db \\
        --algos ppo --seed 0

    Each run becomes an Optuna study of its own, whose best trials are the run's feasible front;
    optuna-dashboard opens the storage. That needs full histories, which compact files do not hold.
    """  # noqa: D301
    console = start_computing()
    names = None if algos is None else names_in(algos, "--algos")
    if form == "optuna":
        if storage is None or out is not None:
            raise InputError("--format optuna needs --storage, and no --out")
        _to_optuna(folders, storage, study_name, names, seed, console)
        return
    if out is None or storage is not None or study_name is not None:
        raise InputError(f"--format {form} needs --out; --storage and --study-name are for optuna")
    from mcu_nas_moo.benchmark.results.compact import save_compact
    from mcu_nas_moo.benchmark.results.exchange_formats import (
        export_csv,
        export_ioh,
        export_moocore,
    )
    from mcu_nas_moo.benchmark.results.problem_results import chosen_runs
    from mcu_nas_moo.benchmark.results.result_files import copy_record

    write = {
        "moocore": export_moocore,
        "ioh": export_ioh,
        "csv": export_csv,
        "compact": save_compact,
    }[form]
    results = chosen_runs(read_results(folders, jobs, console), names, seed)
    written = write(results, out)
    if form == "compact":
        copy_record(folders, out)
    runs = sum(len(problem.trajectories) for problem in results.problems)
    console.print(f"Wrote {len(written)} files of {runs:,} runs to {out}")


def _to_optuna(
    folders: Sequence[Path],
    storage: str,
    study_name: str | None,
    names: Sequence[str] | None,
    seed: int | None,
    console: Console,
) -> None:
    from mcu_nas_moo.benchmark.results.optuna_export import export_run, open_storage
    from mcu_nas_moo.benchmark.runs.history import load_history
    from mcu_nas_moo.common.progress import Bars
    from mcu_nas_moo.common.text import without_passwords

    chosen = _full_histories(folders, names, seed)
    opened = open_storage(storage)
    added = 0
    with Bars("runs", console, transient=True) as progress:
        bar = progress.add_task("Adding trials", total=len(chosen))
        for found, task, path in chosen:
            history = load_history(path)
            run = f"{found.problem.name}--{history.algorithm}-s{history.seed}--{found.budget}"
            name = run if study_name is None else f"{study_name}--{run}"
            if study_name is not None and len(chosen) == 1:
                name = study_name
            added += export_run(history, task, opened, name) is not None
            progress.advance(bar)
    there = len(chosen) - added
    also = f"; {there} were there already" if there else ""
    console.print(f"Added {added} runs to {without_passwords(storage, storage)}{also}")


def _full_histories(
    folders: Sequence[Path], names: Sequence[str] | None, seed: int | None
) -> list[tuple[FoundStudy, Task, Path]]:
    """Files of full histories, with their studies and tasks."""
    from mcu_nas_moo.benchmark.results.compact import left_out
    from mcu_nas_moo.benchmark.results.result_files import FoundStudy, find_results
    from mcu_nas_moo.benchmark.runs.history import load_metadata
    from mcu_nas_moo.problem.task import Task

    warnings: list[str] = []
    chosen = []
    for found in find_results(folders, warnings.append):
        if not isinstance(found, FoundStudy):
            warnings.append(f"left out: {found.source} is compact and holds no full histories")
            continue
        task = Task.from_facts(found.problem, found.source)
        for path in found.run_files:
            with left_out(warnings.append):
                about = load_metadata(path)
                if about.get("fingerprint") != found.problem.fingerprint:
                    raise InputError(f"{path}: fingerprint: it is not that of its folder")
                if (names is None or about["algorithm"] in names) and seed in (None, about["seed"]):
                    chosen.append((found, task, path))
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)
    if not chosen:
        raise InputError("there is no full history of such a run; see `mcu-nas-bench export -h`")
    return chosen
