"""Sums over layers that the costs of networks follow from; parts of networks can be joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.hardware.cost_model.tensor_memory import working_set
from mcu_nas_moo.hardware.cost_model.work import kind_bits_of, work_by_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcu_nas_moo.common.arrays import IntArray
    from mcu_nas_moo.hardware.runtime import MemoryRule
    from mcu_nas_moo.networks.layer_table import LayerTable


class Totals(NamedTuple):
    """What the layers of networks, or of parts of them, add up to; integers of one shape.

    Attributes:
        work: in some units of ``WORK``, one array each.
        weights: number of weights.
        layers, weighted: number of layers, and of those with weights.
        channels: output channels of layers with weights.
        kinds: kinds of layers, one bit each.
        peak: largest number of bytes in memory while a layer runs.
    """

    work: tuple[IntArray, ...]
    weights: IntArray
    layers: IntArray
    weighted: IntArray
    channels: IntArray
    kinds: IntArray
    peak: IntArray

    @classmethod
    def of(
        cls,
        table: LayerTable,
        units: Sequence[str],
        rule: MemoryRule,
        slots: IntArray | slice = slice(None),
    ) -> Totals:
        """Totals of the networks of ``table``, shape ``(N,)``.

        Args:
            table: the layers.
            units: of the work.
            rule: how the runtime lays out memory.
            slots: only these layers of the networks.
        """
        return cls(
            # Sums of integers are exact in any order, so costs do not depend on the batch.
            work=tuple(work_by_layer(table, unit)[:, slots].sum(axis=1) for unit in units),
            weights=table.weights[:, slots].sum(axis=1),
            layers=table.active[:, slots].sum(axis=1),
            weighted=table.weighted[:, slots].sum(axis=1),
            channels=table.biases[:, slots].sum(axis=1),
            kinds=kind_bits_of(table, slots),
            peak=working_set(table, rule)[:, slots].max(axis=1),
        )

    def joined(self, other: Totals) -> Totals:
        """Totals of networks of these parts and the ``other`` ones; shapes are broadcast."""
        return Totals(
            tuple(one + two for one, two in zip(self.work, other.work, strict=True)),
            self.weights + other.weights,
            self.layers + other.layers,
            self.weighted + other.weighted,
            self.channels + other.channels,
            self.kinds | other.kinds,
            np.maximum(self.peak, other.peak),
        )

    def at(self, index: Any) -> Totals:
        """Those of some networks; ``index`` as numpy takes it."""
        return self.each(lambda array: array[index])

    @property
    def smallest(self) -> Totals:
        """The smallest of each quantity along the last axis, which is kept.

        Joined with other parts, it bounds from below what all of these parts would give.
        """
        shared = np.bitwise_and.reduce(self.kinds, axis=-1, keepdims=True)
        return self.each(lambda array: array.min(axis=-1, keepdims=True))._replace(kinds=shared)

    def each(self, change: Callable[[IntArray], IntArray]) -> Totals:
        """Every array changed in the same way."""
        return Totals(tuple(map(change, self.work)), *map(change, self[1:]))
