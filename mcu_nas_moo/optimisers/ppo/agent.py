"""The policy and its training: stable-baselines3's PPO without its environment loop.

The policy sees a preference (weights of the objectives) and chooses all genes in one step, so an
episode is one step long. SB3's own loop pulls experience from an environment; an optimiser that
is asked and told gets it pushed. Therefore only SB3's policy, rollout buffer and ``train()`` are
used, as ``PPO.load`` also makes them, without an environment.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from stable_baselines3.common.policies import ActorCriticPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.optimisers.ppo.settings import PPOSettings


class Experience(NamedTuple):
    """Samples of the policy; each array has N rows.

    ``log_probs`` and ``values`` are those of the policy that made the sample.
    """

    weights: FloatArray
    actions: Genotypes
    log_probs: FloatArray
    values: FloatArray

    def rows(self) -> Iterator[Experience]:
        """Each sample for itself, as N = 1."""
        for columns in zip(*(column[:, None] for column in self), strict=True):
            yield Experience(*columns)

    @classmethod
    def joined(cls, parts: list[Experience]) -> Experience:
        """All samples of ``parts``, in order."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class Agent:
    """A policy over genotypes, conditioned on a preference.

    Args:
        n_choices: options per gene, shape ``(n_genes,)``.
        n_objectives: length of a preference.
        settings: hyperparameters.
        rng: source of all randomness; torch's global generator is left as it was.
        tensorboard: folder for the figures of :meth:`record`; None for no record.

    Raises:
        ValueError: if TensorBoard is wanted and not installed.
    """

    def __init__(
        self,
        n_choices: IntArray,
        n_objectives: int,
        settings: PPOSettings,
        rng: np.random.Generator,
        tensorboard: str | None = None,
    ) -> None:
        self._rng = rng
        self._ppo_steps = self._imitation_steps = 0
        self._model = PPO(
            IndependentGenesPolicy,
            env=None,  # type: ignore[arg-type]
            learning_rate=settings.learning_rate,
            batch_size=settings.minibatch_size,
            n_epochs=settings.epochs,
            n_steps=settings.batch_size,
            gamma=1.0,
            gae_lambda=1.0,
            clip_range=settings.clip_range,
            vf_coef=settings.value_coefficient,
            policy_kwargs={
                "net_arch": [settings.hidden, settings.hidden],
                # One kernel instead of many small ones; SB3's own eps would be lost otherwise.
                "optimizer_kwargs": {"fused": True, "eps": 1e-5},
            },
            device="cpu",
            _init_setup_model=False,
        )
        self._model.observation_space = gym.spaces.Box(0.0, 1.0, (n_objectives,), np.float32)
        self._model.action_space = gym.spaces.MultiDiscrete(n_choices)
        self._model.n_envs = 1
        self._model.set_logger(Record(tensorboard))
        with self._seeded():
            self._model._setup_model()

    def sample(self, weights: FloatArray) -> Experience:
        """Sample one genotype for each preference ``(N, n_obj)``."""
        observations = torch.as_tensor(weights, dtype=torch.float32)
        with self._seeded(), torch.no_grad():
            actions, values, log_probs = self._model.policy(observations)
        return Experience(
            weights, actions.numpy(), log_probs.numpy(), values.numpy().reshape(len(weights))
        )

    def learn(self, experience: Experience, rewards: FloatArray, entropy: float) -> None:
        """Update the policy by PPO from its own samples, made since the last update.

        Args:
            experience: N samples, at least 2.
            rewards: what each of them earned, shape ``(N,)``.
            entropy: weight of the entropy bonus.
        """
        buffer = OneStepBuffer(
            len(rewards),
            self._model.observation_space,
            self._model.action_space,
            device="cpu",
        )
        buffer.fill(experience, rewards, self._rng)
        self._model.rollout_buffer = buffer
        self._model.ent_coef = entropy
        self._model.train()
        self._ppo_steps += self._model.n_epochs * buffer.n_parts(self._model.batch_size)

    def imitate(self, weights: FloatArray, actions: Genotypes) -> None:
        """Make ``actions`` likelier under the preferences ``weights``: one gradient step.

        The actions may come from anywhere; nothing is assumed about how likely they were.
        """
        policy = self._model.policy
        policy.set_training_mode(True)
        _, log_probs, _ = policy.evaluate_actions(
            torch.as_tensor(weights, dtype=torch.float32), torch.as_tensor(actions)
        )
        # Per gene, so that the step does not grow with the number of genes.
        loss = -log_probs.mean() / actions.shape[1]
        policy.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), self._model.max_grad_norm)
        policy.optimizer.step()
        self._imitation_steps += 1

    def imitation_share(self) -> float:
        """Share of the gradient steps so far that imitated, in [0, 1]."""
        return self._imitation_steps / max(self._imitation_steps + self._ppo_steps, 1)

    def record(self, figures: dict[str, float], step: int) -> None:
        """Write figures, and those of the last PPO update, to TensorBoard if it is wanted."""
        for name, value in figures.items():
            self._model.logger.record(name, value)
        self._model.logger.dump(step)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(self._rng.integers(2**63)))
            yield


class Record(Logger):
    """SB3's logger of TensorBoard events, or of nothing; a copy goes on in the same folder."""

    def __init__(self, folder: str | None) -> None:
        if folder is not None and find_spec("tensorboard") is None:
            raise ValueError("tensorboard is not installed; pip install tensorboard")
        super().__init__(folder, [] if folder is None else [TensorBoardOutputFormat(folder)])

    def __reduce__(self) -> tuple[type[Record], tuple[str | None]]:
        return Record, (self.dir,)


class OneStepBuffer(RolloutBuffer):
    """Rollouts whose episodes have one step: the return is the reward, nothing is discounted."""

    def fill(self, experience: Experience, rewards: FloatArray, rng: np.random.Generator) -> None:
        """Take all rows at once; ``rng`` shuffles them, where SB3 would use numpy's global one."""
        self.observations[:, 0] = experience.weights
        self.actions[:, 0] = experience.actions
        self.log_probs[:, 0] = experience.log_probs
        self.values[:, 0] = experience.values
        self.rewards[:, 0] = self.returns[:, 0] = rewards
        self.advantages[:, 0] = rewards - experience.values
        self.full, self._rng = True, rng

    def get(self, batch_size: int | None = None) -> Iterator[Any]:  # type: ignore[override]
        if not self.generator_ready:
            for name in (
                "observations",
                "actions",
                "values",
                "log_probs",
                "advantages",
                "returns",
            ):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.generator_ready = True
        order = self._rng.permutation(self.buffer_size)
        for rows in np.array_split(order, self.n_parts(batch_size)):
            yield self._get_samples(rows)

    def n_parts(self, batch_size: int | None) -> int:
        """Parts of nearly equal size: SB3 would leave a remainder, and normalises per part."""
        return max(round(self.buffer_size / (batch_size or self.buffer_size)), 1)


class IndependentGenes(MultiCategoricalDistribution):
    """One categorical distribution per gene, all in one tensor instead of one object per gene.

    The policy's output holds the logits of all genes for option 0, then for option 1, and so on, as
    many as the longest gene has; those of options that a gene lacks are not used. Sums over options
    are several times faster in this order than over a short last axis.
    """

    def __init__(self, action_dims: list[int]) -> None:
        super().__init__(action_dims)
        lacking = torch.arange(max(action_dims))[:, None] >= torch.as_tensor(action_dims)
        # Far below any logit, yet finite: the entropy multiplies it by a probability of 0.
        self._lacking = lacking * -1e9

    def proba_distribution_net(self, latent_dim: int) -> torch.nn.Module:
        return torch.nn.Linear(latent_dim, self._lacking.numel())

    def proba_distribution(self, action_logits: torch.Tensor) -> IndependentGenes:
        logits = action_logits.view(len(action_logits), *self._lacking.shape) + self._lacking
        self._log_probs = torch.log_softmax(logits, dim=1)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """The present figures belong to one forward pass; they can neither be copied nor kept."""
        return {name: value for name, value in vars(self).items() if name != "_log_probs"}

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        taken = self._log_probs.gather(1, actions.long()[:, None])
        return taken.sum(dim=(1, 2))

    def entropy(self) -> torch.Tensor:
        return -(self._log_probs.exp() * self._log_probs).sum(dim=(1, 2))

    def sample(self) -> torch.Tensor:
        # The largest of log probabilities with Gumbel noise is distributed as they say.
        noise = -torch.log(torch.empty_like(self._log_probs).exponential_())
        return (self._log_probs + noise).argmax(dim=1)

    def mode(self) -> torch.Tensor:
        return self._log_probs.argmax(dim=1)


class IndependentGenesPolicy(ActorCriticPolicy):
    """SB3's policy with :class:`IndependentGenes`, some ten times faster on twenty genes."""

    def _build(self, lr_schedule: Any) -> None:
        dims = [int(n) for n in self.action_space.nvec]  # type: ignore[attr-defined]
        self.action_dist = IndependentGenes(dims)
        super()._build(lr_schedule)
