"""What TensorBoard shows of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import moocore
import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray
    from mcu_nas_moo.optimisers.ppo.agent import Agent
    from mcu_nas_moo.optimisers.ppo.memory import Memory
    from mcu_nas_moo.optimisers.ppo.surrogate import Surrogate

#: Exact hypervolumes of more objectives take seconds.
MOST_OBJECTIVES = 5


class Progress:
    """Records figures at each update of the policy.

    SB3 adds those of its update (``train/``): losses, entropy, KL divergence, share of clipped
    ratios. Ours are under ``search/``; the hypervolume is left out beyond
    :data:`MOST_OBJECTIVES` objectives.

    Args:
        agent: writes the record.
        n_objectives: columns of the objectives.
    """

    def __init__(self, agent: Agent, n_objectives: int) -> None:
        self._agent = agent
        self._corner = np.full(n_objectives, np.nan)
        self._sampled: list[BoolArray] = []

    def proposed(self, sampled: BoolArray) -> None:
        """Take in which of the points that a search proposed were sampled by the policy."""
        self._sampled.append(sampled)

    def record(
        self, memory: Memory, rewards: FloatArray, surrogate: Surrogate | None, told: int
    ) -> None:
        """Write the figures after ``told`` evaluations."""
        rows, figures = memory.rows, {"search/elites": float(len(memory.elites.X))}
        feasible = np.asarray((rows.G <= 0).all(axis=1))
        figures["search/feasible_share"] = float(feasible.mean())
        if len(rewards):
            figures["search/reward"] = float(rewards.mean())
        figures["search/gradient_share_of_imitation"] = self._agent.imitation_share()
        if surrogate is not None:
            figures["search/surrogate_fit"] = float(surrogate.fit.min())
        if self._sampled:
            figures["search/policy_share_of_proposals"] = float(
                np.concatenate(self._sampled).mean()
            )
            self._sampled.clear()
        if feasible.any() and len(self._corner) <= MOST_OBJECTIVES:
            if np.isnan(self._corner).any():
                # Fixed from here on, so that the hypervolume never falls.
                self._corner = rows.F.max(axis=0)
            elites = memory.elites
            front = elites.F[(elites.G <= 0).all(axis=1)]
            figures["search/hypervolume"] = float(moocore.hypervolume(front, ref=self._corner))
        self._agent.record(figures, told)
