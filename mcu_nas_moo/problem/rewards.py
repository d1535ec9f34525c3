"""Rewards of reinforcement learning: one number for what a network is worth on a device.

Used by the environment ``SubnetEnv`` and by the baseline ``ppo-plain``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray

#: The kinds of reward.
REWARDS = ("penalty", "mnasnet")
#: Exponents of the latency below and above its target: the soft limit of Tan et al. (2019, MnasNet,
#: arXiv 1807.11626). Their hard limit is (0, -1).
SOFT_EXPONENTS = (-0.07, -0.07)


def excess(G: FloatArray) -> FloatArray:
    """Sum of the constraint violations of ``G`` ``(N, n_con)``, shape ``(N,)``; 0 if feasible."""
    return np.asarray(np.maximum(G, 0.0).sum(axis=1))


@dataclass(frozen=True, eq=False)
class PenaltyReward:
    """Minus the weighted sum of the scaled objectives, minus a penalty for broken limits.

    Attributes:
        low, span: shape ``(n_obj,)``; an objective counts as ``(F - low) / span``.
        penalty: weight of the sum of the violations; not negative.

    Raises:
        InputError: if the penalty is negative or no number.
    """

    low: FloatArray
    span: FloatArray
    penalty: float = 1.0

    def __post_init__(self) -> None:
        check_penalty(self.penalty)

    def __call__(self, F: FloatArray, G: FloatArray, weights: FloatArray) -> FloatArray:
        """Reward of each of N networks, shape ``(N,)``.

        Args:
            F: objectives, shape ``(N, n_obj)``.
            G: constraints, ``value / limit - 1``, shape ``(N, n_con)``.
            weights: of the objectives, shape ``(n_obj,)`` or ``(N, n_obj)``.
        """
        cost = (weights * ((F - self.low) / self.span)).sum(axis=1)
        return np.asarray(-(cost + self.penalty * excess(G)))


@dataclass(frozen=True)
class MnasnetReward:
    """``accuracy * (latency / target)^w`` of Tan et al. (2019, arXiv 1807.11626).

    The paper limits the latency alone. A broken limit of another kind (Flash, SRAM) is not a
    matter of degree on a microcontroller, so these take ``penalty`` times their excess away.

    Attributes:
        target_ms: latency that is aimed at, positive.
        exponents: ``w`` where the latency is at most the target, and where it is above; neither
            is positive.
        penalty: weight of the sum of the other violations; not negative.

    Raises:
        InputError: for a value outside its range.
    """

    target_ms: float
    exponents: tuple[float, float] = SOFT_EXPONENTS
    penalty: float = 1.0

    def __post_init__(self) -> None:
        check_penalty(self.penalty)
        if not 0 < self.target_ms < np.inf:
            raise InputError(f"target_ms must be a positive latency, got {self.target_ms}")
        if len(self.exponents) != 2 or not all(-np.inf < w <= 0 for w in self.exponents):
            raise InputError(
                "exponents must be two numbers that are not positive, below and above the target, "
                f"got {self.exponents}"
            )

    def __call__(
        self, accuracy: FloatArray, latency_ms: FloatArray, other_limits: FloatArray
    ) -> FloatArray:
        """Reward of each of N networks, shape ``(N,)``.

        Args:
            accuracy: in [0, 1], shape ``(N,)``.
            latency_ms: shape ``(N,)``.
            other_limits: constraints apart from that of the latency, shape ``(N, n)``.
        """
        below, above = self.exponents
        exponent = np.where(latency_ms <= self.target_ms, below, above)
        reward: FloatArray = accuracy * (latency_ms / self.target_ms) ** exponent
        return reward - self.penalty * excess(other_limits)


def check_penalty(penalty: float) -> None:
    """Make sure that ``penalty`` can be a weight of violations.

    Raises:
        InputError: if it is negative or no number.
    """
    if not 0 <= penalty < np.inf:
        raise InputError(f"penalty must be finite and not negative, got {penalty}")
