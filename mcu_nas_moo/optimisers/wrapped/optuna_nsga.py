"""Optuna's genetic samplers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import optuna
from optuna.samplers.nsgaii import BaseMutation

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.optimisers.wrapped.optuna_study import ATTEMPTS, OptunaStudy
from mcu_nas_moo.optimisers.wrapped.pymoo_optimisers import das_dennis, population_size

if TYPE_CHECKING:
    import numpy as np

    from mcu_nas_moo.contracts.optimiser import Setting


@dataclass(frozen=True)
class OptunaNSGASettings:
    """Hyperparameters of Optuna's NSGA-II and NSGA-III.

    Attributes:
        population: factor on ``population_size``,
            positive.
        crossover: probability that two parents exchange genes, in [0, 1].
        mutated_genes: how many genes of a child change on average, positive.

    Raises:
        InputError: for a value outside its range.
    """

    population: float = 1.0
    crossover: float = 0.9
    mutated_genes: float = 1.0

    def __post_init__(self) -> None:
        if not self.population > 0:
            raise InputError(f"population must be positive, got {self.population}")
        if not 0 <= self.crossover <= 1:
            raise InputError(f"crossover must be in [0, 1], got {self.crossover}")
        if not self.mutated_genes > 0:
            raise InputError(f"mutated_genes must be positive, got {self.mutated_genes}")


def optuna_nsga2(setting: Setting) -> OptunaStudy:
    """Optuna's NSGA-II with uniform crossover and a mutation for few options."""
    chosen = _chosen(setting)
    size = max(round(chosen.population * population_size(setting.budget)), 4)
    return _study(setting, optuna.samplers.NSGAIISampler, chosen, size, {"population_size": size})


def optuna_nsga3(setting: Setting) -> OptunaStudy:
    """Optuna's NSGA-III with one individual per Das-Dennis direction."""
    chosen = _chosen(setting)
    usual = max(round(chosen.population * population_size(setting.budget)), 4)
    directions = das_dennis(setting.task.n_obj, usual)
    return _study(
        setting,
        optuna.samplers.NSGAIIISampler,
        chosen,
        max(len(directions), 4),
        {"directions": len(directions)},
        reference_points=directions,
    )


class OptionMutation(BaseMutation):
    """Another option of a gene: an adjacent one in half of the cases, else any other.

    What :func:`mcu_nas_moo.common.genotypes.mutate` does, gene by gene, as Optuna calls for it.
    """

    def mutation(
        self,
        param: float,
        rng: np.random.RandomState,
        study: optuna.Study,
        search_space_bounds: Any,
    ) -> float:
        # Optuna widens the bounds of integers by half a step to each side.
        low, high = ceil(search_space_bounds[0]), floor(search_space_bounds[1])
        if high <= low:
            return param
        if rng.rand() < 0.5:
            step = 1 if param <= low else -1 if param >= high else rng.choice([-1, 1])
            return float(param + step)
        other = rng.randint(low, high)
        return float(other + (other >= param))


def _chosen(setting: Setting) -> OptunaNSGASettings:
    hyperparameters: dict[str, Any] = dict(setting.hyperparameters)
    return OptunaNSGASettings(**hyperparameters)


def _study(
    setting: Setting,
    sampler: Any,
    chosen: OptunaNSGASettings,
    size: int,
    settings: dict[str, Any],
    **options: Any,
) -> OptunaStudy:
    free = max(int((setting.task.n_choices > 1).sum()), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        built = sampler(
            population_size=size,
            mutation=OptionMutation(),
            mutation_prob=min(chosen.mutated_genes / free, 1.0),
            crossover_prob=chosen.crossover,
            seed=setting.seed,
            **options,
        )
    # A generation can be asked for as a whole: it depends on earlier ones only.
    return OptunaStudy(
        built,
        setting,
        batch=size,
        settings={**settings, **setting.hyperparameters},
        attempts=ATTEMPTS,
    )
