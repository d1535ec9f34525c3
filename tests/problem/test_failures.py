"""Failed evaluations: what optimisers, adapters and runs are told of them."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

from mcu_nas_moo import McuNasObjective, McuNasProblem, SubnetEnv
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.failures import FiniteValues
from mcu_nas_moo.testing import ToySpace, ToyTask, toy_figures

NAN = np.nan
LIMITS = {"latency_ms": 20.0}


def lost(X):
    """Networks that fail: a third of them."""
    return X[:, 0] + X[:, 1] == 3


def figures(space, X):
    X = space.canonical(X)
    told = {name: np.where(lost(X), NAN, v) for name, v in toy_figures(space, X).items()}
    return told | {"reason": np.where(lost(X), "no memory", "").tolist()}


@pytest.fixture(params=[LIMITS, {}], ids=["limits", "free"])
def task(request):
    return ToyTask(limits=request.param, space=ToySpace(3), figures=figures)


def test_a_failed_network_is_as_bad_as_the_worst_and_beyond_the_limits():
    finite = FiniteValues(np.array([0.0, 0.0]), np.array([1.0, 10.0]))
    F = np.array([[0.5, 20.0], [NAN, NAN], [0.7, 3.0]])
    G = np.array([[-0.5], [NAN], [2.5]])
    told_F, told_G = finite(F, G)
    assert told_F.tolist() == [[0.5, 20.0], [1.0, 20.0], [0.7, 3.0]]
    assert told_G.tolist() == [[-0.5], [2.5], [2.5]]
    assert np.isnan(F[1]).all()  # what is kept stays as it was
    # What was seen once is remembered.
    assert finite(F[1:2], G[1:2])[0].tolist() == [[1.0, 20.0]]
    assert finite(F[1:2], G[1:2])[1].tolist() == [[2.5]]


def test_without_limits_it_is_worse_than_the_worst_by_the_range():
    finite = FiniteValues(np.array([0.0, 5.0]), np.array([1.0, 10.0]))
    F, G = finite(np.array([[NAN, NAN], [0.2, 7.0]]), np.zeros((2, 0)))
    assert F.tolist() == [[2.0, 15.0], [0.2, 7.0]]
    assert G.shape == (2, 0)


def test_a_first_batch_that_fails_as_a_whole_violates_by_1():
    finite = FiniteValues(np.array([0.0]), np.array([1.0]))
    F, G = finite(np.full((2, 1), NAN), np.full((2, 1), NAN))
    assert F.tolist() == [[1.0], [1.0]]
    assert G.tolist() == [[1.0], [1.0]]


def test_what_did_not_fail_passes_untouched():
    F, G = np.array([[0.5]]), np.array([[-1.0]])
    told = FiniteValues(np.array([0.0]), np.array([1.0]))(F, G)
    assert told[0] is F
    assert told[1] is G


def test_failures_are_never_feasible():
    G, F = np.array([[-1.0], [NAN], [1.0]]), np.array([[1.0], [NAN], [1.0]])
    assert feasible(G, F).tolist() == [True, False, False]
    assert feasible(np.zeros((3, 0)), F).tolist() == [True, False, True]


def test_a_task_tells_nan_and_why(task):
    X = task.everything()
    F, G = task.evaluate(X)
    gone = lost(X)
    assert 0.2 < gone.mean() < 0.4
    assert np.isnan(F[gone]).all()
    assert np.isnan(G[gone]).all()
    assert np.isfinite(F[~gone]).all()
    assert {task.reason(x) for x in X[gone]} == {"no memory"}
    assert {task.reason(x) for x in X[~gone]} == {None}
    front, _ = task.front()
    assert len(front) > 0
    assert not lost(front).any()


def test_optuna_sees_a_failed_trial_with_its_reason(task):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objective = McuNasObjective(task=task)
    study = optuna.create_study(
        directions=objective.directions, sampler=optuna.samplers.BruteForceSampler(seed=0)
    )
    study.optimize(objective)
    assert len(study.trials) == 64
    for trial in study.trials:
        gone = lost(task.space.canonical(objective.genotype(trial)))[0]
        assert (trial.state is optuna.trial.TrialState.FAIL) == gone
        assert ("no memory" in str(trial.user_attrs)) == gone
    found = {tuple(task.space.canonical(objective.genotype(t))[0]) for t in study.best_trials}
    assert found == {tuple(x) for x in task.front()[0].tolist()}


def test_pymoo_sees_finite_values_and_finds_the_front(task):
    problem = McuNasProblem(task=task)
    out = problem.evaluate(task.everything(), return_values_of=["F", "G"])
    assert all(np.isfinite(part).all() for part in out)
    algorithm = NSGA2(pop_size=30, **problem.operators())
    result = minimize(problem, algorithm, ("n_gen", 12), seed=1)
    found = {tuple(x) for x in task.space.canonical(result.X).tolist()}
    assert found == {tuple(x) for x in task.front()[0].tolist()}


def test_gymnasium_gives_a_penalty_and_the_reason(task):
    env = SubnetEnv(task=task, weights=[1.0, 0.0])
    env.reset(seed=0)
    good = [env.step(x)[1] for x in task.everything() if not lost(x[None])[0]]
    env.reset()
    _, reward, terminated, _, info = env.step(np.array([1, 2, 0]))
    assert terminated
    assert np.isfinite(reward)
    assert reward < np.median(good)
    assert info["feasible"] is False
    assert "no memory" in str(info)
