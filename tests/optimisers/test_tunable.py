from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mcu_nas_moo.optimisers.entries import ENTRIES
from mcu_nas_moo.optimisers.register import (
    check_hyperparameters,
    default_hyperparameters,
    tunable,
)
from mcu_nas_moo.optimisers.tunable import Choice, Range

NAMES = [name for name, entry in ENTRIES.items() if entry.tunable]


@pytest.mark.parametrize("name", NAMES)
def test_every_tunable_is_a_hyperparameter_and_its_default_is_within(name):
    first, second = tunable(name)
    assert first
    assert second
    assert not set(first) & set(second)
    defaults = default_hyperparameters(name)
    assert set(first) | set(second) <= set(defaults)
    for key, entry in (first | second).items():
        distribution = entry.distribution()
        assert distribution._contains(distribution.to_internal_repr(defaults[key])), key


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_the_grid_is_accepted(name):
    for stage in tunable(name):
        for key, entry in stage.items():
            for value in entry.grid():
                check_hyperparameters(name, {key: value})


@pytest.mark.parametrize("name", NAMES)
def test_values_that_optuna_draws_are_accepted_together(name):
    import optuna

    entries = {k: e.distribution() for stage in tunable(name) for k, e in stage.items()}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        check_hyperparameters(name, study.ask(entries).params)


def test_grids_by_hand():
    assert Range(1, 100, log=True).grid() == [1, 10, 100]
    assert Range(0.0, 1.0).grid() == [0.0, 0.5, 1.0]
    assert np.allclose(Range(0.01, 1.0, log=True).grid(), [0.01, 0.1, 1.0])
    assert Range(1, 2).grid() == [1, 2]  # no value twice
    assert Choice(("a", "b")).grid() == ["a", "b"]


def test_distributions():
    assert Range(1, 9).distribution() == IntDistribution(1, 9)
    assert Range(0.1, 9.0, log=True).distribution() == FloatDistribution(0.1, 9.0, log=True)
    assert Choice((1, "x")).distribution() == CategoricalDistribution((1, "x"))


def test_what_cannot_be_tuned():
    with pytest.raises(ValueError, match="random has nothing to tune; choose one of ga, nsga2"):
        tunable("random")
    with pytest.raises(ValueError, match="unknown algorithm 'nsg2'; did you mean 'nsga2'"):
        tunable("nsg2")
