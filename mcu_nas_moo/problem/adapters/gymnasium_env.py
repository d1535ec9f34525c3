"""The search problem for Gymnasium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.problem.rewards import REWARDS, SOFT_EXPONENTS, MnasnetReward, PenaltyReward
from mcu_nas_moo.problem.task import Task, task_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces import SearchSpace

Observation = npt.NDArray[np.float32]
Action = npt.NDArray[np.int64]

#: Random networks that set the range of the objectives, always the same ones.
SCALE_SAMPLE = 1000


class SubnetEnv(gym.Env[Observation, Action]):
    """Networks for a microcontroller as an environment: an episode chooses one network, at once.

    - **Action**: a genotype; ``MultiDiscrete(n_choices)``.
    - **Observation**: the preference, weights of the objectives, which are non-negative and sum to
      1. It is drawn uniformly from them at each reset, unless ``weights`` fix it.
    - **Reward** ``penalty``: minus the weighted sum of the objectives, each scaled by the range it
      has over random networks, minus ``penalty`` times the sum of the constraint violations
      (``value / limit - 1`` where positive). Neither part has a unit.
    - **Reward** ``mnasnet``: ``accuracy * (latency / target)^w`` (Tan et al. 2019, arXiv
      1807.11626), minus ``penalty`` times the violations of Flash and SRAM, of which the paper
      knows nothing; the latency may exceed its limit for the price that ``w`` sets. There is no
      preference then: the observation is constant, with all weights equal.
    - A network that could not be evaluated has the worst reward so far, at most -1 minus
      ``penalty``, and ``info`` holds the ``reason``.
    - **Episode**: one step. ``info`` holds every metric of :meth:`Task.metrics`, ``feasible``, and
      the readable ``subnet``.

    To search under one latency target by ``penalty``, give ``weights`` that count the error alone
    and ``limits={"latency_ms": target}``. Importing this module also registers the environment:
    ``gymnasium.make("mcu_nas_moo/Subnet-v0", profile="cortex-m4")``.

    Args:
        profile, space, objectives, limits: as :class:`Task` takes them, with its defaults.
        task: a ready task instead.
        weights: fixed preference, one number per objective; any scale, they are divided by
            their sum. Only with the reward ``penalty``.
        penalty: weight of the constraint violations.
        reward: ``penalty`` or ``mnasnet``.
        target_ms: latency target of ``mnasnet``; the latency limit by default.
        exponents: ``w`` of ``mnasnet`` for latencies up to the target and above it. The default
            is the paper's soft limit; its hard one is ``(0, -1)``.

    Raises:
        InputError: for unknown names or values, for both a task and settings, for weights or a
            penalty that are negative, or for an option of the other kind of reward.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as gymnasium declares it

    def __init__(
        self,
        profile: str | Path | Profile | None = None,
        space: str | SearchSpace | None = None,
        objectives: Sequence[str] | None = None,
        *,
        limits: Mapping[str, float] | None = None,
        task: Task | None = None,
        weights: Sequence[float] | None = None,
        penalty: float = 1.0,
        reward: str = "penalty",
        target_ms: float | None = None,
        exponents: tuple[float, float] | None = None,
    ) -> None:
        self.task = task_of(task, profile, space, objectives, limits)
        if reward not in REWARDS:
            raise unknown_name("reward", reward, REWARDS)
        n_obj = self.task.n_obj
        self._reward: PenaltyReward | MnasnetReward
        self._fixed: FloatArray | None
        if reward == "mnasnet":
            if weights is not None:
                raise InputError("the reward mnasnet has no weights; leave them out")
            target = self.task.limits["latency_ms"] if target_ms is None else target_ms
            self._reward = MnasnetReward(target, exponents or SOFT_EXPONENTS, penalty)
            self._fixed = np.full(n_obj, 1 / n_obj)
        else:
            if target_ms is not None or exponents is not None:
                raise InputError(
                    "target_ms and exponents belong to reward='mnasnet'; the reward penalty takes "
                    "limits={'latency_ms': ...}"
                )
            sample = self.task.space.sample(SCALE_SAMPLE, np.random.default_rng(0))
            F = self.task.evaluate(sample).F
            F = F[np.isfinite(F).all(axis=1)]
            if not len(F):
                raise InputError(
                    "none of the random networks that set the scale could be evaluated"
                )
            span = np.maximum(np.ptp(F, axis=0), 1e-12)
            self._reward = PenaltyReward(F.min(axis=0), span, penalty)
            self._fixed = None if weights is None else _preference(weights, n_obj)
        self._weights: FloatArray | None = None
        self._worst = -1.0 - penalty
        self.observation_space = gym.spaces.Box(0.0, 1.0, (n_obj,), np.float32)
        self.action_space = gym.spaces.MultiDiscrete(self.task.n_choices)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self._weights = (
            self.np_random.dirichlet(np.ones(self.task.n_obj))
            if self._fixed is None
            else self._fixed
        )
        return self._weights.astype(np.float32), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Evaluate the network ``action`` ``(n_genes,)`` and end the episode.

        Raises:
            gymnasium.error.ResetNeeded: before the first :meth:`reset`.
            InputError: if the action is no genotype of the space.
        """
        if self._weights is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        X = np.asarray(action)[None]
        metrics = self.task.metrics(X)
        F, G = self.task.score(metrics)
        info: dict[str, Any]
        reason = self.task.reason(X[0])
        if reason is not None:
            info = {"feasible": False, "reason": reason}
            return self._weights.astype(np.float32), self._worst, True, False, info
        if isinstance(self._reward, PenaltyReward):
            reward = self._reward(F, G, self._weights)
        else:
            others = [name != "latency" for name in self.task.constraint_names]
            reward = self._reward(1 - metrics["error"], metrics["latency_ms"], G[:, others])
        self._worst = min(self._worst, float(reward[0]))
        info = {name: float(values[0]) for name, values in metrics.items()}
        info["feasible"] = bool((G[0] <= 0).all())
        info["subnet"] = dict(self.task.space.decode(X)[0].values)
        return self._weights.astype(np.float32), float(reward[0]), True, False, info


def _preference(weights: Sequence[float], n_obj: int) -> npt.NDArray[np.float64]:
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (n_obj,) or not (values >= 0).all() or not 0 < values.sum() < np.inf:
        raise InputError(
            f"weights must be {n_obj} non-negative numbers, one per objective and not all 0, "
            f"got {weights}"
        )
    preference: npt.NDArray[np.float64] = values / values.sum()
    return preference


gym.register(
    "mcu_nas_moo/Subnet-v0", entry_point="mcu_nas_moo.problem.adapters.gymnasium_env:SubnetEnv"
)
