"""Uniform random search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.contracts.optimiser import Setting

#: Genotypes proposed at once: enough for the vectorised evaluation to be cheap per genotype.
BATCH = 256


class RandomSearch:
    """Independent uniform genotypes, repeats included, in batches of :data:`BATCH`."""

    def __init__(self, setting: Setting) -> None:
        self._space = setting.task.space
        self._rng = np.random.default_rng(setting.seed)

    def ask(self) -> Genotypes:
        return self._space.sample(BATCH, self._rng)

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        pass
