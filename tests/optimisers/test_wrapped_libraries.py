"""What the wrappers of pymoo and Optuna add to the libraries."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import optuna
import pytest
from toy_task import ToyTask

from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.common.genotypes import mutate
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.wrapped.many_objective import _uncompiled_agemoea, ctaea, rvea
from mcu_nas_moo.optimisers.wrapped.optuna_nsga import OptionMutation


def setting(task, exact, budget=100):
    return Setting(task, exact.ideal, exact.nadir, budget, 0)


@pytest.mark.parametrize("old", [0, 2, 4])
def test_mutation_for_optuna_has_the_shares_of_ours(old):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        mutation = OptionMutation()
    rng, bounds = np.random.RandomState(0), np.array([-0.5, 4.5])
    theirs = [mutation.mutation(float(old), rng, None, bounds) for _ in range(8000)]
    X = np.full((8000, 1), old)
    ours = mutate(X, np.array([5]), np.random.default_rng(0), 1.0)[:, 0]
    shares = [np.bincount(np.array(x, dtype=int), minlength=5) / 8000 for x in (theirs, ours)]
    assert shares[0] == pytest.approx(shares[1], abs=0.03)
    assert shares[0][old] == 0
    assert mutation.mutation(0.0, rng, None, np.array([-0.5, 0.5])) == 0.0


def test_age_moea_needs_no_numba_and_leaves_none_behind():
    before = sys.modules.get("numba")
    module = _uncompiled_agemoea()
    assert sys.modules.get("numba") is before
    # Distance of points to the diagonal, squared: by hand.
    distances = module.point_2_line_distance(
        np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 2.0]]), np.zeros(2), np.ones(2)
    )
    assert distances == pytest.approx([0.0, 0.5, 2.0])


@pytest.mark.parametrize("build", [ctaea, rvea])
def test_algorithms_that_compare_angles_are_told_shares_of_the_range(build, exact):
    task = ToyTask()
    optimiser = build(setting(task, exact))
    X = optimiser.ask()
    F, G = task.evaluate(X)
    optimiser.tell(X, F, G)
    span = exact.nadir - exact.ideal
    told = optimiser._asked.get("F") * span + exact.ideal
    assert told == pytest.approx(F)
    assert not np.allclose(optimiser._asked.get("F"), F)


def test_rvea_plans_for_the_budget(exact):
    optimiser = rvea(setting(ToyTask(), exact, budget=200))
    size = optimiser._algorithm.pop_size
    assert optimiser._algorithm.termination.n_max_gen == -(-(200 - size) // size)


@pytest.mark.parametrize("name", ["optuna-nsga2", "optuna-nsga3"])
def test_optuna_proposes_no_network_twice(name, exact):
    task = ToyTask()
    X = run_optimiser(name, task, exact, 300, seed=0).X
    assert len(np.unique(task.space.canonical(X), axis=0)) == 300
