"""The figures of the comparison against ones computed by hand."""

import numpy as np
import pytest

from mcu_nas_moo import Task
from mcu_nas_moo.problem.evaluators.cost_errors import (
    Distance,
    Feasibility,
    compare_with_analytic,
    exceeds_by_analytic_model,
)
from mcu_nas_moo.problem.evaluators.cost_labels import analytic_costs


def test_distance_by_hand():
    true = np.array([1.0, 2.0, 4.0, 10.0])
    found = Distance.of("latency_ms", np.array([1.1, 1.8, 5.0, 9.0]), true)
    assert found.mape == pytest.approx((10 + 10 + 25 + 10) / 4)
    assert found.worst == pytest.approx(25)
    assert found.kendall_tau == pytest.approx(1)
    swapped = Distance.of("latency_ms", np.array([2.0, 1.0, 4.0, 10.0]), true)
    assert swapped.kendall_tau == pytest.approx((5 - 1) / 6)
    violation = Distance.of("constraint_violation", np.array([0.1, 0.5]), np.array([0.0, 0.7]))
    assert violation.mape == pytest.approx(15)


def test_feasibility_by_hand():
    accepted = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    feasible = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0], dtype=bool)
    found = Feasibility.of(accepted, feasible)
    assert found.feasible == 0.5
    assert found.wrongly_accepted == 1 / 4
    assert found.wrongly_rejected == 2 / 5
    nothing = Feasibility.of(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool))
    assert nothing.feasible == 0
    assert np.isnan(nothing.wrongly_accepted)
    assert np.isnan(nothing.wrongly_rejected)


class Exact:
    """Costs that are "learned" without an error, but for the latency, which is doubled."""

    metrics = ("latency_ms", "sram_kib")

    def __init__(self, profile):
        self.profile = profile

    def predict(self, space, X):
        costs = analytic_costs(space, self.profile, X)
        return {"latency_ms": 2 * costs["latency_ms"], "sram_kib": costs["sram_kib"]}


def test_comparison_leaves_out_what_was_fitted_on(stage_space, profile):
    costs = Exact(profile)
    whole = compare_with_analytic(costs, stage_space, profile, n=400, seed=3)
    assert whole.subnets == 400
    latency, sram = whole.distances
    assert (latency.metric, sram.metric) == ("latency_ms", "sram_kib")
    assert latency.mape == pytest.approx(100)
    assert latency.kendall_tau == pytest.approx(1)
    assert sram.worst == 0
    # Slower by mistake: nothing is accepted that should not be, some is rejected.
    assert whole.feasibility.wrongly_rejected > 0
    assert not whole.feasibility.wrongly_accepted > 0
    assert whole.learned_ms > 0
    assert whole.analytic_ms > 0
    X = stage_space.sample(400, np.random.default_rng([3, 30]))
    part = compare_with_analytic(costs, stage_space, profile, fitted_on=X[:150], n=400, seed=3)
    assert part.subnets == 250


def test_energy_alone_says_nothing_about_limits(stage_space, profile):
    class Energy:
        def predict(self, space, X):
            return {"energy_mj": analytic_costs(space, profile, X)["energy_mj"]}

    found = compare_with_analytic(Energy(), stage_space, profile, n=100)
    assert found.feasibility is None
    assert [distance.metric for distance in found.distances] == ["energy_mj"]


def test_what_exceeds_a_limit_is_what_the_task_says(stage_space, profile, rng):
    X = stage_space.sample(300, rng)
    exceeding = exceeds_by_analytic_model(stage_space, profile, X)
    np.testing.assert_array_equal(exceeding, (Task(profile=profile).evaluate(X).G > 0).any(axis=1))
    assert 0 < exceeding.sum() < 300
