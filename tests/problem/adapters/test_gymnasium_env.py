import warnings

import gymnasium as gym
import numpy as np
import pytest
from enumerable_task import ToyTask
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as sb3_check

from mcu_nas_moo.problem.adapters.gymnasium_env import SubnetEnv


@pytest.fixture
def task():
    return ToyTask()


@pytest.fixture
def env(task):
    return SubnetEnv(task=task)


def test_checkers_find_nothing(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sb3_check(env)
        # Gymnasium would like a registered name and an unwrapped environment, ours has no name.
        warnings.filterwarnings("ignore", message=".*not inherit|.*spec.*|.*unwrapped.*")
        gymnasium_check(env, skip_render_check=True)


def test_reward_by_hand(task):
    env = SubnetEnv(task=task, weights=[3.0, 1.0], penalty=2.0)
    observation, _ = env.reset()
    np.testing.assert_array_equal(observation, np.array([0.75, 0.25], dtype=np.float32))
    everything = task.evaluate(task.all_genotypes()).F
    low, high = everything.min(axis=0), everything.max(axis=0)

    X = np.array([1, 1, 1, 2, 3])
    _, reward, terminated, truncated, info = env.step(X)
    F, G = task.evaluate(X[None])
    # 1,000 random networks cover all 96, so the scale is that of the enumeration.
    cost = 0.75 * (F[0, 0] - low[0]) / (high - low)[0] + 0.25 * (F[0, 1] - low[1]) / (high - low)[1]
    over = sum(max(g, 0.0) for g in G[0])
    assert over > 0
    assert reward == pytest.approx(-cost - 2.0 * over)
    assert (terminated, truncated, info["feasible"]) == (True, False, False)
    assert info["latency_ms"] == F[0, 1]
    assert info["subnet"] == {"depth": 2, "kernel1": 5, "kernel2": 5, "width": 16, "head": 192}


def test_seed_fixes_the_preferences(env, task):
    def preferences(e):
        return [e.reset(seed=4)[0], e.reset()[0], e.reset()[0]]

    first, second = preferences(env), preferences(SubnetEnv(task=task))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_allclose(np.sum(first, axis=1), 1, rtol=1e-6)


def test_sb3_learns_on_it(task):
    env = SubnetEnv(task=task, weights=[1.0, 0.0])
    model = PPO("MlpPolicy", env, n_steps=64, learning_rate=0.01, seed=0, device="cpu")
    env.reset()
    everything = [env.step(x)[1] for x in task.all_genotypes()]
    model.learn(1500)
    action, _ = model.predict(env.reset()[0], deterministic=True)
    assert env.step(action)[1] >= np.quantile(everything, 0.9)


def test_bad_input(env, task):
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros(5, dtype=np.int64))
    env.reset()
    with pytest.raises(ValueError, match="outside"):
        env.step(np.full(5, 7))
    with pytest.raises(ValueError, match="penalty"):
        SubnetEnv(task=task, penalty=-1)
    for weights in ([1.0], [1.0, -1.0], [0.0, 0.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="weights"):
            SubnetEnv(task=task, weights=weights)


OPTIONS = {
    "penalty": {},
    "fixed weights": {"weights": [1.0, 0.0], "penalty": 3.0},
    "mnasnet": {"reward": "mnasnet"},
    "mnasnet, hard": {"reward": "mnasnet", "exponents": (0.0, -1.0), "target_ms": 20.0},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_checkers_find_nothing_with_any_option(task, options):
    env = SubnetEnv(task=task, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sb3_check(env)
        warnings.filterwarnings("ignore", message=".*not inherit|.*spec.*|.*unwrapped.*")
        gymnasium_check(env, skip_render_check=True)


def test_checkers_find_nothing_in_the_registered_environment():
    env = gym.make("mcu_nas_moo/Subnet-v0", profile="cortex-m4", reward="mnasnet")
    assert env.unwrapped.task.profile.name == "cortex-m4"
    gymnasium_check(env.unwrapped, skip_render_check=True)
    sb3_check(env.unwrapped)


@pytest.mark.parametrize(
    ("x", "exponents", "target", "by_hand"),
    [
        # depth 1, width 8, head 64: error 1/2, 5 ms, all else within its limits
        ([0, 0, 0, 0, 0], None, None, 0.5 * (5 / 30) ** -0.07),
        ([0, 0, 0, 0, 0], (0.0, -1.0), None, 0.5),
        ([0, 0, 0, 0, 0], (0.0, -1.0), 4.0, 0.5 * (5 / 4) ** -1),
        ([0, 0, 0, 0, 0], (-0.5, -1.0), 5.0, 0.5),  # at the target
        # depth 2 and the widest: error 1/7.9, 31.1 ms; 1,060 KiB of 900, 42 of 40
        (
            [1, 1, 1, 2, 3],
            (0.0, -1.0),
            None,
            (1 - 1 / 7.9) * 30 / 31.1 - 2 * (1060 / 900 - 1 + 42 / 40 - 1),
        ),
    ],
)
def test_mnasnet_reward_by_hand(task, x, exponents, target, by_hand):
    env = SubnetEnv(task=task, reward="mnasnet", penalty=2.0, exponents=exponents, target_ms=target)
    observation, _ = env.reset(seed=0)
    assert observation.tolist() == [0.5, 0.5]
    _, reward, terminated, _, info = env.step(np.array(x))
    assert terminated
    assert reward == pytest.approx(by_hand)
    assert info["feasible"] == (x == [0, 0, 0, 0, 0])


def test_options_of_rewards_that_do_not_fit(task):
    for options, match in (
        ({"reward": "mnasnt"}, "unknown reward 'mnasnt'; did you mean 'mnasnet'"),
        ({"reward": "mnasnet", "weights": [1, 0]}, "no weights"),
        ({"reward": "mnasnet", "target_ms": 0.0}, "target_ms"),
        ({"reward": "mnasnet", "exponents": (0.1, -1.0)}, "exponents"),
        ({"reward": "mnasnet", "exponents": (-1.0,)}, "exponents"),
        ({"reward": "mnasnet", "penalty": np.nan}, "penalty"),
        ({"target_ms": 20.0}, "limits"),
        ({"exponents": (0.0, -1.0)}, "belong to reward='mnasnet'"),
    ):
        with pytest.raises(ValueError, match=match):
            SubnetEnv(task=task, **options)
