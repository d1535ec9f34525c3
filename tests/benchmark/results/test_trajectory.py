from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_task import pairwise_front

from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import History


def history(F, G, X=None):
    n = len(F)
    X = np.arange(n)[:, None] if X is None else X
    return History("ga", 7, X, F, G, np.full(n, 0.002), 0.1, 0.25, {"budget": 2 * n, "k": "v"})


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 4), st.booleans())
def test_rows_are_those_that_nothing_earlier_dominates(seed, n, n_obj, coarse):
    rng = np.random.default_rng(seed)
    F = rng.integers(0, 4, (n, n_obj)) / 2 if coarse else rng.uniform(size=(n, n_obj))
    G = rng.normal(-0.5, 1, (n, 2))
    run = Trajectory.of(history(F, G), lambda X: X)
    met = [bool((g <= 0).all()) for g in G]
    expected = [
        row
        for row in range(n)
        if met[row] and not any(met[i] and (F[i] <= F[row]).all() for i in range(row))
    ]
    assert (run.at - 1).tolist() == expected
    assert run.X[:, 0].tolist() == expected
    assert (run.F == F[expected]).all()
    assert run.first_feasible == (met.index(True) + 1 if any(met) else None)
    assert run.feasible_share == pytest.approx(sum(met) / n)

    for evaluations in {1, n // 2, n} - {0}:
        so_far = F[:evaluations][met[:evaluations]]
        front = np.unique(so_far[pairwise_front(so_far)], axis=0)
        archive = run.archive(evaluations)
        assert len(archive) == len(front)
        assert (np.unique(archive, axis=0) == front).all()
    assert run.archive().tolist() == run.archive(n).tolist()


def test_facts_of_a_run_by_hand():
    X = np.array([[0, 1], [0, 1], [1, 1], [0, 2]])
    F = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    G = np.array([[0.5, -1.0], [0.5, -1.0], [0.0, 0.0], [-1.0, -0.1]])
    run = Trajectory.of(history(F, G, X), lambda X: X * [0, 1])  # the first gene has no effect
    assert (run.algorithm, run.seed, run.budget, run.evaluations) == ("ga", 7, 8, 4)
    assert (run.at.tolist(), run.X.tolist()) == ([3, 4], [[0, 1], [0, 2]])
    assert (run.first_feasible, run.feasible_share, run.unique_share) == (3, 0.5, 0.5)
    assert run.optimiser_ms == pytest.approx(2.0)
    assert (run.wall_s, run.metadata["k"]) == (0.25, "v")


def test_a_run_without_a_feasible_subnet():
    run = Trajectory.of(history(np.zeros((3, 2)), np.ones((3, 1))), lambda X: X)
    assert run.first_feasible is None
    assert (run.at.shape, run.F.shape, run.X.shape) == ((0,), (0, 2), (0, 1))
    assert run.archive().shape == (0, 2)
