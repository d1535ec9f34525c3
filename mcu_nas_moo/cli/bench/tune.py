"""``mcu-nas-bench tune``: tune an optimiser for the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.option_types import FOLDER, POSITIVE
from mcu_nas_moo.cli.problem_options import (
    ProblemOptions,
    problem_options,
    start_computing,
)
from mcu_nas_moo.cli.program import said_when_stopped
from mcu_nas_moo.cli.reference_fronts import fixed_reference
from mcu_nas_moo.common.tables import new_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mcu_nas_moo.benchmark.tuning.tuning import Tuning

#: Not one that results are reported for.
PROFILE = "cortex-m0plus"
#: Rows of the table at the end, per stage.
SHOWN = 5


@click.command(short_help="Tune the hyperparameters of an algorithm.")
@click.option("--algo", required=True, help="Algorithm: ga, nsga2, nsga3, ppo or ppo-plain.")
@click.option(
    "--method",
    type=click.Choice(["tpe", "grid"]),
    default="tpe",
    help="How values are chosen: by Optuna's TPE, or from a grid in random order.",
)
@click.option(
    "--trials",
    type=POSITIVE,
    default=30,
    help="Sets of values per stage. A larger number continues an earlier tuning.",
)
@problem_options(profile=PROFILE)
@click.option(
    "--seeds",
    type=POSITIVE,
    default=3,
    help="Runs per set of values; seeds 1000, 1001, ..., which no comparison uses.",
)
@click.option("--budget", type=POSITIVE, default=2000, help="Evaluations per run.")
@click.option(
    "--jobs",
    type=POSITIVE,
    help="Processes; more than --seeds are of no use.  [default: one per core]",
)
@click.option(
    "--out",
    type=FOLDER,
    help="Folder of the results; a second start continues there.  [default: tuning/ALGO]",
)
def tune(
    algo: str,
    method: str,
    trials: int,
    problem: ProblemOptions,
    seeds: int,
    budget: int,
    jobs: int,
    out: Path | None,
) -> None:
    """Tune the hyperparameters of an algorithm in two stages.

    \b
    Examples:
      mcu-nas-bench tune --algo nsga2 --trials 30
      mcu-nas-bench tune --algo ppo --problem mine:Problem --out tuned

    Stage 1 tunes how the algorithm searches. Stage 2 keeps the best of these values and tunes the
    reward; an evolutionary algorithm has none, so its crossover and mutation are tuned instead.
    The score is the mean hypervolume ratio at 25 %, 50 % and 100 % of the budget, over the seeds.
    The algorithm's own values are the first trial, and the effort is the same for all algorithms.
    Tune on another device or problem than those that results are reported for.

    The folder gets stage1.json, stage2.json and best_config.json; the benchmark takes the latter as
    --hyperparameters.
    """  # noqa: D301
    console = start_computing()
    from mcu_nas_moo.benchmark.tuning.tuning import Tuning
    from mcu_nas_moo.common.naming import file_name
    from mcu_nas_moo.optimisers.register import tunable
    from mcu_nas_moo.problem.reachability import check_limits

    tunable(algo)  # bad names are said before the work begins
    task = problem.task()
    check_limits(task)
    folder = out or Path("tuning") / file_name(algo)
    tuning = Tuning(
        folder,
        algo,
        task,
        fixed_reference(folder, task, console),
        method=method,
        trials=trials,
        budget=budget,
        seeds=seeds,
    )
    _make_trials(tuning, jobs, console)
    path = tuning.save_best()
    for stage in tuning.stages:
        console.print()
        console.print(_table(tuning, stage))
    _show_result(tuning, path, console)


def _make_trials(tuning: Tuning, jobs: int, console: Console) -> None:
    """Make the missing trials of both stages."""
    from mcu_nas_moo.common.progress import Bars

    with (
        said_when_stopped(f"Finished trials are in {tuning.folder}"),
        Bars("trials{task.fields[best]}", console) as progress,
    ):
        bars = {
            stage: progress.add_task(
                f"stage {stage}", total=tuning.size(stage), start=False, best=""
            )
            for stage in tuning.stages
        }
        for stage, bar in bars.items():
            progress.start_task(bar)
            progress.update(bar, completed=len(tuning.finished(stage)))
            for _ in tuning.run(stage, jobs):
                best = f", best {tuning.best(stage).score:.4f}"
                progress.update(bar, completed=len(tuning.finished(stage)), best=best)


def _table(tuning: Tuning, stage: int) -> Table:
    """The best trials of a stage, and where its start stands."""
    from rich.table import Column

    from mcu_nas_moo.benchmark.tuning.tuning import ranking

    trials = tuning.finished(stage)
    title = f"Stage {stage} of {tuning.algorithm}: the best of {len(trials)} trials"
    names = (Column(name, justify="right", overflow="fold") for name in tuning.stages[stage])
    table = new_table((Column("trial", justify="right"), "score", *names), title=title)
    order = ranking(trials)[:SHOWN]
    for number in order if 0 in order else [*order, 0]:
        trial = trials[number]
        score = "failed" if trial.score is None else f"{trial.score:.4f}"
        values = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in trial.params.values()]
        table.add_row("start" if number == 0 else str(number), score, *values)
    return table


def _show_result(tuning: Tuning, path: Path, console: Console) -> None:
    failed = [trial for stage in tuning.stages for trial in tuning.finished(stage) if trial.problem]
    if failed:
        console.print(f"{len(failed)} trials failed, such as by {failed[0].problem}")
    default, best = tuning.finished(1)[0].score, tuning.best(2).score
    if not tuning.hyperparameters():
        console.print(f"No trial beats the own values of {tuning.algorithm} ({default:.4f}).")
        return
    console.print(
        f"{tuning.algorithm}: {default:.4f} with its own values, {best:.4f} tuned. The best of "
        "many trials looks better than it is; a comparison on other seeds tells."
    )
    console.print(
        f"To compare with these values: mcu-nas-bench --algos {tuning.algorithm} "
        f"--hyperparameters {path}"
    )
