"""PPO against NSGA-II and local search on constrained discrete problems that others have published.

PPO and NSGA-II run as algorithms of pymoo. NSGA-II runs with several population sizes, and the
table gives it, for each problem and number of evaluations, the size with the best median: a choice
in hindsight, in its favour. Pareto local search is that of ``mcu-nas-bench``, with its default
settings. The score is the hypervolume of all feasible points that a run
evaluated, relative to that of the exact front. The full study, about half an hour on two cores::

    python benchmarks/public_problems.py --seeds 21 --budget 5000 --jobs 2

It writes ``public_problems.csv`` (one row per run and number of evaluations) and ``.md`` (the
table) into ``--out``. The exact fronts are kept in the package, since they take minutes.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import moocore
import numpy as np
from public_problem_set import PROBLEMS
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.callback import Callback
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.operators.sampling.rnd import BinaryRandomSampling
from pymoo.optimize import minimize

from mcu_nas_moo.benchmark.analysis.statistics import compare_pairs, quartiles
from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.common.progress import Bars
from mcu_nas_moo.common.workpool import WorkPool
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.simple.local_search import ParetoLocalSearch
from mcu_nas_moo.problem.adapters.pymoo_operators import integer_operators
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.spaces import Gene, SearchSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pymoo.core.problem import Problem

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray

#: Population sizes that NSGA-II runs with.
POPULATIONS = (20, 50, 100)
#: Numbers of evaluations after which a run is scored, besides its last.
MILESTONES = (500, 1000, 2000, 5000)
NAME = "public_problems"
LOCAL_SEARCH = "local-search"


class Row(NamedTuple):
    """Score of a run after so many evaluations; the share is that of feasible evaluations."""

    problem: str
    algorithm: str
    seed: int
    evaluations: int
    hypervolume_ratio: float
    feasible_share: float


class Recorder(Callback):  # type: ignore[misc]
    """Keeps objectives and constraints of all that is evaluated, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.F: list[FloatArray] = []
        self.G: list[FloatArray] = []

    def notify(self, algorithm: Any) -> None:
        if algorithm.off is not None:
            self.F.append(algorithm.off.get("F"))
            self.G.append(algorithm.off.get("G"))


def ppo(_: Problem) -> Any:
    """PPO with default settings."""
    import torch

    from mcu_nas_moo import PPO

    torch.set_num_threads(1)  # runs are parallel already
    return PPO()


def nsga2(problem: Problem, pop_size: int) -> Any:
    """NSGA-II (Deb et al. 2002) with operators made for the variables of the problem."""
    if problem.vtype is bool:
        operators = {
            "sampling": BinaryRandomSampling(),
            "crossover": UniformCrossover(prob=0.9),
            "mutation": BitflipMutation(),
        }
    else:
        operators = integer_operators()
    return NSGA2(pop_size=pop_size, **operators)


ALGORITHMS: dict[str, Callable[[Any], Any]] = {
    "ppo": ppo,
    **{f"nsga2-{size}": partial(nsga2, pop_size=size) for size in POPULATIONS},
}


def with_pymoo(
    algorithm: str, problem: Problem, seed: int, budget: int
) -> tuple[FloatArray, BoolArray]:
    """Objectives of all evaluations of one run, in order, and which of them are feasible."""
    recorder = Recorder()
    made = ALGORITHMS[algorithm](problem)
    minimize(problem, made, ("n_eval", budget), seed=seed, callback=recorder)
    return np.concatenate(recorder.F), feasible(np.concatenate(recorder.G))


def with_local_search(problem: Problem, seed: int, budget: int) -> tuple[FloatArray, BoolArray]:
    """The same of a Pareto local search, in which a variable's values are a gene's options."""
    sizes = (problem.xu - problem.xl).astype(int) + 1
    genes = tuple(Gene(f"x{place}", tuple(range(size))) for place, size in enumerate(sizes))
    task: Any = SimpleNamespace(space=SearchSpace("public", genes), n_obj=problem.n_obj)
    unknown = np.full(problem.n_obj, np.nan)  # it does not ask for the front's range
    search = ParetoLocalSearch(Setting(task, unknown, unknown, budget, seed))
    found: list[FloatArray] = []
    met: list[BoolArray] = []
    left = budget
    while left > 0 and len(X := search.ask()[:left]):
        F, G = problem.evaluate((X + problem.xl).astype(problem.vtype), return_values_of=["F", "G"])
        search.tell(X, F, G)
        found.append(F)
        met.append(feasible(G))
        left -= len(X)
    return np.concatenate(found), np.concatenate(met)


def run(problem: str, algorithm: str, seed: int, budget: int, front: FloatArray) -> list[Row]:
    """One run, scored at every milestone and at its end."""
    made = PROBLEMS[problem]()
    if algorithm == LOCAL_SEARCH:
        F, met = with_local_search(made, seed, budget)
    else:
        F, met = with_pymoo(algorithm, made, seed, budget)
    best = moocore.hypervolume(front, ref=made.worst)
    rows = []
    for count in [*(count for count in MILESTONES if count < budget), budget]:
        found = F[:count][met[:count]]
        reached = moocore.hypervolume(found, ref=made.worst) if len(found) else 0.0
        share = float(met[:count].mean())
        rows.append(Row(problem, algorithm, seed, count, float(reached / best), share))
    return rows


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table, whole or not at all."""

    def write(partial_file: Path) -> None:
        with partial_file.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)

    write_atomically(path, write)


def table(rows: Sequence[Row], command: str) -> str:
    """The comparison in Markdown; all its tests are one family, corrected by Holm."""
    samples: dict[tuple[str, int], dict[str, list[float]]] = {}
    for row in rows:
        own = samples.setdefault((row.problem, row.evaluations), {})
        own.setdefault(row.algorithm, []).append(row.hypervolume_ratio)
    cases = {}
    for name, count in sorted(samples, key=lambda case: (list(PROBLEMS).index(case[0]), case[1])):
        own = samples[name, count]
        sizes = [rival for rival in own if rival.startswith("nsga2-")]
        best = max(sizes, key=lambda rival: np.median(own[rival]))
        for rival in (best, LOCAL_SEARCH):
            cases[name, count, rival] = {"ppo": own["ppo"], rival: own[rival]}
    lines = [
        "# PPO, NSGA-II and local search on published problems",
        "",
        f"{len({row.seed for row in rows})} seeds; hypervolume ratio of the feasible archive, "
        "median [quartiles], 1 = exact front. NSGA-II with the best of the populations "
        f"{', '.join(map(str, POPULATIONS))} in hindsight, which its name tells. p: Mann-Whitney, "
        "corrected by Holm over the table. A12: probability that a run of PPO beats one of the "
        "other. Made by:",
        "",
        f"    {command}",
        "",
        "| problem | evaluations | PPO | other | its ratio | p | A12 | PPO is |",
        "| --- | ---: | --- | --- | --- | ---: | ---: | --- |",
    ]
    for pair in compare_pairs(cases):
        name, count, rival = pair.case
        cells = []
        for algorithm in ("ppo", rival):
            lower, median, upper = quartiles(cases[pair.case][algorithm])
            cells.append(f"{median:.4f} [{lower:.4f}, {upper:.4f}]")
        lines.append(
            f"| {name} | {count:,} | {cells[0]} | {rival} | {cells[1]} "
            f"| {pair.p_holm:.2g} | {pair.a12:.2f} | {pair.verdict} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and write its results."""
    from rich.console import Console
    from rich.markdown import Markdown

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--problems", default=",".join(PROBLEMS), help="names, with commas")
    parser.add_argument("--seeds", type=int, default=21, help="runs of each algorithm")
    parser.add_argument("--budget", type=int, default=5000, help="evaluations per run")
    parser.add_argument("--jobs", type=int, default=1, help="parallel processes")
    default = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=default, help="folder, made if missing")
    options = parser.parse_args(arguments)
    names = options.problems.split(",")
    unknown = [name for name in names if name not in PROBLEMS]
    if unknown:
        parser.error(f"unknown problem {unknown[0]!r}; choose from {', '.join(PROBLEMS)}")
    if min(options.seeds, options.budget, options.jobs) < 1:
        parser.error("--seeds, --budget and --jobs must be at least 1")

    options.out.mkdir(parents=True, exist_ok=True)
    fronts = {name: PROBLEMS[name]().pareto_front() for name in names}
    runs = [
        (problem, algorithm, seed, options.budget, fronts[problem])
        for seed in range(options.seeds)
        for problem in names
        for algorithm in (*ALGORITHMS, LOCAL_SEARCH)
    ]
    console = Console(stderr=True)
    with Bars("runs", console) as progress:
        bar = progress.add_task("", total=len(runs))
        scored = WorkPool(options.jobs).map(
            lambda one: run(*one), runs, lambda _: progress.advance(bar)
        )
    rows = sorted(row for rows in scored for row in rows)
    write_csv(options.out / f"{NAME}.csv", Row._fields, rows)
    given = shlex.join(sys.argv[1:] if arguments is None else arguments)
    text = table(rows, f"python benchmarks/{NAME}.py {given}".strip())
    write_atomically(
        options.out / f"{NAME}.md", lambda path: path.write_text(text, encoding="utf-8")
    )
    console.print(Markdown(text))


if __name__ == "__main__":
    main()
