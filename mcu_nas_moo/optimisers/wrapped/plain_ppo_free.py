"""The plain PPO on problems without constraints, which it cannot tell from an empty mask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.optimisers.wrapped.plain_ppo import PlainPPO

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.contracts.optimiser import Setting


class FreePlainPPO(PlainPPO):
    """As :class:`PlainPPO`, under one constraint that every network meets.

    A class of its own, as ``plain_ppo.py`` is among what decides the stamps of stored runs.
    """

    def __init__(self, setting: Setting) -> None:
        task: Any = _OneConstraint(setting.task)
        super().__init__(replace(setting, task=task))

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        super().tell(X, F, np.full((len(X), 1), -1.0))


class _OneConstraint:
    """A problem, with one constraint."""

    n_con = 1
    constraint_names = ("none",)

    def __init__(self, task: Any) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)
