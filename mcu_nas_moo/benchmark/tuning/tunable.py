"""What the tuning command may change in each optimiser, and within which limits.

Data only. Stage 1 tunes how the optimiser searches. Stage 2 tunes what it is rewarded for, or, for
evolutionary algorithms, which have no reward, how their operators vary the genotypes.
A name of a hyperparameter stands in one stage only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value: TypeAlias = "bool | int | float | str"
#: Points of a grid over a range.
GRID_POINTS = 3


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]

    def distribution(self) -> BaseDistribution:
        """As Optuna samples it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def grid(self) -> list[Value]:
        """All values."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, both included; an integer if both are.

    Attributes:
        low, high: the ends.
        log: whether ratios matter, not differences; ``low`` is positive then.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def distribution(self) -> BaseDistribution:
        """As Optuna samples it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def grid(self) -> list[Value]:
        """:data:`GRID_POINTS` values, both ends among them."""
        shares = [point / (GRID_POINTS - 1) for point in range(GRID_POINTS)]
        if self.log:
            points = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            points = [self.low + (self.high - self.low) * share for share in shares]
        if self.whole:
            return list(dict.fromkeys(round(point) for point in points))
        return list(points)


Tunable: TypeAlias = "Choice | Range"
Stage: TypeAlias = "dict[str, Tunable]"

_VARIATION: Stage = {
    "crossover": Range(0.0, 1.0),
    "mutated_genes": Range(0.5, 4.0, log=True),
}
_NSGA: tuple[Stage, Stage] = (
    {"population": Range(0.3, 3.0, log=True), "offspring": Range(0.1, 1.0)},
    _VARIATION,
)
_TUNABLE: dict[str, tuple[Stage, Stage]] = {
    "ga": (
        {
            "evaluations_per_bound": Range(25, 400, log=True),
            "population": Range(0.5, 2.0, log=True),
            "offspring": Range(0.1, 1.0),
        },
        _VARIATION,
    ),
    "nsga2": _NSGA,
    "nsga3": _NSGA,
    "ppo": (
        {
            "learning_rate": Range(3e-4, 1e-2, log=True),
            "batch_size": Choice((16, 24, 32, 48, 64)),
            "epochs": Range(2, 12),
            "clip_range": Range(0.1, 0.4),
            "entropy_start": Range(1e-3, 0.1, log=True),
            "imitation_steps": Range(0, 12),
        },
        # Its reward has nothing to set; what can be set is where rewards come from besides
        # evaluations, and what is bred.
        {
            "surrogate_fit": Range(0.0, 0.9),
            "surrogate_share": Range(0.5, 1.0),
            "optimism": Range(0.0, 3.0),
            "rollouts": Range(0, 512),
            "candidates": Range(64, 1024, log=True),
            "generations": Range(0, 8),
            "elites": Range(8, 64, log=True),
        },
    ),
    "ppo-plain": (
        {
            "learning_rate": Range(1e-4, 1e-2, log=True),
            "n_steps": Choice((8, 16, 32)),
            "n_epochs": Range(3, 30, log=True),
            "clip_range": Range(0.1, 0.4),
            "ent_coef": Range(0.0, 0.1),
            "evaluations_per_target": Range(100, 2000, log=True),
        },
        {
            "reward": Choice(("penalty", "mnasnet")),
            "penalty": Range(0.1, 10.0, log=True),
            "exponent_below": Range(-0.3, 0.0),
            "exponent_above": Range(-1.0, 0.0),
        },
    ),
}


def tunable(algorithm: str) -> tuple[Stage, Stage]:
    """What the two stages tune, by the name of the hyperparameter.

    Raises:
        InputError: for an unknown algorithm, or one that has nothing to tune.
    """
    from mcu_nas_moo.optimisers.register import check_optimiser

    if check_optimiser(algorithm) not in _TUNABLE:
        raise InputError(f"{algorithm} has nothing to tune; choose one of {', '.join(_TUNABLE)}")
    return _TUNABLE[algorithm]


def default_values(algorithm: str, stage: Stage) -> dict[str, Any]:
    """The optimiser's own values of what ``stage`` tunes."""
    from mcu_nas_moo.optimisers.register import default_hyperparameters

    defaults = default_hyperparameters(algorithm)
    return {name: defaults[name] for name in stage}
