from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV
from toy_task import NO_PROBLEM

from mcu_nas_moo.benchmark.analysis.anytime import any_time_curve
from mcu_nas_moo.benchmark.references.reference import Reference
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import History
from mcu_nas_moo.problem.archive import feasible


def reference(front):
    front = np.array(front, dtype=float)
    X = np.zeros((len(front), 3), dtype=np.int64)
    return Reference(NO_PROBLEM, X, front)


def hypervolume_curve(F, G, front):
    """Hypervolume ratio of a run after each of its evaluations."""
    n, seconds = len(F), np.zeros(len(F))
    X = np.arange(n)[:, None]
    history = History("any", 0, X, F, G, seconds, 0.0, 0.0, {"budget": n})
    run = Trajectory.of(history, lambda X: X)
    return any_time_curve(run, front).after(np.arange(1, n + 1))


def test_hypervolume_ratio_by_hand():
    # Ideal (0, 0), nadir (10, 100); normalised the front is (0, 1), (1, 0), the corner (1.1, 1.1).
    front = reference([[0, 100], [10, 0]])
    # 0.1 x 1.1 + 1.1 x 0.1 - 0.1 x 0.1 counted twice
    assert front.hypervolume == pytest.approx(0.21)
    F = np.array([[5.0, 50.0], [0.0, 100.0], [20.0, 20.0], [5.0, 0.0]])
    G = np.array([[0.0], [-1.0], [-1.0], [0.1]])
    # (0.5, 0.5) spans 0.6 x 0.6; (0, 1) adds 0.5 x 0.1; the third lies outside the box and the
    # fourth is infeasible.
    curve = hypervolume_curve(F, G, front)
    assert curve == pytest.approx(np.array([0.36, 0.41, 0.41, 0.41]) / 0.21)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 4))
def test_curve_equals_recomputation_by_pymoo_at_every_step(seed, n, n_obj):
    rng = np.random.default_rng(seed)
    # Coarse values give ties and repetitions.
    F, G = rng.integers(0, 6, (n, n_obj)) / 4.0, rng.normal(-0.5, 1, (n, 2))
    front = Reference(NO_PROBLEM, np.zeros((n_obj, 1), dtype=np.int64), 1.0 - np.eye(n_obj))
    curve = hypervolume_curve(F, G, front)
    whole = HV(ref_point=np.full(n_obj, 1.1))(1.0 - np.eye(n_obj))
    for step in range(n):
        so_far = F[: step + 1][feasible(G[: step + 1])]
        expected = HV(ref_point=np.full(n_obj, 1.1))(so_far) if len(so_far) else 0.0
        assert curve[step] * whole == pytest.approx(expected, abs=1e-12)


def test_score_counts_by_hand():
    history = History(
        "nsga2",
        3,
        X=np.array([[0, 1], [0, 1], [1, 1], [0, 2]]),
        F=np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),
        G=np.array([[0.5, -1.0], [0.5, -1.0], [0.0, 0.0], [-1.0, -0.1]]),
        optimiser_seconds=np.array([0.001, 0.003, 0.002, 0.002]),
        evaluation_seconds=0.5,
        total_seconds=0.6,
    )
    history.metadata["budget"] = 4
    front = reference([[0, 1], [1, 0]])
    result = Trajectory.of(history, lambda X: X * [0, 1])  # the first gene has no effect
    assert any_time_curve(result, front).after(4) == pytest.approx(1.0)
    assert result.first_feasible == 3
    assert result.feasible_share == 0.5
    assert result.unique_share == 0.5
    assert result.optimiser_ms == pytest.approx(2.0)
    assert (result.algorithm, result.seed, result.evaluations) == ("nsga2", 3, 4)


def test_a_run_without_a_feasible_point_scores_zero():
    F, G = np.zeros((3, 2)), np.ones((3, 1))
    front = reference([[0, 1], [1, 0]])
    history = History("random", 0, np.zeros((3, 2), dtype=int), F, G, np.zeros(3), 0.0, 0.0)
    history.metadata["budget"] = 3
    result = Trajectory.of(history, lambda X: X)
    assert any_time_curve(result, front).after(3) == 0.0
    assert result.first_feasible is None


def test_reference_of_a_single_point_is_usable():
    front = reference([[2.0, 4.0]])
    assert np.isfinite(front.normalise(front.F)).all()
    assert front.hypervolume > 0
