"""Reinforcement learning as it is usual: PPO on the environment, once per latency target.

The baseline ``ppo-plain``. Stable-Baselines3 learns by ``.learn()``; nothing is added to it, and
what was evaluated once may be evaluated again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.optimisers.wrapped.epsilon_constraint import bounds
from mcu_nas_moo.optimisers.wrapped.paused_thread import PausedThread
from mcu_nas_moo.problem.rewards import REWARDS, SOFT_EXPONENTS, MnasnetReward, PenaltyReward

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.optimiser import Setting

#: Most targets of a sweep.
MAX_TARGETS = 10


@dataclass(frozen=True)
class PlainPPOSettings:
    """Hyperparameters: the defaults of stable-baselines3, apart from the length of a rollout.

    SB3 collects 2,048 steps before it first learns, more than a run here may take in all. With
    episodes of one step a rollout can be as short as a minibatch: 8 steps in 8 environments.

    Attributes:
        n_envs: environments side by side, evaluated together.
        n_steps: steps per environment between two updates.
        batch_size: rows per gradient step; divides ``n_envs * n_steps``.
        n_epochs: passes over the rollout per update.
        learning_rate: of Adam.
        clip_range: of PPO's probability ratio.
        ent_coef: weight of the entropy bonus.
        vf_coef: weight of the critic's loss.
        evaluations_per_target: that a target gets at least, where the budget allows; up to
            :data:`MAX_TARGETS` targets share the budget.
        reward: ``penalty`` or ``mnasnet``, see ``rewards``.
        penalty: weight of the broken limits.
        exponent_below, exponent_above: of ``mnasnet``, for latencies up to the target and above.

    Raises:
        InputError: for a value outside its range.
    """

    n_envs: int = 8
    n_steps: int = 8
    batch_size: int = 64
    n_epochs: int = 10
    learning_rate: float = 3e-4
    clip_range: float = 0.2
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    evaluations_per_target: int = 500
    reward: str = "penalty"
    penalty: float = 1.0
    exponent_below: float = SOFT_EXPONENTS[0]
    exponent_above: float = SOFT_EXPONENTS[1]

    def __post_init__(self) -> None:
        least = {"n_envs": 1, "n_steps": 1, "batch_size": 2, "n_epochs": 1}
        for name, low in (least | {"evaluations_per_target": 1}).items():
            if getattr(self, name) < low:
                raise InputError(f"{name} must be at least {low}, got {getattr(self, name)}")
        for name in ("learning_rate", "clip_range"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("ent_coef", "vf_coef"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.n_envs * self.n_steps % self.batch_size:
            raise InputError(
                f"batch_size must divide n_envs * n_steps = {self.n_envs * self.n_steps}, "
                f"got {self.batch_size}"
            )
        if self.reward not in REWARDS:
            raise unknown_name("reward", self.reward, REWARDS)
        MnasnetReward(1.0, (self.exponent_below, self.exponent_above), self.penalty)  # checks


class PlainPPO:
    """SB3's PPO on networks for one target at a time, with equal shares of the budget.

    Each target gets a policy of its own, as in MnasNet's searches. Targets bound the latency, or
    the second objective if latency is none; they are evenly spaced on the range that the
    reference front has there, loosest first, as those of ``ga``. What is minimised under the
    target is the error, or the first of the other objectives. Everything else is as in
    ``SubnetEnv`` with ``limits={"latency_ms": target}`` and weights that
    count the error alone, except that the error is scaled by its range on the reference front.

    Raises:
        InputError: for hyperparameters outside their range, or the reward ``mnasnet`` without
            error and latency as objectives.
    """

    def __init__(self, setting: Setting) -> None:
        chosen: dict[str, Any] = dict(setting.hyperparameters)
        self._plain = PlainPPOSettings(**chosen)
        self._setting = setting
        objectives = setting.task.objectives
        self.minimised, self.swept = roles(objectives)
        if self._plain.reward == "mnasnet" and not {"error", "latency"} <= set(objectives):
            raise InputError("the reward mnasnet needs the objectives error and latency")
        self.targets = self._targets()
        self.settings = {**asdict(self._plain), "targets": self.targets}
        self._share = -(-setting.budget // len(self.targets))
        self._rng = np.random.default_rng([setting.seed, 2])
        self._number = -1
        self._left = 0
        self._learning: PausedThread | None = None
        self._proposal: Genotypes | None = None

    def ask(self) -> Genotypes:
        while self._left == 0 or self._proposal is None:
            self._start_target()
        return self._proposal[: self._left]

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        if self._learning is None or self._proposal is None:
            raise RuntimeError("ask() comes before tell()")
        self._left -= len(X)
        if len(X) < len(self._proposal):  # the share or the budget ends within a step
            self._learning.close()
            self._proposal = None
            return
        self._proposal = self._learning.resume(self._rewards(F, G).astype(np.float32))
        if self._left == 0:
            self._learning.close()

    def _targets(self) -> list[float | None]:
        setting = self._setting
        if self.swept is None:
            return [None]
        count = setting.budget // self._plain.evaluations_per_target
        ranges = np.array([self.minimised, self.swept])
        swept = bounds(
            setting.ideal[ranges], setting.nadir[ranges], int(np.clip(count, 1, MAX_TARGETS))
        )
        targets: list[float | None] = swept[:, 0].tolist()
        return targets

    def _start_target(self) -> None:
        """Begin to learn for the next target; the last one goes on if there is no more."""
        if self._learning is not None:
            self._learning.close()
        self._number += 1
        last = min(self._number, len(self.targets) - 1)
        self._left = self._share
        self._rewards = reward_of_told(self._setting, self._plain, self.targets[last])
        learn = _learning(
            self._setting,
            self._plain,
            self._share,
            seed=int(self._rng.integers(2**31)),
            name=f"target-{last}",
        )
        self._learning = PausedThread(learn)
        self._proposal = self._learning.start()


def roles(objectives: Iterable[str]) -> tuple[int, int | None]:
    """Columns of the objective that is minimised and of the one that the targets bound.

    The latter is latency, or the second objective, or None if there is only one objective.
    """
    names = list(objectives)
    if len(names) == 1:
        return 0, None
    swept = names.index("latency") if "latency" in names else 1
    others = [column for column in range(len(names)) if column != swept]
    minimised = names.index("error") if "error" in names else others[0]
    if minimised == swept:  # (energy, error): the error stays what is minimised
        swept = others[0]
    return minimised, swept


def reward_of_told(
    setting: Setting, plain: PlainPPOSettings, target: float | None
) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """What ``(F, G)`` are worth under ``target``: a function to rewards of shape ``(N,)``."""
    task = setting.task
    minimised, swept = roles(task.objectives)
    if plain.reward == "mnasnet" and target is not None and swept is not None:
        exponents = (plain.exponent_below, plain.exponent_above)
        mnasnet = MnasnetReward(target, exponents, plain.penalty)
        others = np.array([name != "latency" for name in task.constraint_names], dtype=np.bool_)
        return lambda F, G: mnasnet(1 - F[:, minimised], F[:, swept], G[:, others])
    weights = np.eye(task.n_obj)[minimised]
    span = np.where(setting.nadir > setting.ideal, setting.nadir - setting.ideal, 1.0)
    penalised = PenaltyReward(setting.ideal, span, plain.penalty)
    if target is None or swept is None:
        return lambda F, G: penalised(F, G, weights)
    # A target of the latency stands for its limit; one of another objective comes on top.
    names = task.constraint_names  # perhaps none
    kept = np.array([name != task.objectives[swept] for name in names], dtype=np.bool_)

    def reward(F: FloatArray, G: FloatArray) -> FloatArray:
        excess = F[:, [swept]] / target - 1
        return penalised(F, np.concatenate([G[:, kept], excess], axis=1), weights)

    return reward


class AskingEnvironments(VecEnv):
    """Environments whose actions somebody else evaluates; an episode is one step.

    Args:
        n_choices: options per gene, shape ``(n_genes,)``.
        preference: what every environment observes, shape ``(n_obj,)``.
        n_envs: how many there are.
        evaluate: rewards ``(n_envs,)`` of actions ``(n_envs, n_genes)``.
    """

    def __init__(
        self,
        n_choices: IntArray,
        preference: FloatArray,
        n_envs: int,
        evaluate: Callable[[Genotypes], FloatArray],
    ) -> None:
        observations = gym.spaces.Box(0.0, 1.0, preference.shape, np.float32)
        super().__init__(n_envs, observations, gym.spaces.MultiDiscrete(n_choices))
        self._observation = np.tile(preference.astype(np.float32), (n_envs, 1))
        self._evaluate = evaluate

    def reset(self) -> Any:
        return self._observation.copy()

    def step_async(self, actions: Genotypes) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        rewards = self._evaluate(np.asarray(self._actions, dtype=np.int64))
        done = np.ones(self.num_envs, dtype=bool)
        # SB3 makes the mean reward of its log from "episode".
        infos = [{"episode": {"r": float(reward), "l": 1}} for reward in rewards]
        return self._observation.copy(), rewards, done, infos

    def close(self) -> None:
        """Nothing is held."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name != "render_mode":
            raise AttributeError(attr_name)
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise AttributeError(attr_name)

    def env_method(self, method_name: str, *_: Any, **__: Any) -> list[Any]:
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def _learning(
    setting: Setting, plain: PlainPPOSettings, steps: int, *, seed: int, name: str
) -> Callable[[Callable[[Genotypes], FloatArray]], None]:
    """One call of ``.learn()``, as a function of what evaluates actions.

    A function and no method: the thread must not keep the optimiser alive.
    """
    n_choices, n_obj, logs = setting.task.n_choices, setting.task.n_obj, setting.tensorboard
    preference = np.eye(n_obj)[roles(setting.task.objectives)[0]]
    if plain.reward == "mnasnet":
        preference = np.full(n_obj, 1 / n_obj)

    def learn(evaluate: Callable[[Genotypes], FloatArray]) -> None:
        model = PPO(
            "MlpPolicy",
            AskingEnvironments(n_choices, preference, plain.n_envs, evaluate),
            learning_rate=plain.learning_rate,
            n_steps=plain.n_steps,
            batch_size=plain.batch_size,
            n_epochs=plain.n_epochs,
            clip_range=plain.clip_range,
            ent_coef=plain.ent_coef,
            vf_coef=plain.vf_coef,
            tensorboard_log=None if logs is None else str(logs),
            seed=seed,
            device="cpu",
        )
        if logs is None:  # else SB3 makes a folder among the temporary files
            model.set_logger(Logger(folder=None, output_formats=[]))
        model.learn(steps, tb_log_name=name)

    return learn
