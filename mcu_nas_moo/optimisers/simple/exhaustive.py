"""Every network of a small space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.optimisers.simple.known_networks import networks_in_order

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.contracts.optimiser import Setting


class Exhaustive:
    """The canonical genotypes in lexicographic order; the run ends with the last one.

    The seed decides nothing: all runs are the same.

    Raises:
        InputError: if the space has more networks than the budget allows to evaluate. Its exact
            front is then a matter of ``mcu-nas enumerate``, which does not keep a history.
    """

    def __init__(self, setting: Setting) -> None:
        space = setting.task.space
        if space.n_networks > setting.budget:
            raise InputError(
                f"exhaustive needs a budget of {space.n_networks:,}, the networks of "
                f"{space.name}, got {setting.budget:,}; for the exact front of a large space use "
                f"`mcu-nas enumerate --space {space.name}`"
            )
        self._networks = networks_in_order(space)
        self._none = np.zeros((0, space.n_genes), dtype=np.int64)

    def ask(self) -> Genotypes:
        return next(self._networks, self._none)

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        pass
