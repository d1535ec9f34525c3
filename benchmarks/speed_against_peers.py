"""Evaluations, enumeration and whole runs against the obvious peers, in one process, as ratios.

- `Task.evaluate` against a loop over single networks;
- the enumeration of a space, skipped branches included, against `Task.evaluate` of all networks in
  large batches and against that loop;
- NSGA-II in the harness, with its history and its archive kept, against pymoo's `minimize` of the
  same algorithm alone;
- Optuna's NSGA-II in the harness against `study.optimize` of the same sampler alone.

Peers that would take hours are timed on a part and scaled up. Run it on an otherwise idle machine;
`--out` keeps the table. The speed of indicators is measured by `indicator_speed.py`::

    python benchmarks/speed_against_peers.py --out benchmarks/results/speed.md
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import optuna
from markdown_table import markdown_table
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

from mcu_nas_moo import McuNasObjective, McuNasProblem
from mcu_nas_moo.benchmark.references.enumeration import Enumerator
from mcu_nas_moo.benchmark.references.reference import known_reference
from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.register import load_optimiser
from mcu_nas_moo.problem.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference

COLUMNS = ("what", "per second", "peer", "peer's per second", "times faster")
#: Networks of a large batch, and of the loop over single ones.
BATCH, SINGLE = 65_536, 1_000
#: Evaluations of a run in pymoo and in Optuna.
PYMOO_BUDGET, OPTUNA_BUDGET = 5_000, 1_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and keep it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--profile", default="cortex-m7")
    parser.add_argument("--repeat", type=int, default=5, help="timings; the shortest counts")
    parser.add_argument("--blocks", type=int, default=40, help="blocks that are enumerated")
    parser.add_argument("--out", type=Path, help="Markdown file of the table")
    options = parser.parse_args(arguments)
    task = Task("mbconv-stage", options.profile)
    reference = known_reference(task)
    if reference is None:
        sys.exit("no reference is known for this profile; run `mcu-nas enumerate` for it first")
    rows = [
        *_evaluation_rows(task, options.repeat, options.blocks),
        _pymoo_row(task, reference, options.repeat),
        _optuna_row(task, reference, options.repeat),
    ]
    text = markdown_table(COLUMNS, rows, left=1)
    print(text)
    if options.out is not None:
        command = f"python benchmarks/{Path(__file__).name} --out {options.out.as_posix()}"
        head = f"# Speed against peers\n\nMade by `{command}` in one process.\n\n"
        options.out.write_text(f"{head}{text}\n", encoding="utf-8")


def _evaluation_rows(task: Task, repeat: int, blocks: int) -> list[list[str]]:
    rng = np.random.default_rng(0)
    single, batch = task.space.sample(SINGLE, rng), task.space.sample(BATCH, rng)
    loop = SINGLE / _shortest(lambda: [task.evaluate(x[None]) for x in single], 2)
    batches = BATCH / _shortest(lambda: task.evaluate(batch), repeat)
    enumerator = Enumerator([task])
    # Blocks come in an order that mixes cheap and costly ones.
    share = min(blocks, enumerator.n_blocks) / enumerator.n_blocks
    enumerating = enumerator.halves.n_networks * share / _until(enumerator, blocks)
    return [
        _row("networks evaluated in batches", batches, "network by network", loop),
        _row("networks enumerated, one process", enumerating, "in batches", batches),
        _row("networks enumerated, one process", enumerating, "network by network", loop),
    ]


def _until(enumerator: Enumerator, blocks: int) -> float:
    """Seconds that the first blocks take."""

    class Enough(Exception):  # noqa: N818 - no error
        pass

    def stop(done: int) -> None:
        if done >= blocks:
            raise Enough

    start = perf_counter()
    with suppress(Enough):
        enumerator.run(jobs=1, done=stop)
    return perf_counter() - start


def _pymoo_row(task: Task, reference: Reference, repeat: int) -> list[str]:
    setting = Setting(task, reference.ideal, reference.nadir, PYMOO_BUDGET, 0)
    size = load_optimiser("nsga2")(setting).settings["pop_size"]  # type: ignore[attr-defined]
    problem = McuNasProblem(task=task)

    def alone() -> None:
        algorithm = NSGA2(pop_size=size, **problem.operators())
        minimize(problem, algorithm, ("n_eval", PYMOO_BUDGET), seed=0)

    ours = _shortest(lambda: run_optimiser("nsga2", task, reference, PYMOO_BUDGET, 0), repeat)
    peer = _shortest(alone, repeat)
    name = f"evaluations of NSGA-II, {PYMOO_BUDGET:,} in the harness"
    return _row(name, PYMOO_BUDGET / ours, "pymoo's minimize alone", PYMOO_BUDGET / peer)


def _optuna_row(task: Task, reference: Reference, repeat: int) -> list[str]:
    setting = Setting(task, reference.ideal, reference.nadir, OPTUNA_BUDGET, 0)
    size = load_optimiser("optuna-nsga2")(setting).settings["population_size"]  # type: ignore[attr-defined]
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def alone() -> None:
        objective = McuNasObjective(task=task)
        sampler = optuna.samplers.NSGAIISampler(population_size=size, seed=0)
        study = optuna.create_study(directions=objective.directions, sampler=sampler)
        study.optimize(objective, n_trials=OPTUNA_BUDGET)

    ours = _shortest(
        lambda: run_optimiser("optuna-nsga2", task, reference, OPTUNA_BUDGET, 0), repeat
    )
    peer = _shortest(alone, repeat)
    name = f"evaluations of Optuna's NSGA-II, {OPTUNA_BUDGET:,} in the harness"
    return _row(name, OPTUNA_BUDGET / ours, "study.optimize alone", OPTUNA_BUDGET / peer)


def _shortest(call: Callable[[], object], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def _row(what: str, ours: float, peer: str, theirs: float) -> list[str]:
    return [what, f"{ours:,.0f}", peer, f"{theirs:,.0f}", f"{ours / theirs:.1f}"]


if __name__ == "__main__":
    main()
