"""Optuna's public tests of samplers; run them in the root of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
import optunahub
import pytest
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PPOSampler = optunahub.load_local_module(
    package="samplers/ppo", registry_root="package/"
).PPOSampler


class TestPPOSampler(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """One and more objectives, every kind of parameter."""

    @pytest.fixture
    def sampler(self) -> Callable[[], optuna.samplers.BaseSampler]:
        """A new sampler."""
        return PPOSampler


def test_meets_constraints() -> None:
    """Feasible points are rare at first, and found."""

    def objective(trial: optuna.Trial) -> float:
        x = [trial.suggest_int(f"x{i}", 0, 5) for i in range(8)]
        trial.set_constraint("sum", sum(x) - 10)
        return x[0] - x[1]

    study = optuna.create_study(sampler=PPOSampler(seed=0))
    study.optimize(objective, n_trials=200)
    feasible = [trial.constraints["sum"] <= 0 for trial in study.trials]
    assert sum(feasible[-100:]) > 4 * sum(feasible[:40])
