from __future__ import annotations

import gc
import random
import threading
import time

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecEnv
from toy_task import ToyTask

from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.wrapped import plain_ppo
from mcu_nas_moo.optimisers.wrapped.plain_ppo import (
    AskingEnvironments,
    PlainPPO,
    PlainPPOSettings,
    reward_of_told,
    roles,
)
from mcu_nas_moo.problem.adapters.gymnasium_env import SubnetEnv


def setting(task, exact, budget=96, seed=0, **hyperparameters):
    return Setting(task, exact.ideal, exact.nadir, budget, seed, hyperparameters)


def advance(optimiser, task):
    X = optimiser.ask()
    optimiser.tell(X, *task.evaluate(X))
    return X


def test_targets_share_the_budget(task, exact):
    optimiser = PlainPPO(setting(task, exact, 100, evaluations_per_target=30))
    low, high = exact.ideal[1], exact.nadir[1]
    expected = [high, low + (high - low) * 2 / 3, low + (high - low) / 3]
    assert optimiser.targets == pytest.approx(expected)
    sizes = []
    while sum(sizes) < 100:
        sizes.append(len(advance(optimiser, task)))
    # 34 evaluations for each target: four steps of 8, and 2 that end the share.
    assert sizes == [8, 8, 8, 8, 2] * 2 + [8, 8, 8, 8]


def test_it_learns_what_the_target_wants(task, exact):
    optimiser = PlainPPO(
        setting(task, exact, 1200, evaluations_per_target=1200, learning_rate=0.01)
    )
    reward = reward_of_told(optimiser._setting, PlainPPOSettings(), optimiser.targets[0])
    rewards = np.concatenate([reward(*task.evaluate(advance(optimiser, task))) for _ in range(149)])
    assert np.median(rewards[-200:]) > np.quantile(rewards[:200], 0.9)


@pytest.mark.parametrize("kind", ["penalty", "mnasnet"])
def test_rewards_are_those_of_the_environment(kind, exact, rng):
    target = 20.0
    task = ToyTask()
    X = task.space.sample(40, rng)
    told = reward_of_told(setting(task, exact), PlainPPOSettings(reward=kind, penalty=0.7), target)(
        *task.evaluate(X)
    )
    if kind == "mnasnet":
        env = SubnetEnv(task=task, reward="mnasnet", target_ms=target, penalty=0.7)
    else:
        limited = ToyTask(limits={"latency_ms": target})
        env = SubnetEnv(task=limited, weights=[1.0, 0.0], penalty=0.7)
        # The environment scales by random networks, the baseline by the reference front.
        env._reward = plain_ppo.PenaltyReward(exact.ideal, exact.nadir - exact.ideal, 0.7)
    env.reset(seed=0)
    assert told == pytest.approx([env.step(x)[1] for x in X])


def test_other_objectives_get_their_own_sweep(exact):
    assert roles(["error"]) == (0, None)
    assert roles(["latency"]) == (0, None)
    assert roles(["error", "latency", "sram", "flash"]) == (0, 1)
    assert roles(["latency", "error"]) == (1, 0)
    assert roles(["latency", "sram"]) == (1, 0)
    assert roles(["error", "energy", "macs"]) == (0, 1)
    assert roles(["energy", "error"]) == (1, 0)
    task = ToyTask(("energy", "error"))
    wide = Setting(task, np.zeros(2), np.array([10.0, 1.0]), 50, 0)
    X = task.space.everything()[[0, 777, 4095]]
    F, G = task.evaluate(X)
    over = np.maximum(F[:, 0] / 4.0 - 1, 0) + np.maximum(G, 0).sum(axis=1)
    assert reward_of_told(wide, PlainPPOSettings(penalty=2.0), 4.0)(F, G) == pytest.approx(
        -F[:, 1] - 2.0 * over
    )
    # A single objective has nothing to trade: one search, whose limits are those of the task.
    alone = PlainPPO(Setting(ToyTask(("error",)), np.zeros(1), np.ones(1), 600, 0))
    assert alone.targets == [None]
    assert len(alone.ask()) == 8
    with pytest.raises(ValueError, match="needs the objectives error and latency"):
        PlainPPO(Setting(task, wide.ideal, wide.nadir, 50, 0, {"reward": "mnasnet"}))


def test_global_generators_stay_as_they_were(task, exact):
    def draw():
        return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002

    def seed():
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)

    seed()
    expected = [draw() for _ in range(12)]
    seed()
    optimiser = PlainPPO(setting(task, exact, seed=3))
    drawn, first = [draw()], []
    for _ in range(11):
        first.append(advance(optimiser, task))
        drawn.append(draw())
    assert drawn == expected
    # Nor do the others disturb it: the same without draws in between, beside a second one.
    one, two = (PlainPPO(setting(ToyTask(), exact, seed=s)) for s in (3, 4))
    second = []
    for _ in range(11):
        second.append(advance(one, ToyTask()))
        advance(two, ToyTask())
    assert np.array_equal(np.concatenate(first), np.concatenate(second))


def threads():
    return {thread for thread in threading.enumerate() if thread.daemon}


def wait_for(condition):
    for _ in range(2000):
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_threads_end_with_the_budget_and_with_the_optimiser(task, exact):
    before = threads()
    run_optimiser("ppo-plain", task, exact, 50, seed=0)
    assert wait_for(lambda: not threads() - before)
    optimiser = PlainPPO(setting(task, exact))
    advance(optimiser, task)
    assert len(threads() - before) == 1
    del optimiser
    gc.collect()
    assert wait_for(lambda: not threads() - before)


def test_a_failure_in_learning_reaches_the_caller(monkeypatch, task, exact):
    optimiser = PlainPPO(setting(task, exact, n_steps=1, n_envs=64))
    X = optimiser.ask()

    def broken(self):
        raise ZeroDivisionError("while learning")

    monkeypatch.setattr(plain_ppo.PPO, "train", broken)
    with pytest.raises(ZeroDivisionError, match="while learning"):
        optimiser.tell(X, *task.evaluate(X))


def test_the_last_target_goes_on_where_more_is_asked_than_the_budget(task, exact):
    optimiser = PlainPPO(setting(task, exact, 20, n_envs=4, n_steps=2, batch_size=8))
    assert sum(len(advance(optimiser, task)) for _ in range(12)) == 48
    with pytest.raises(RuntimeError, match="ask"):
        PlainPPO(setting(task, exact)).tell(np.zeros((1, 6)), np.zeros((1, 2)), np.zeros((1, 3)))


def test_environments_hand_their_actions_over(rng):
    asked = []

    def evaluate(X):
        asked.append(X)
        return np.arange(3, dtype=np.float32)

    environments = AskingEnvironments(np.array([2, 5]), np.array([1.0, 0.0]), 3, evaluate)
    assert isinstance(environments, VecEnv)
    assert environments.reset().tolist() == [[1.0, 0.0]] * 3
    actions = np.array([[0, 1], [1, 4], [1, 0]])
    observations, rewards, dones, infos = environments.step(actions)
    assert asked[0].tolist() == actions.tolist()
    assert observations.shape == (3, 2)
    assert rewards.tolist() == [0, 1, 2]
    assert dones.all()
    assert [info["episode"]["r"] for info in infos] == [0, 1, 2]


def test_bad_settings():
    for wrong, match in (
        ({"n_steps": 0}, "n_steps must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"ent_coef": -1.0}, "ent_coef must not be negative"),
        ({"batch_size": 48}, "batch_size must divide n_envs"),
        ({"reward": "mnas"}, "unknown reward"),
        ({"penalty": -1.0}, "penalty must be"),
        ({"exponent_above": 0.5}, "exponents must be"),
    ):
        with pytest.raises(ValueError, match=match):
            PlainPPOSettings(**wrong)
