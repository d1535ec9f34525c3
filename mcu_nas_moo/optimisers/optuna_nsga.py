"""Optuna's genetic samplers behind the ask/tell contract."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.samplers.nsgaii import BaseMutation
from optuna.trial import TrialState

from mcu_nas_moo.optimisers.known_networks import KnownNetworks
from mcu_nas_moo.optimisers.pymoo_optimisers import das_dennis, population_size

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from mcu_nas_moo.optimisers.optimiser import Setting
    from mcu_nas_moo.typing import FloatArray, Genotypes

#: How often a known network is refused before it is proposed again; pymoo's mating has the same.
ATTEMPTS = 100


@dataclass(frozen=True)
class OptunaNSGASettings:
    """Hyperparameters of Optuna's NSGA-II and NSGA-III.

    Attributes:
        population: factor on :func:`~mcu_nas_moo.optimisers.pymoo_optimisers.population_size`,
            positive.
        crossover: probability that two parents exchange genes, in [0, 1].
        mutated_genes: how many genes of a child change on average, positive.

    Raises:
        ValueError: for a value outside its range.
    """

    population: float = 1.0
    crossover: float = 0.9
    mutated_genes: float = 1.0

    def __post_init__(self) -> None:
        if not self.population > 0:
            raise ValueError(f"population must be positive, got {self.population}")
        if not 0 <= self.crossover <= 1:
            raise ValueError(f"crossover must be in [0, 1], got {self.crossover}")
        if not self.mutated_genes > 0:
            raise ValueError(f"mutated_genes must be positive, got {self.mutated_genes}")


class OptunaStudy:
    """An Optuna sampler, asked for ``batch`` trials at a time and told what they are worth.

    Genes are integers, not categories, since their options are ordered sizes. Constraints are
    told by ``trial.set_constraint``. The study is kept in memory.

    Args:
        sampler: its state is used and changed.
        setting: of the run.
        batch: how many genotypes are asked for at once.
        settings: recorded with the run.
        attempts: how often a network that is known is refused (its trial fails) and another one
            asked for.
    """

    def __init__(
        self,
        sampler: optuna.samplers.BaseSampler,
        setting: Setting,
        *,
        batch: int = 1,
        settings: dict[str, Any] | None = None,
        attempts: int = 0,
    ) -> None:
        task = setting.task
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.settings = settings or {}
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * task.n_obj)
        self._names = [gene.name for gene in task.space.genes]
        self._distributions: dict[str, BaseDistribution] = {
            name: optuna.distributions.IntDistribution(0, int(count) - 1)
            for name, count in zip(self._names, task.n_choices, strict=True)
        }
        self._constraint_names = task.constraint_names
        self._space, self._batch, self._attempts = task.space, batch, attempts
        self._known = KnownNetworks(task.space)
        self._trials: list[optuna.Trial] = []

    def ask(self) -> Genotypes:
        rows = []
        self._trials = []
        for _ in range(self._batch):
            trial, row = self._new()
            self._trials.append(trial)
            rows.append(row)
        return np.concatenate(rows)

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        for trial, f, g in zip(self._trials, F.tolist(), G.tolist(), strict=False):
            for name, value in zip(self._constraint_names, g, strict=True):
                trial.set_constraint(name, value)
            self._study.tell(trial, f)

    def _new(self) -> tuple[optuna.Trial, Genotypes]:
        """A trial, of a network that is not known if there is one within reach."""
        attempts = self._attempts if len(self._known) < self._space.n_networks else 0
        for _ in range(attempts):
            trial, row = self._any()
            if self._known.add(row)[0]:
                return trial, row
            self._study.tell(trial, state=TrialState.FAIL)
        return self._any()

    def _any(self) -> tuple[optuna.Trial, Genotypes]:
        trial = self._study.ask(self._distributions)
        params = trial.params  # a copy each time
        return trial, np.array([[params[name] for name in self._names]], dtype=np.int64)


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

    What :func:`mcu_nas_moo.discrete.mutate` does, gene by gene, as Optuna calls for it.
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
