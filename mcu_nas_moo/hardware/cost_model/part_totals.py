"""Totals of the networks of a space, looked up part by part."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer_table import LayerTable
from mcu_nas_moo.spaces.abilities import HasNetworks, InParts, check_layers

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.hardware.cost_model.model import CostModel
    from mcu_nas_moo.hardware.cost_model.work import Totals

#: Settings of parts that are kept at most; their totals take 8 MB.
MOST = 1 << 16
#: Networks that are costed together for the table: few, whose arrays take memory that was freed.
CHUNK = 256


class PartTotals:
    """Totals of all networks of a space under a cost model.

    Totals of parts are computed once more networks have been asked for than that takes.
    """

    def __init__(self, space: HasNetworks, model: CostModel) -> None:
        self._space, self._model = space, model
        self._parts = space.parts if isinstance(space, InParts) else None
        self._asked = 0

    def of(self, X: Genotypes) -> Totals:
        """Totals ``(N,)`` of the genotypes ``X`` ``(N, n_genes)``.

        Raises:
            InputError: if the space's networks are not as many, or the first one's layers do not
                fit together.
        """
        parts = self._parts
        if not self._asked and len(X):
            check_layers(self._space, self._network(X[:1]).layers())
        self._asked += len(X)
        if (
            parts is not None
            and parts.n_covering < self._asked
            and max(parts.n_covering, parts.n_settings) <= MOST
        ):
            return self._of_settings.networks(parts.settings(X))
        return self._model.totals(self._network(X)).at((..., 0))

    def _network(self, X: Genotypes) -> LayerTable:
        table = self._space.network(X)
        found = len(table) if isinstance(table, LayerTable) else type(table).__name__
        if found != len(X):
            raise InputError(
                f"space {self._space.name!r}: network(X) returned {found} for {len(X)} genotypes; "
                "it must be a LayerTable with a row for each"
            )
        return table

    @cached_property
    def _of_settings(self) -> Totals:
        parts = self._parts
        assert parts is not None
        X = parts.covering
        settings = parts.settings(X).T.ravel()
        rows = np.empty(parts.n_settings, dtype=np.int64)
        rows[settings] = np.arange(len(settings))
        some, *others = (
            self._model.totals(self._network(X[start : start + CHUNK]), parts.first_layers)
            for start in range(0, len(X), CHUNK)
        )
        return some.combined(lambda _, *arrays: np.concatenate(arrays).ravel()[rows], *others)
