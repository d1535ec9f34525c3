"""The cost model as an evaluator of networks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mcu_nas_moo.contracts.metrics import METRICS
from mcu_nas_moo.hardware.cost_model import CostModel, Costs
from mcu_nas_moo.spaces.abilities import HasNetworks, with_ability

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.spaces import SearchSpace

#: Costs among the metrics, in the order of tables.
COSTS = tuple(name for name in METRICS if name in Costs._fields)
#: What the layers alone tell.
MACS = "macs_m"


@dataclass(frozen=True)
class AnalyticCosts:
    """Computes costs of the networks of a space, and counts their multiply-accumulates.

    Args:
        model: of a device and a runtime.
        metrics: out of :data:`COSTS` and :data:`MACS`.
    """

    model: CostModel
    metrics: tuple[str, ...] = (*COSTS, MACS)

    name: ClassVar[str] = "cost model"
    thread_safe: ClassVar[bool] = True

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides the figures."""
        return hashlib.sha256(f"{self.model.fingerprint} {self.metrics}".encode()).hexdigest()[:16]

    def evaluate(self, space: SearchSpace, X: Genotypes) -> dict[str, FloatArray]:
        """Costs ``(N,)`` of the genotypes ``X`` ``(N, n_genes)``, by metric.

        Raises:
            InputError: if the space tells no networks.
        """
        table = with_ability(space, HasNetworks, "be asked for costs").network(X)
        figures = {}
        if set(self.metrics) - {MACS}:
            figures.update(self.model.evaluate(table)._asdict())
        if MACS in self.metrics:
            figures[MACS] = table.macs.sum(axis=1) / 1e6
        return {name: figures[name] for name in self.metrics}
