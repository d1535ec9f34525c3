from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV
from toy_task import NO_PROBLEM

from mcu_nas_moo.benchmark.analysis.anytime import (
    RUNTIME_TARGETS,
    AnyTimeCurve,
    any_time_curve,
    area_under_curve,
    distances,
)
from mcu_nas_moo.benchmark.references.reference import Reference
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import History


def reference(front):
    front = np.asarray(front, dtype=float)
    return Reference(NO_PROBLEM, np.zeros((len(front), 1), dtype=np.int64), front)


def trajectory(F, G):
    n = len(F)
    facts = {"budget": n}
    made = History("a", 0, np.arange(n)[:, None], F, G, np.zeros(n), 0.0, 0.0, facts)
    return Trajectory.of(made, lambda X: X)


STEPS = AnyTimeCurve(at=np.array([3, 5, 10]), ratios=np.array([0.5, 0.9, 0.95]))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 4))
def test_curve_and_area_equal_recomputation_at_every_evaluation(seed, n, n_obj):
    rng = np.random.default_rng(seed)
    F, G = rng.integers(0, 6, (n, n_obj)) / 2.5, rng.normal(-0.5, 1, (n, 2))
    # Ideal (0, 0, ..), nadir (2, 2, ..).
    front = reference(2 * (1.0 - np.eye(n_obj)))
    curve = any_time_curve(trajectory(F, G), front)
    volume = HV(ref_point=np.full(n_obj, 1.1))
    expected = []
    for step in range(n):
        found = F[: step + 1][(G[: step + 1] <= 0).all(axis=1)]
        expected.append(volume(found / 2) / volume(front.F / 2) if len(found) else 0.0)
    counts = np.arange(1, n + 1)
    assert curve.after(counts) == pytest.approx(np.array(expected), abs=1e-12)
    for count in range(2, n + 3):
        without_curve = area_under_curve(trajectory(F, G), front, count)
        assert without_curve == pytest.approx(curve.area(count), rel=1e-12)
    # The ratio after n evaluations holds until n + 1.
    widths = np.diff(np.log10(counts))
    mean = np.sum(expected[:-1] * widths) / np.log10(n) if n > 1 else expected[0]
    assert curve.area(n) == pytest.approx(mean, abs=1e-12)
    for target in (0.2, 0.9, 1.0):
        late = [c for c, ratio in zip(counts, expected, strict=True) if ratio >= target - 1e-12]
        assert curve.first_reaching([target])[0] == min(late, default=np.inf)


def test_steps_hold_until_the_next_one():
    assert STEPS.after([1, 2, 3, 4, 5, 9, 10, 10**6]).tolist() == [
        0.0,
        0.0,
        0.5,
        0.5,
        0.9,
        0.9,
        0.95,
        0.95,
    ]
    assert STEPS.after(4).shape == ()


def test_targets_are_reached_once():
    assert STEPS.first_reaching([0.2, 0.5, 0.9, 0.94, 0.99]).tolist() == [3, 3, 5, 10, np.inf]


def test_area_by_hand():
    # From 10 to 100, on half of the logarithmic axis, the ratio is 0.95.
    before = 0.5 * np.log10(5 / 3) + 0.9 * np.log10(10 / 5)
    assert STEPS.area(100) == pytest.approx((before + 0.95) / 2)
    assert AnyTimeCurve(np.array([1]), np.array([0.7])).area(1000) == pytest.approx(0.7)
    assert AnyTimeCurve(np.array([1]), np.array([0.7])).area(1) == 0.7
    nothing = AnyTimeCurve(np.zeros(0, dtype=np.int64), np.zeros(0))
    assert nothing.area(100) == 0.0
    assert nothing.first_reaching([0.9]).tolist() == [np.inf]


@pytest.mark.parametrize("count", [0, -3])
def test_counts_begin_at_one(count):
    with pytest.raises(ValueError, match=f"at least 1, got {count}"):
        STEPS.after([5, count])


def test_runtime_targets_are_gaps_from_a_fifth_to_a_thousandth():
    gaps = 1 - np.array(RUNTIME_TARGETS)
    assert (len(gaps), gaps[0], gaps[-1]) == (30, pytest.approx(10**-0.1), pytest.approx(1e-3))
    assert np.diff(np.log10(gaps)) == pytest.approx(-0.1)


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.sampled_from([1, 5, 12, 400]),
    st.integers(2, 4),
)
def test_distances_by_their_definitions(seed, n, m, n_obj):
    rng = np.random.default_rng(seed)
    archive, front = (
        rng.normal(size=(n, n_obj)),
        rng.normal(size=(m, n_obj)) * [1, 5, 10, 50][:n_obj],
    )
    low, high = front.min(axis=0), front.max(axis=0)
    span = np.where(high > low, high - low, np.abs(low))
    a, r = (archive - low) / span, (front - low) / span
    plus = [min(np.sqrt((np.maximum(x - z, 0) ** 2).sum()) for x in a) for z in r]
    epsilon = max(min((x - z).max() for x in a) for z in r)
    assert distances([archive], reference(front))[0] == pytest.approx((np.mean(plus), epsilon))


def test_distances_of_the_front_and_of_nothing():
    front = reference([[0, 4], [1, 2], [3, 0]])
    nothing = np.zeros((0, 2))
    assert distances([front.F, nothing], front) == [(0.0, 0.0), (np.inf, np.inf)]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 4))
def test_hypervolume_is_that_of_pymoo(seed, n, n_obj):
    # Coarse values give ties and repetitions, dominated points and some outside the box.
    F = np.random.default_rng(seed).integers(0, 6, (n, n_obj)) / 2.5
    front = reference(2 * (1.0 - np.eye(n_obj)))
    expected = HV(ref_point=np.full(n_obj, 1.1))(F / 2)
    assert front.hypervolume_of(F) == pytest.approx(expected, abs=1e-12)


def test_hypervolume_for_another_reference_point():
    front = reference([[0, 100], [10, 0]])
    # Normalised (0, 1) and (1, 0) with the corner (2, 2).
    assert front.hypervolume_of(front.F, 1.0) == pytest.approx(3.0)
    assert front.hypervolume_of(np.array([[15.0, 150.0]]), 1.0) == pytest.approx(0.25)
    assert front.hypervolume_of(np.zeros((0, 2)), 1.0) == 0.0
    assert front.hypervolume_of(front.F, 0.1) == pytest.approx(front.hypervolume)
