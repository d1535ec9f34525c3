"""What each technique of the PPO optimiser is worth: runs without it against runs with all.

Finished runs are kept, and the same command continues; runs that were made by other code or
other settings are made again::

    python benchmarks/ablation.py run
    python benchmarks/ablation.py tables
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from shlex import quote
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import ablation_variants
import numpy as np
import pandas as pd
import torch
from ablation_table import BASE, ablation_markdown, all_standings, counts_of
from ablation_variants import (
    PolicyAlone,
    WithoutEarnings,
    WithoutNeighbours,
    WithoutProposedNeighbours,
    WithRepeats,
)
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mcu_nas_moo.benchmark.analysis.statistics import caution
from mcu_nas_moo.benchmark.references.reference import known_reference, remake_command
from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.common.progress import Bars
from mcu_nas_moo.common.workpool import WorkPool, cores
from mcu_nas_moo.optimisers.ppo import PPOOptimiser
from mcu_nas_moo.optimisers.ppo.settings import PPOSettings
from mcu_nas_moo.optimisers.register import optimiser_fingerprint
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference

ROOT = Path(__file__).parent.parent


class Variant(NamedTuple):
    """What a row changes: settings, and the optimiser itself where no setting tells the change."""

    changes: dict[str, Any]
    optimiser: type[PPOOptimiser] = PPOOptimiser

    @property
    def settings(self) -> PPOSettings:
        """The default settings with the changes.

        Raises:
            ValueError: for an unknown name or a value out of range.
        """
        known = {field.name for field in fields(PPOSettings)}
        if unknown := self.changes.keys() - known:
            raise ValueError(f"PPOSettings has no {', '.join(sorted(unknown))}; see VARIANTS")
        return replace(PPOSettings(), **self.changes)

    @property
    def code(self) -> str:
        """Fingerprint of the code that decides what its optimiser proposes."""
        digest = optimiser_fingerprint("ppo")
        if self.optimiser is PPOOptimiser:
            return digest
        return f"{digest}-{sha256(Path(ablation_variants.__file__).read_bytes()).hexdigest()[:16]}"

    def __str__(self) -> str:
        told = [f"`{name}={value!r}`" for name, value in self.changes.items()]
        if self.optimiser is not PPOOptimiser:
            told.append(f"`{self.optimiser.__name__}` of `ablation_variants.py`")
        return ", ".join(told) or "defaults"


#: The share that the surrogate chose before neighbours were proposed beside it.
_FORMER_SHARE = {"surrogate_share": 0.75}
_POLICY_ALONE = {
    "generations": 0,
    "surrogate_share": 1.0,
    "variation_start": 0.0,
    "variation_end": 0.0,
}
#: Rows of the table. "without X" and "with X" are read as such by the tables, and
#: rows that lack the surrogate and another technique make a table of their own.
VARIANTS: dict[str, Variant] = {
    BASE: Variant({}),
    "without surrogate": Variant({"surrogate_points": 0}),
    "without neighbours": Variant(_FORMER_SHARE, WithoutNeighbours),
    "without proposed neighbours": Variant(_FORMER_SHARE, WithoutProposedNeighbours),
    "with surrogate_share 0.75": Variant(_FORMER_SHARE),
    "without breeding of candidates": Variant({"generations": 0}),
    "without PPO updates": Variant({"rollouts": 0}, WithoutEarnings),
    "without imitation": Variant({"imitation_steps": 0}),
    "without trained policy": Variant({"rollouts": 0, "imitation_steps": 0}, WithoutEarnings),
    "policy proposes alone": Variant(_POLICY_ALONE, PolicyAlone),
    "PPO alone": Variant(
        _POLICY_ALONE | {"surrogate_points": 0, "imitation_steps": 0}, PolicyAlone
    ),
    "with optimism": Variant({"optimism": 1.0}),
    "without avoiding repeats": Variant({}, WithRepeats),
    "neither surrogate nor PPO updates": Variant({"surrogate_points": 0}, WithoutEarnings),
    "neither surrogate nor imitation": Variant({"surrogate_points": 0, "imitation_steps": 0}),
    "neither surrogate nor trained policy": Variant(
        {"surrogate_points": 0, "imitation_steps": 0}, WithoutEarnings
    ),
}
#: Rows that are judged once more, after a larger number of evaluations.
LONG_ROWS = (BASE, "without surrogate", "without neighbours")
#: Apart from the seeds of the comparison, which begin at 0.
FIRST_SEED = 100
#: Digits of a hypervolume ratio that are kept.
DIGITS = 6
#: Options that decide what is compared, with their defaults.
CHOICES = {
    "problems": ";".join(
        [
            "mbconv-stage--cortex-m33--error-latency",
            "mbconv-block--cortex-m0plus--error-latency",
            "mbconv-block--cortex-m33--error-latency",
            "mbconv-stage--cortex-m0plus--error-latency-sram-flash",
        ]
    ),
    "seeds": 10,
    "counts": "500,1000,2000",
    "long": 5000,
}


def task_of(problem: str) -> Task:
    """The task of a name such as ``mbconv-stage--cortex-m7--error-latency``.

    Raises:
        ValueError: if the name has not these three parts, or one of them is unknown.
    """
    parts = problem.split("--")
    if len(parts) != 3:
        raise ValueError(f"a problem is SPACE--PROFILE--OBJECTIVE-OBJECTIVE, got {problem!r}")
    return Task(parts[0], parts[1], tuple(parts[2].split("-")))


def reference_of(task: Task) -> Reference:
    """What runs are scored against.

    Raises:
        ValueError: if there is no reference front of the task.
    """
    reference = known_reference(task)
    if reference is None:
        raise ValueError(f"no reference front; make it with `{remake_command(task)}`")
    return reference


@dataclass(frozen=True)
class AblationRun:
    """One run: a row of the table, a problem, a seed, and the evaluations to be judged after."""

    variant: str
    problem: str
    seed: int
    counts: tuple[int, ...]

    def path(self, work: Path) -> Path:
        """Where its results lie."""
        name = f"{self.variant.replace(' ', '-')}--{self.problem}--s{self.seed}.json"
        return work / "runs" / name.replace(",", "")

    def facts(self, task: Task) -> dict[str, Any]:
        """What its results depend on, as plain data."""
        variant = VARIANTS[self.variant]
        facts = {
            "variant": self.variant,
            "problem": self.problem,
            "seed": self.seed,
            "settings": asdict(variant.settings),
            "task": task.fingerprint,
            "code": variant.code,
        }
        plain: dict[str, Any] = json.loads(json.dumps(facts))
        return plain

    def ratios(self, work: Path, task: Task) -> list[float] | None:
        """Its hypervolume ratios at its counts, None if it is to be made."""
        try:
            found = json.loads(self.path(work).read_text(encoding="utf-8"))
            if found["facts"] != self.facts(task):
                return None
            return [found["ratios"][str(count)] for count in self.counts]
        except (OSError, ValueError, KeyError, TypeError):
            return None


def search(
    variant: Variant, task: Task, reference: Reference, counts: Sequence[int], seed: int
) -> list[float]:
    """Hypervolume ratios of one run after ``counts`` evaluations, ascending."""
    torch.set_num_threads(1)
    optimiser = variant.optimiser(
        task.n_choices,
        task.n_obj,
        task.n_con,
        seed,
        variant.settings,
        canonical=task.space.canonical,
    )
    parts: list[Any] = []
    done = 0
    while done < counts[-1]:
        X = optimiser.ask()[: counts[-1] - done]
        if not len(X):
            break
        evaluation = task.evaluate(X)
        optimiser.tell(X, *evaluation)
        parts.append(evaluation)
        done += len(X)
    F, G = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    volumes = [reference.hypervolume_of(F[:count][feasible(G[:count])]) for count in counts]
    return [round(volume / reference.hypervolume, DIGITS) for volume in volumes]


def make(
    work: Path, tasks: dict[str, Task], references: dict[str, Reference], run: AblationRun
) -> str | None:
    """Make and save a run; returns the reason if it failed."""
    begin = perf_counter()
    task, reference = tasks[run.problem], references[run.problem]
    try:
        ratios = search(VARIANTS[run.variant], task, reference, run.counts, run.seed)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    result = {
        "facts": run.facts(task),
        "ratios": dict(zip(map(str, run.counts), ratios, strict=True)),
        "seconds": round(perf_counter() - begin, 3),
    }
    _write(run.path(work), json.dumps(result, indent=1) + "\n")
    return None


def main(arguments: list[str] | None = None) -> int:
    """Make runs or tables; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("step", choices=("run", "tables"), help="make runs, or tables of them")
    helps = {
        "problems": "SPACE--PROFILE--OBJECTIVE-OBJECTIVE, with semicolons  [four of them]",
        "seeds": f"runs per row and problem; seeds {FIRST_SEED}, ...  [{CHOICES['seeds']}]",
        "counts": f"numbers of evaluations to judge at  [{CHOICES['counts']}]",
        "long": f"a larger number for three of the rows; 0 for none  [{CHOICES['long']}]",
    }
    for name, default in CHOICES.items():
        parser.add_argument(f"--{name}", default=default, type=type(default), help=helps[name])
    work = Path("bench-results") / "ablation"
    parser.add_argument("--work", type=Path, default=work, help=f"folder of the runs  [{work}]")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes  [one per core]")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the tables"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=100)
    try:
        counts = sorted({int(count) for count in options.counts.split(",")})
        if counts[0] < 1 or options.seeds < 1:
            raise ValueError("--counts and --seeds must be at least 1")
        if 0 != options.long <= counts[-1]:
            raise ValueError("--long must be 0 or larger than all --counts")
        tasks = {name: task_of(name) for name in options.problems.split(";")}
        longer = [options.long] if options.long else []
        own = {name: (*counts, *(longer if name in LONG_ROWS else [])) for name in VARIANTS}
        runs = [
            AblationRun(variant, problem, FIRST_SEED + number, own[variant])
            for number in range(options.seeds)
            for problem in tasks
            for variant in VARIANTS
        ]
        if options.step == "run":
            return _run(runs, tasks, options, console)
        return _tables(runs, tasks, options, console)
    except ValueError as error:
        parser.error(" ".join(str(error).split()))


def _run(
    runs: list[AblationRun],
    tasks: dict[str, Task],
    options: argparse.Namespace,
    console: Console,
) -> int:
    missing = [run for run in runs if run.ratios(options.work, tasks[run.problem]) is None]
    references = {problem: reference_of(task) for problem, task in tasks.items()}
    failed = []
    try:
        with Bars("runs", console) as progress:
            bars = {}
            for variant in VARIANTS:
                total = sum(run.variant == variant for run in runs)
                left = sum(run.variant == variant for run in missing)
                bars[variant] = progress.add_task(variant, total=total, completed=total - left)
            making = partial(make, options.work, tasks, references)
            for run, future in WorkPool(options.jobs).as_completed(making, missing):
                progress.advance(bars[run.variant])
                reason = future.exception() or future.result()
                if reason is not None:
                    failed.append(f"{run.variant}, {run.problem}, seed {run.seed}: {reason}")
    except KeyboardInterrupt:
        console.print("Stopped. Finished runs are kept; the same command continues.")
        return 130
    for line in failed:
        console.print(line)
    return 1 if failed else 0


def _tables(
    runs: list[AblationRun],
    tasks: dict[str, Task],
    options: argparse.Namespace,
    console: Console,
) -> int:
    rows = []
    made = 0
    for run in runs:
        ratios = run.ratios(options.work, tasks[run.problem])
        if ratios is not None:
            made += 1
            key = (run.variant, run.problem, run.seed)
            rows += [(*key, *pair) for pair in zip(run.counts, ratios, strict=True)]
    columns = ["row", "problem", "seed", "evaluations", "ratio"]
    frame = pd.DataFrame(rows, columns=columns)
    tables = all_standings(frame, list(VARIANTS))
    notes = [] if made == len(runs) else [f"Incomplete: {made} of {len(runs)} runs are finished."]
    if options.long:
        notes.append(
            f"To spare processor time, only these rows go on to {options.long:,} evaluations: "
            f"{', '.join(name for name in VARIANTS if name in LONG_ROWS)}."
        )
    if warning := caution(options.seeds):
        notes.append(warning[0].upper() + warning[1:])
    chosen = [
        f" --{name} {quote(str(value))}"
        for name, default in CHOICES.items()
        if (value := getattr(options, name)) != default
    ]
    commands = [
        f"python benchmarks/ablation.py {step}{''.join(chosen)}" for step in ("run", "tables")
    ]
    text = ablation_markdown(tables, VARIANTS, options.problems.split(";"), commands, notes)
    _write(options.results / "ablation.md", text)
    _write(options.results / "ablation.csv", frame.to_csv(index=False, lineterminator="\n"))
    for found in tables:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("row")
        for count in counts_of(found):
            table.add_column(f"{count:,}", justify="right")
        table.add_column("technique")
        for standing in found:
            means = [
                f"{standing.cells[count].mean:.4f}" if count in standing.cells else "–"
                for count in counts_of(found)
            ]
            table.add_row(standing.name, *means, standing.effect)
        console.print(table)
    for note in notes:
        console.print(note)
    console.print(f"Tables are in {options.results}")
    return 0


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    raise SystemExit(main())
