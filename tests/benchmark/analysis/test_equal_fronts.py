"""Runs that find the same front in another order are equally good, to the last digit."""

from __future__ import annotations

import numpy as np
import pytest
from hypervolume_curve import hypervolume_curve
from toy_task import ToyTask, brute_force_reference

from mcu_nas_moo.benchmark.analysis.anytime import any_time_curve
from mcu_nas_moo.benchmark.analysis.hypervolume import share_of
from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.analysis.ranks import ranks_of
from mcu_nas_moo.benchmark.analysis.statistics import NOT_SHOWN
from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import History

TWO, FOUR = ("error", "latency"), ("error", "latency", "sram", "flash")


def run_of(task, X, algorithm, seed, rng):
    """A run that evaluates exactly ``X``, in an order of its own."""
    X = X[rng.permutation(len(X))]
    F, G = task.evaluate(X)
    facts = {"budget": len(X)}
    return History(algorithm, seed, X, F, G, np.zeros(len(X)), 0.0, 0.0, facts)


@pytest.mark.parametrize("objectives", [TWO, FOUR], ids=["two", "four"])
def test_the_exact_front_is_worth_one_in_any_order(objectives):
    task = ToyTask(objectives)
    exact = brute_force_reference(task)
    n = len(exact.X)
    for seed in range(20):
        found = run_of(task, exact.X, "any", seed, np.random.default_rng(seed))
        assert hypervolume_curve(found.F, found.G, exact)[-1] == 1.0
        assert share_of(exact.hypervolume_of(found.F), exact.hypervolume) == 1.0
        run = Trajectory.of(found, task.space.canonical)
        assert any_time_curve(run, exact).after(n) == 1.0


@pytest.mark.parametrize("objectives", [TWO, FOUR], ids=["two", "four"])
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_equal_archives_share_ranks_and_show_no_difference(objectives, share):
    task = ToyTask(objectives)
    exact = brute_force_reference(task)
    part = exact.X[: max(2, int(share * len(exact.X)))]
    rng = np.random.default_rng(0)
    runs = tuple(
        Trajectory.of(run_of(task, part, name, seed, rng), task.space.canonical)
        for name in ("one", "two", "three")
        for seed in range(12)
    )
    analysis = analyse(ProblemResults(task, exact, (len(part),), runs))
    assert analysis.scores["hypervolume_ratio"].nunique() == 1
    assert analysis.scores["second_ratio"].nunique() == 1
    assert set(analysis.pairs["p"]) == {1.0}
    assert set(analysis.pairs["a12"]) == {0.5}
    assert set(analysis.pairs["verdict"]) == {NOT_SHOWN}
    assert ranks_of([analysis], len(part)).mean_ranks == (2.0, 2.0, 2.0)
