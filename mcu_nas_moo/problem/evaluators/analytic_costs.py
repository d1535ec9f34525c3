"""The cost model as an evaluator of networks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mcu_nas_moo.contracts.metrics import METRICS
from mcu_nas_moo.hardware.cost_model import CostModel, Costs
from mcu_nas_moo.hardware.cost_model.part_totals import PartTotals
from mcu_nas_moo.spaces.abilities import HasNetworks, with_ability

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.spaces import SearchSpace

#: Costs among the metrics, in the order of tables.
COSTS = tuple(name for name in METRICS if name in Costs._fields)
#: What the layers alone tell.
MACS = "macs_m"


class AnalyticCosts:
    """Computes costs of the networks of a space, and counts their multiply-accumulates.

    Args:
        model: of a device and a runtime.
        metrics: out of :data:`COSTS` and :data:`MACS`.
    """

    name = "cost model"
    thread_safe = True

    def __init__(self, model: CostModel, metrics: tuple[str, ...] = (*COSTS, MACS)) -> None:
        self.model, self.metrics = model, metrics
        self._space: SearchSpace | None = None
        self._totals: PartTotals

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides the figures."""
        return hashlib.sha256(f"{self.model.fingerprint} {self.metrics}".encode()).hexdigest()[:16]

    def evaluate(self, space: SearchSpace, X: Genotypes) -> dict[str, FloatArray]:
        """Costs ``(N,)`` of the genotypes ``X`` ``(N, n_genes)``, by metric.

        Raises:
            InputError: if the space tells no networks.
        """
        if space is not self._space:
            networks = with_ability(space, HasNetworks, "be asked for costs")
            self._totals, self._space = PartTotals(networks, self.model), space
        totals = self._totals.of(X)
        figures = self.model.costs_of(totals)._asdict() | {MACS: totals.macs / 1e6}
        return {name: figures[name] for name in self.metrics}
