"""PPO optimisers that lack or exchange a technique which no setting turns off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.optimisers.ppo import PPOOptimiser
from mcu_nas_moo.optimisers.ppo.memory import Memory

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import Genotypes


class WithoutEarnings(PPOOptimiser):
    """PPO learns nothing from evaluated samples; with ``rollouts=0``, from no samples at all."""

    def _update(self) -> None:
        self._earned.clear()
        super()._update()


class WithoutProposedNeighbours(PPOOptimiser):
    """The surrogate judges neighbours of the elites; none is proposed without it."""

    def _explore(self, n: int, proposals: dict[bytes, Genotypes]) -> None:
        return


class WithoutNeighbours(WithoutProposedNeighbours):
    """Neighbours of the elites are neither judged nor proposed."""

    def _around(self, x: Genotypes) -> Genotypes:
        return np.empty((0, len(x)), dtype=np.int64)


class PolicyAlone(WithoutNeighbours):
    """Asks the policy again where the elites would breed; then points are drawn at random."""

    def _breed(self, n: int, proposals: dict[bytes, Genotypes]) -> None:
        self._sample(n, proposals)


class Forgetful(Memory):
    """Claims to know no point, so that known ones are proposed again."""

    def __contains__(self, key: bytes) -> bool:
        return False


class WithRepeats(PPOOptimiser):
    """Known points may be proposed again, and cost an evaluation."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._memory = Forgetful(
            len(self.n_choices), self.n_objectives, self.n_constraints, self.settings.elites
        )
