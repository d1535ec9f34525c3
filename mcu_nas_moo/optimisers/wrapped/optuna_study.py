"""Optuna's samplers behind the ask/tell contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import TrialState

from mcu_nas_moo.optimisers.simple.known_networks import KnownNetworks

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.contracts.optimiser import Setting

#: How often a known network is refused before it is proposed again; pymoo's mating has the same.
ATTEMPTS = 100


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
