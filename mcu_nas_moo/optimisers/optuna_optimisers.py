"""Optuna's samplers behind the ask/tell contract."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import optuna

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from mcu_nas_moo.optimisers.optimiser import Setting
    from mcu_nas_moo.typing import FloatArray, Genotypes


class TPE:
    """Multivariate, multi-objective TPE (Bergstra et al. 2011; Ozaki et al. 2020), one at a time.

    Genes are integers, not categories, since their options are ordered sizes. Constraints are
    told by ``trial.set_constraint``.
    """

    def __init__(self, setting: Setting) -> None:
        task = setting.task
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                multivariate=True, group=False, constant_liar=False, seed=setting.seed
            )
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * task.n_obj)
        self._names = [gene.name for gene in task.space.genes]
        self._distributions: dict[str, BaseDistribution] = {
            name: optuna.distributions.IntDistribution(0, int(count) - 1)
            for name, count in zip(self._names, task.n_choices, strict=True)
        }
        self._constraint_names = task.constraint_names
        self.settings = {"multivariate": True, "n_startup_trials": 10}

    def ask(self) -> Genotypes:
        self._trial = self._study.ask(self._distributions)
        params = self._trial.params
        return np.array([[params[name] for name in self._names]], dtype=np.int64)

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        for name, value in zip(self._constraint_names, G[0], strict=True):
            self._trial.set_constraint(name, float(value))
        self._study.tell(self._trial, F[0].tolist())
