"""Runs on the toy task, some seconds of work in all, for the tests of reports."""

from __future__ import annotations

import numpy as np
from toy_task import ToyTask, brute_force_reference

from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import History

#: A name that breaks pages, tables and LaTeX if it is not escaped.
HOSTILE = "mine:<img src=x onerror=alert(1)>_&%|$^~\\{}"


def history(task, algorithm, seed, budget, *, share=1.0):
    """Random search; with a small ``share`` it knows only few networks of the space."""
    rng = np.random.default_rng([seed, sum(map(ord, algorithm))])
    X = task.space.sample(budget, rng)
    X = X[rng.integers(0, max(1, int(share * budget)), budget)]
    F, G = task.evaluate(X)
    metadata = {
        "budget": budget,
        "fingerprint": task.fingerprint,
        "settings": {"share": share},
        "optimiser": "0123",
        "versions": {"numpy": "2"},
    }
    return History(algorithm, seed, X, F, G, np.full(budget, 1e-4), 0.1, 0.2, metadata)


def problem(
    algorithms=("good", "weak", HOSTILE),
    seeds=5,
    budgets=(30, 120),
    objectives=("error", "latency"),
    limits=None,
    profile="toy-board",
):
    """Results of one problem; algorithms named ``weak`` see little of the space."""
    task = ToyTask(objectives, limits, board=profile)
    reference = brute_force_reference(ToyTask(objectives))
    runs = [
        Trajectory.of(
            history(task, name, seed, budgets[-1], share=0.1 if name == "weak" else 1.0),
            task.space.canonical,
        )
        for name in algorithms
        for seed in range(seeds)
    ]
    return ProblemResults(task, reference, tuple(budgets), tuple(runs))
