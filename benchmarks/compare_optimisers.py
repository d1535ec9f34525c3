"""The any-time comparison of optimisers: makes the runs, then tables and a picture of them.

All runs take many hours; those that are finished are kept, and the same command continues::

    python benchmarks/compare_optimisers.py run
    python benchmarks/compare_optimisers.py tables
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from shlex import quote

import pandas as pd
from comparison_picture import draw_any_time, evaluations_shown
from comparison_runs import Problem, ProblemRuns, budgets
from comparison_tables import SUBJECT, all_pairs, by_objectives, comparison_markdown
from joblib import cpu_count
from markdown_table import spoken
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from threadpoolctl import threadpool_limits

from mcu_nas_moo.files import write_atomically
from mcu_nas_moo.optimisers.register import check_optimiser
from mcu_nas_moo.report.study_summary import caution

ROOT = Path(__file__).parent.parent
#: Where the picture begins.
FIRST_SHOWN = 100
#: Options that decide what is compared, with their defaults; commas between names.
CHOICES = {
    "algos": "random,ga,nsga2,nsga3,tpe,ppo-plain,ppo",
    "profiles": "cortex-m7,cortex-m4,cortex-m33",
    "spaces": "mbconv-stage,mbconv-block",
    "objectives": "error,latency;error,latency,sram,flash",
    "seeds": 21,
    "counts": "500,1000,2000,5000",
}


def main(arguments: list[str] | None = None) -> int:
    """Make runs or tables; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=100)
    try:
        names = [check_optimiser(name) for name in options.algos.split(",")]
        counts = sorted({int(count) for count in options.counts.split(",")})
        if min(counts) < 1 or options.seeds < 1:
            raise ValueError("--counts and --seeds must be at least 1")
        problems = [
            Problem(space, profile, tuple(objectives.split(",")))
            for objectives in options.objectives.split(";")
            for space in options.spaces.split(",")
            for profile in options.profiles.split(",")
        ]
        everything = [
            ProblemRuns(options.work, problem, names, range(options.seeds), counts)
            for problem in problems
        ]
        # Runs are parallel; more threads within each of them would only get in the way.
        with threadpool_limits(1):
            if options.step == "run":
                return _run(everything, options.jobs, console)
            return _tables(everything, options, names, counts, console)
    except ValueError as error:
        parser.error(" ".join(str(error).split()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("step", choices=("run", "tables"), help="make runs, or tables of them")
    helps = {
        "algos": "algorithms, with commas",
        "profiles": "with commas",
        "spaces": "with commas",
        "objectives": "with commas; several sets with semicolons between",
        "seeds": "runs per algorithm; seeds 0, 1, ...",
        "counts": "numbers of evaluations to judge at, with commas",
    }
    for name, default in CHOICES.items():
        parser.add_argument(
            f"--{name}", default=default, type=type(default), help=f"{helps[name]}  [{default}]"
        )
    work = Path("bench-results") / "comparison"
    parser.add_argument("--work", type=Path, default=work, help=f"folder of the runs  [{work}]")
    parser.add_argument("--jobs", type=int, default=cpu_count(), help="processes  [one per core]")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the tables"
    )
    parser.add_argument(
        "--picture", type=Path, default=ROOT / "docs" / "anytime.png", help="file of the picture"
    )
    return parser


def _run(everything: list[ProblemRuns], jobs: int, console: Console) -> int:
    with console.status("Checking the finished runs ..."):
        for runs in everything:
            runs.check()
    failed = []
    try:
        with _progress(console) as progress:
            for runs in everything:
                failed += runs.make(jobs, progress)
    except KeyboardInterrupt:
        console.print("Stopped. Finished runs are kept; the same command continues.")
        return 130
    for line in failed:
        console.print(line)
    return 1 if failed else 0


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _tables(
    everything: list[ProblemRuns],
    options: argparse.Namespace,
    names: list[str],
    counts: list[int],
    console: Console,
) -> int:
    frames = []
    with _progress(console) as progress:
        for runs in progress.track(everything, description="Scoring"):
            frames += list(runs.ratios(runs.judged_at, options.jobs))
    if not frames:
        raise ValueError(f"no finished runs in {options.work}; make them with the step `run`")
    frame = pd.concat(frames, ignore_index=True)
    tables = by_objectives(frame, names)
    notes = missing_runs(frame, everything, names, options.seeds)
    if warning := caution(options.seeds):
        notes.append(warning[0].upper() + warning[1:])
    text = comparison_markdown(tables, _commands(options), notes)
    _write(options.results / "comparison.md", text)
    _write(
        options.results / "comparison.csv",
        frame.drop(columns="budget").to_csv(index=False, lineterminator="\n"),
    )
    _write(
        options.results / "comparison_pairs.csv",
        all_pairs(tables).to_csv(index=False, lineterminator="\n"),
    )
    _draw(everything, options, names, counts, console)
    for objectives, own in tables.items():
        if SUBJECT not in own.algorithms or not own.others:
            continue
        console.print(spoken(objectives), style="bold")
        console.print(f"Problems where {SUBJECT} is ahead / no difference is shown / it is behind:")
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column(f"{SUBJECT} against")
        for count in own.counts:
            table.add_column(f"{count:,}", justify="right")
        for row in own.tallies():
            table.add_row(*row)
        console.print(table)
        console.print(own.overall())
    for note in notes:
        console.print(note)
    console.print(f"Tables are in {options.results}, the picture is {options.picture}")
    return 0


def missing_runs(
    frame: pd.DataFrame, everything: list[ProblemRuns], names: list[str], seeds: int
) -> list[str]:
    """One line per set of objectives with too few runs: what is left out, what is incomplete."""
    notes = []
    for objectives in dict.fromkeys(runs.problem.objectives for runs in everything):
        problems = [runs for runs in everything if runs.problem.objectives == objectives]
        own = frame[frame["objectives"] == " ".join(objectives)]
        found = own.groupby("algorithm").size()
        absent, short = [], []
        for name in names:
            planned = sum(len(budgets(name, runs.counts)) for runs in problems) * seeds
            made = int(found.get(name, 0))
            if made == 0 and planned:
                absent.append(name)
            elif made < planned:
                short.append(f"{name} ({made} of {planned} figures)")
        if absent or short:
            said = [f"left out for lack of runs: {', '.join(absent)}"] if absent else []
            said += [f"incomplete: {', '.join(short)}"] if short else []
            notes.append(f"With {spoken(objectives)}, {'; '.join(said)}.")
    return notes


def _draw(
    everything: list[ProblemRuns],
    options: argparse.Namespace,
    names: list[str],
    counts: list[int],
    console: Console,
) -> None:
    """Draw the curves for two objectives, if there are runs."""
    start, end = min(FIRST_SHOWN, counts[0]), counts[-1]

    def shown(algorithm: str, budget: int) -> list[int]:
        own = sorted(set(budgets(algorithm, counts).values()))
        after = next((smaller for smaller, larger in pairwise(own) if larger == budget), 0)
        return evaluations_shown(budget, after, start, end) if budget in own else []

    frames = []
    with _progress(console) as progress:
        for runs in progress.track(everything, description="Picture"):
            if len(runs.problem.objectives) == 2:
                frames += list(runs.ratios(shown, options.jobs))
    if frames:
        frame = pd.concat(frames, ignore_index=True)
        draw_any_time(options.picture, frame, names, start, end)


def _commands(options: argparse.Namespace) -> list[str]:
    """What makes these tables; folders and processes have no influence."""
    chosen = [
        f" --{name} {quote(str(value))}"
        for name, default in CHOICES.items()
        if (value := getattr(options, name)) != default
    ]
    return [
        f"python benchmarks/compare_optimisers.py {step}{''.join(chosen)}"
        for step in ("run", "tables")
    ]


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    raise SystemExit(main())
