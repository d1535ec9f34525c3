"""Results in the formats of other tools: moocore, IOHprofiler and CSV.

What is written of a run is its trajectory: the evaluations that no earlier feasible one weakly
dominates. Every indicator of the feasible archive, at every number of evaluations, follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.results.compact import RUN_FACTS
from mcu_nas_moo.common.csv_files import table_text
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.json_files import write_json
from mcu_nas_moo.common.naming import file_name
from mcu_nas_moo.optimisers.register import installed_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults, Results
    from mcu_nas_moo.benchmark.results.trajectory import Trajectory

#: Where an infeasible evaluation is put; readers of the format expect finite numbers.
FAR = 10.0


def export_moocore(results: Results, folder: Path) -> list[Path]:
    """Write the feasible fronts of all runs as sets of points, as ``moocore.read_datasets`` reads.

    One file per problem, algorithm and judged number of evaluations, and in it one set per seed.
    Runs without a feasible subnet have no set. Returns the files.
    """
    import moocore

    written = []
    for problem in results.problems:
        for algorithm in problem.algorithms:
            for count in problem.budgets:
                sets = []
                for run in problem.judged(algorithm, count):
                    points = run.F[run.at <= count]
                    if len(points):
                        front = points[moocore.is_nondominated(points)]
                        sets.append(f"# seed {run.seed}\n{_lines(front)}")
                if sets:
                    name = f"{problem.name}--{file_name(*algorithm.split(':'))}--{count}.dat"
                    head = f"# {' '.join(_columns(problem))}\n"
                    write_text_atomically(folder / name, head + "\n".join(sets))
                    written.append(folder / name)
    return written


def export_csv(results: Results, folder: Path) -> list[Path]:
    """Write ``runs.csv``, one row per run, and per problem a file of the trajectories.

    Their rows say which run, the number of the evaluation, objectives, and the subnet's genes;
    genes without effect stay empty. Returns the files.
    """
    written = [folder / "runs.csv"]
    facts = []
    for problem in results.problems:
        genes = [gene.name for gene in problem.task.space.genes]
        rows = []
        for run in problem.trajectories:
            facts.append([problem.name, *(getattr(run, name) for name in RUN_FACTS)])
            which = [run.algorithm, run.seed, run.budget]
            subnets = problem.task.space.decode(run.X)
            for at, F, subnet in zip(run.at.tolist(), run.F.tolist(), subnets, strict=True):
                values = [subnet.values.get(name, "") for name in genes]
                rows.append([*which, at, *F, *values])
        head = ["algorithm", "seed", "budget", "evaluation", *_columns(problem), *genes]
        written.append(folder / f"{problem.name}.csv")
        write_text_atomically(written[-1], table_text(head, rows))
    write_text_atomically(written[0], table_text(["problem", *RUN_FACTS], facts))
    return written


def export_ioh(results: Results, folder: Path) -> list[Path]:
    """Write the trajectories in the format of IOHprofiler, for IOHinspector (0.0.8).

    Problems are its functions, numbered from 1 in their order, and genes its dimensions; the first
    objective is ``raw_y``, the others are ``F2``, ``F3``, ... Runs of different budgets have
    folders of their own, with the budget as an attribute. Every run begins with evaluation 1, as
    the format needs it; where that was infeasible, its objectives are :data:`FAR` times as far from
    the ideal as the nadir, where they count for nothing. Returns the JSON files.
    """
    written = []
    for number, problem in enumerate(results.problems, start=1):
        groups: dict[tuple[str, int], list[Trajectory]] = {}
        for run in problem.trajectories:
            groups.setdefault((run.algorithm, run.budget), []).append(run)
        for (algorithm, budget), runs in groups.items():
            own = folder / f"{problem.name}--{file_name(*algorithm.split(':'))}--{budget}"
            written.append(_write_ioh(own, number, problem, runs))
    return written


def _write_ioh(
    folder: Path, number: int, problem: ProblemResults, runs: Sequence[Trajectory]
) -> Path:
    n_obj, dimension = problem.task.n_obj, problem.task.n_genes
    names = ["raw_y", *(f"F{column}" for column in range(2, n_obj + 1))]
    data = f"data_f{number}_{problem.name}/IOHprofiler_f{number}_DIM{dimension}.dat"
    text, entries = [" ".join(["evaluations", *names])], []
    ideal, nadir = problem.reference.ideal, problem.reference.nadir
    far = ideal + FAR * (nadir - ideal)
    for run in runs:
        F, at = run.F, run.at
        if not len(at) or at[0] != 1:
            F = np.concatenate([far[None, :], F])
            at = np.concatenate([[1], at])
        text += [
            " ".join([str(n), *(repr(value) for value in row)])
            for n, row in zip(at.tolist(), F.tolist(), strict=True)
        ]
        best = int(F[:, 0].argmin())
        solution = {"evals": int(at[best]), "y": float(F[best, 0]), "x": []}
        entries.append({"instance": run.seed, "evals": run.evaluations, "best": solution})
    write_text_atomically(folder / data, "\n".join(text) + "\n")
    first = runs[0]
    facts: dict[str, Any] = {
        "version": installed_version("mcu-nas-moo"),
        "suite": "mcu-nas-moo",
        "function_id": number,
        "function_name": problem.name,
        "maximization": False,
        "algorithm": {"name": first.algorithm, "info": problem.title},
        "experiment_attributes": [
            {"budget": str(first.budget)},
            {"objectives": " ".join(_columns(problem))},
        ],
        "attributes": ["evaluations", *names],
        "scenarios": [{"dimension": dimension, "path": data, "runs": entries}],
    }
    path = folder / f"IOHprofiler_f{number}_{problem.name}.json"
    write_json(path, facts)
    return path


def _columns(problem: ProblemResults) -> list[str]:
    """Names of the objectives with their units."""
    return [metric.name for metric in problem.task.objective_metrics]


def _lines(points: np.ndarray[Any, Any]) -> str:
    """One line per point; the shortest digits that read back exactly."""
    return "".join(" ".join(map(repr, row)) + "\n" for row in points.tolist())
