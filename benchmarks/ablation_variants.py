"""PPO optimisers that lack or exchange a technique which no setting turns off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from unittest.mock import patch

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from mcu_nas_moo.ppo import PPOOptimiser, agent
from mcu_nas_moo.ppo.agent import IndependentGenes, IndependentGenesPolicy
from mcu_nas_moo.ppo.memory import Memory, Rows
from mcu_nas_moo.ppo.reward import AUGMENTATION, Scale, violation

if TYPE_CHECKING:
    from mcu_nas_moo.typing import FloatArray, Genotypes, IntArray


class WithoutEarnings(PPOOptimiser):
    """PPO learns nothing from evaluated samples; with ``rollouts=0``, from no samples at all."""

    def _update(self) -> None:
        self._earned.clear()
        super()._update()


class WithoutOffspring(PPOOptimiser):
    """Asks the policy again where the elites would breed; then points are drawn at random."""

    def _breed(self, n: int, proposals: dict[bytes, Genotypes]) -> None:
        self._sample(n, proposals)


class _OtherMemory(PPOOptimiser):
    """With :attr:`memory` in place of the usual one."""

    memory: ClassVar[type[Memory]]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._memory = self.memory(
            len(self.n_choices), self.n_objectives, self.n_constraints, self.settings.elites
        )


class MonotoneMemory(Memory):
    """Holds every point to break a limit that is nowhere smaller than one that was seen to.

    It is true if all limited quantities grow with every gene. The limits themselves are known to
    the evaluation only, so this is all that can be told of a point before it.
    """

    _broken: IntArray | None = None

    def add(self, keys: list[bytes], rows: Rows) -> None:
        super().add(keys, rows)
        self._broken = self.rows.X[violation(self.rows.G) > 0]
        self._broken_rows = np.flatnonzero(violation(self.rows.G) > 0)

    def __contains__(self, key: bytes) -> bool:
        return super().__contains__(key) or len(self._exceeded(key)) > 0

    def recall(self, key: bytes) -> tuple[FloatArray, FloatArray]:
        """Of a point not evaluated, what the smaller one was: it is not better."""
        if super().__contains__(key):
            return super().recall(key)
        row = self._exceeded(key)[0]
        return self.rows.F[row], self.rows.G[row]

    def _exceeded(self, key: bytes) -> IntArray:
        if self._broken is None:
            return np.empty(0, dtype=np.int64)
        point = np.frombuffer(key, dtype=np.int64)
        return self._broken_rows[(self._broken <= point).all(axis=1)]


class WithMasking(_OtherMemory):
    """Points that must break a monotone limit are not proposed, and earn like those that do."""

    memory = MonotoneMemory


class Forgetful(Memory):
    """Claims to know no point, so that known ones are proposed again."""

    def __contains__(self, key: bytes) -> bool:
        return False


class WithRepeats(_OtherMemory):
    """Known points may be proposed again, and cost an evaluation."""

    memory = Forgetful


class FirstScale(Memory):
    """Keeps the range of the first feasible front for good."""

    _first: Scale | None = None

    @property
    def scale(self) -> Scale:
        if self._first is None and (self.rows.G <= 0).all(axis=1).any():
            self._first = super().scale
        return self._first or super().scale


class WithFirstScale(_OtherMemory):
    """Objectives are normalised by the first batch, not by the archive."""

    memory = FirstScale


class PenaltyScale(Scale):
    """Rewards an infeasible point like a feasible one, less its violation."""

    def reward(self, F: FloatArray, G: FloatArray, weights: FloatArray) -> FloatArray:
        penalised: FloatArray = super().reward(F, np.zeros_like(G), weights) - violation(G)
        return penalised


class PenaltyMemory(Memory):
    """Rates by :class:`PenaltyScale`."""

    @property
    def scale(self) -> Scale:
        return PenaltyScale(**vars(super().scale))


class WithPenalty(_OtherMemory):
    """Some infeasible points are worth more than some feasible ones."""

    memory = PenaltyMemory


class TchebycheffScale(Scale):
    """Rewards nearness to the ideal by the augmented Tchebycheff function, in (0, 1]."""

    def reward(self, F: FloatArray, G: FloatArray, weights: FloatArray) -> FloatArray:
        excess = violation(G)
        distance = np.maximum(self.normalise(F), 0.0) * weights
        cost = distance.max(axis=-1) + AUGMENTATION * distance.sum(axis=-1)
        value: FloatArray = np.where(excess > 0, -excess / (1 + excess), 1 / (1 + cost))
        return value


class TchebycheffMemory(Memory):
    """Rates by :class:`TchebycheffScale`."""

    @property
    def scale(self) -> Scale:
        return TchebycheffScale(**vars(super().scale))


class WithTchebycheff(_OtherMemory):
    """Tchebycheff scalarisation with weights of a flat Dirichlet distribution."""

    memory = TchebycheffMemory

    def _preferences(self, n: int) -> FloatArray:
        return self._rng.dirichlet(np.ones(self.n_objectives), n)


class _OtherPolicy(PPOOptimiser):
    """With :attr:`policy` in place of the usual one."""

    policy: ClassVar[type[ActorCriticPolicy]]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        with patch.object(agent, "IndependentGenesPolicy", self.policy):
            super().__init__(*arguments, **options)


class BlindPolicy(IndependentGenesPolicy):
    """Sees the same preference always."""

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        return super().extract_features(torch.full_like(obs, 1 / obs.shape[1]), features_extractor)


class WithoutPreference(_OtherPolicy):
    """Rewards depend on the preference, which policy and critic do not see."""

    policy = BlindPolicy


class GenesInOrder(IndependentGenes):
    """Each gene's distribution depends on the genes before it, by logits that their options add.

    Germain et al., ICML 2015 (MADE), without hidden units; the genes of a point are judged in one
    pass and sampled one after the other. Before training it is the factorised distribution.

    Attributes:
        influence: ``[k, g, l, h]`` is what option k of gene g adds to the logit of option l of
            gene h; used for g < h only.
    """

    def __init__(self, action_dims: list[int]) -> None:
        super().__init__(action_dims)
        options, genes = self._lacking.shape
        self.influence = torch.nn.Parameter(torch.zeros(options, genes, options, genes))
        self._before = torch.ones(genes, genes).triu(1)[:, None]

    def proba_distribution(self, action_logits: torch.Tensor) -> GenesInOrder:
        self._logits = action_logits.view(len(action_logits), *self._lacking.shape) + self._lacking
        return self

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        options = torch.arange(len(self._lacking))[:, None]
        taken = (actions.long()[:, None] == options).float().flatten(1)
        influence = (self.influence * self._before).reshape(taken.shape[1], taken.shape[1])
        added = (taken @ influence).view_as(self._logits)
        self._log_probs = torch.log_softmax(self._logits + added, dim=1)
        return super().log_prob(actions)

    def entropy(self) -> torch.Tensor:
        """Of each gene given those before it, in the points judged last.

        By the chain rule the mean over samples is the entropy of the whole.
        """
        return super().entropy()

    def sample(self) -> torch.Tensor:
        return self._one_by_one(-torch.log(torch.empty_like(self._logits).exponential_()))

    def mode(self) -> torch.Tensor:
        """Each gene's likeliest option given those before it."""
        return self._one_by_one(torch.zeros_like(self._logits))

    def _one_by_one(self, noise: torch.Tensor) -> torch.Tensor:
        logits, influence = self._logits + noise, self.influence * self._before
        actions = []
        for gene in range(logits.shape[2]):
            actions.append(logits[:, :, gene].argmax(dim=1))
            logits = logits + influence[actions[-1], gene]
        return torch.stack(actions, dim=1)


class GenesInOrderPolicy(ActorCriticPolicy):
    """SB3's policy with :class:`GenesInOrder`."""

    def _build(self, lr_schedule: Any) -> None:
        dims = [int(n) for n in self.action_space.nvec]  # type: ignore[attr-defined]
        self.action_dist = GenesInOrder(dims)
        # A parameter of the policy, so that the optimiser trains it.
        self.influence = self.action_dist.influence
        super()._build(lr_schedule)


class Autoregressive(_OtherPolicy):
    """Genes depend on those before them under the policy."""

    policy = GenesInOrderPolicy
