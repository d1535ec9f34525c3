"""What can be tuned in the PPO optimiser."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class PPOSettings:
    """Hyperparameters; the defaults suit budgets of some hundred to ten thousand evaluations.

    Attributes:
        batch_size: proposals per ask, and evaluations between two updates of the policy.
        learning_rate: of Adam. SB3's default of 3e-4 learns too slowly for such budgets.
        epochs: passes over the samples per update.
        minibatch_size: rows per gradient step.
        clip_range: of PPO's probability ratio.
        value_coefficient: weight of the critic's loss.
        entropy_start: weight of the entropy bonus at first.
        entropy_end: weight that it fades to.
        variation_start: share at first of those proposals, which are neither chosen by the
            surrogate nor neighbours, that are not sampled from the policy but bred from the elites
            by crossover and mutation.
        variation_end: share that it fades to.
        fade: evaluations after which entropy bonus and variation share have gone half their way.
        imitation_steps: gradient steps per update that make the best points likelier under the
            policy.
        elites: evaluations kept as parents and models, beside those that nothing dominates.
        tournament: elites that compete to be a parent.
        hidden: units of the two hidden layers of policy and critic.
        surrogate_points: most evaluations that the surrogate learns from; its cost grows with
            their square and more. 0 for no surrogate.
        surrogate_fit: share of the variance of every objective that the surrogate must explain
            of evaluations left out, to be used.
        surrogate_share: share of the proposals that the surrogate chooses while it is used. Most of
            the others are neighbours of the best points.
        optimism: mean number of standard errors by which points are taken to be better than the
            surrogate expects; drawn anew for each batch (randomised GP-UCB: Berk et al. 2020), so
            that some batches explore. 0 takes points to be what is expected.
        rollouts: samples of the policy per update that earn what the surrogate expects.
        candidates: samples of the policy, and as many children of the best points in each
            generation, of which the surrogate chooses.
        generations: how often candidates are bred from the best candidates.
    """

    batch_size: int = 32
    learning_rate: float = 3e-3
    epochs: int = 3
    minibatch_size: int = 128
    clip_range: float = 0.2
    value_coefficient: float = 0.5
    entropy_start: float = 0.02
    entropy_end: float = 0.002
    variation_start: float = 0.7
    variation_end: float = 0.5
    fade: float = 1000.0
    imitation_steps: int = 5
    elites: int = 20
    tournament: int = 4
    hidden: int = 64
    surrogate_points: int = 500
    surrogate_fit: float = 0.5
    surrogate_share: float = 0.6
    optimism: float = 0.0
    rollouts: int = 256
    candidates: int = 256
    generations: int = 4

    def __post_init__(self) -> None:
        at_least = {"batch_size": 2, "epochs": 1, "minibatch_size": 2, "elites": 1}
        at_least |= {"imitation_steps": 0, "tournament": 1, "hidden": 1, "rollouts": 0}
        at_least |= {"surrogate_points": 0, "candidates": 1, "generations": 0}
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("variation_start", "variation_end"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("surrogate_share", "surrogate_fit"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"{field.name} must be finite and not negative, got {value}")
            if field.type == "int" and value != int(value):
                raise ValueError(f"{field.name} must be a whole number, got {value}")
        for name in ("learning_rate", "clip_range", "fade"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    def entropy_at(self, evaluations: int) -> float:
        """Weight of the entropy bonus after so many evaluations."""
        return self._faded(self.entropy_start, self.entropy_end, evaluations)

    def variation_at(self, evaluations: int) -> float:
        """Share of bred proposals after so many evaluations."""
        return self._faded(self.variation_start, self.variation_end, evaluations)

    def _faded(self, start: float, end: float, evaluations: int) -> float:
        return float(end + (start - end) * 0.5 ** (evaluations / self.fade))
