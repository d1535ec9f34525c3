"""``mcu-nas-bench compare``: two algorithms, or old results and new ones, head to head."""

from __future__ import annotations

from pathlib import Path

import click

from mcu_nas_moo.cli.bench.report import read_results
from mcu_nas_moo.cli.option_types import FILE
from mcu_nas_moo.cli.problem_options import jobs_option, start_computing
from mcu_nas_moo.common.errors import InputError

#: Where results are by default.
RESULTS = Path("bench-results")


@click.command(short_help="Two algorithms, or old and new results, head to head.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.argument("folders", nargs=-1, type=FILE, metavar="[DIR...]")
@jobs_option
def compare(first: str, second: str, folders: tuple[Path, ...], jobs: int) -> None:
    """Compare algorithms A and B on every problem in the DIRs (bench-results by default).

    \b
    Examples:
      mcu-nas-bench compare ppo nsga2 bench-results
      mcu-nas-bench compare results-old results-new

    If A and B are folders of results, every algorithm of A is compared with itself in B: results
    of yesterday with those of today.

    Shown are medians of the hypervolume ratio, their difference with a bootstrap interval of
    95 %, the p-value of the Mann-Whitney test (Holm's correction over all rows), and A12, the
    chance that a run of A is better than one of B. The rows "to 99 %" do the same for the
    evaluations that it takes to 99 % of the reference hypervolume; there, fewer are better.
    """  # noqa: D301
    console = start_computing()
    from mcu_nas_moo.benchmark.analysis.head_to_head import (
        compare_algorithms,
        compare_results,
        duel_tables,
        tally,
    )
    from mcu_nas_moo.benchmark.analysis.statistics import caution
    from mcu_nas_moo.optimisers.register import list_optimisers

    if all(Path(side).exists() and side not in list_optimisers() for side in (first, second)):
        if folders:
            raise InputError("A and B are folders already; there is nothing to take from others")
        old, new = (read_results([Path(side)], jobs, console) for side in (first, second))
        with console.status("Scoring the runs ..."):
            duels = compare_results(old, new)
        if Path(first).name != Path(second).name:
            first, second = Path(first).name, Path(second).name
    else:
        if not folders and not RESULTS.exists():
            raise InputError(f"there is no {RESULTS} here; name the folders of the results")
        results = read_results(folders or [RESULTS], jobs, console)
        with console.status("Scoring the runs ..."):
            duels = compare_algorithms(results, first, second)
    console.print()
    for table in duel_tables(duels, first, second):
        console.print(table)
    console.print(tally(duels, first, second), style="bold")
    if warning := caution(min(min(duel.runs) for duel in duels)):
        console.print(warning)
