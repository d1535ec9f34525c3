"""Optuna's tree-structured Parzen estimator."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import optuna

from mcu_nas_moo.optimisers.wrapped.optuna_study import OptunaStudy

if TYPE_CHECKING:
    from mcu_nas_moo.contracts.optimiser import Setting


def tpe(setting: Setting) -> OptunaStudy:
    """Multivariate TPE for several objectives (Bergstra et al. 2011; Ozaki et al. 2020)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            multivariate=True, group=False, constant_liar=False, seed=setting.seed
        )
    settings = {"multivariate": True, "n_startup_trials": 10}
    # A known network is not refused: asked again, TPE mostly answers with another known one.
    return OptunaStudy(sampler, setting, settings=settings)
