"""What networks ask of a runtime, in units that its coefficients multiply.

The cost model evaluates these quantities and the calibration fits coefficients to them, so that
both mean the same by every unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.hardware.cost_model.tensor_memory import working_set
from mcu_nas_moo.networks.layer_table import Op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.hardware.runtime import MemoryRule
    from mcu_nas_moo.networks.layer_table import LayerTable

#: Input channels below which a convolution leaves lanes of the multiplier idle.
FULL_CHANNELS = 8


def work_by_layer(table: LayerTable, unit: str) -> IntArray:
    """Work of each layer in one unit of :data:`WORK`, shape ``(N, L)``."""
    return _UNITS[unit](table)


def _of_kind(table: LayerTable, values: IntArray, *ops: Op) -> IntArray:
    chosen: IntArray = np.zeros_like(values)
    columns = table.topology.columns(*ops)
    chosen[:, columns] = values[:, columns]
    return chosen


def _window_macs(table: LayerTable) -> IntArray:
    """MACs of convolutions if each filter had one input channel."""
    return np.asarray(table.out_elements * table.kernel_height * table.kernel_width)


def _conv_macs(table: LayerTable) -> IntArray:
    """MACs of convolutions; in groups, those with channels beyond the first of each group."""
    macs = _of_kind(table, table.macs, Op.CONV)
    grouped = table.topology.grouped
    if grouped.any():
        macs[:, grouped] -= _window_macs(table)[:, grouped]
    return macs


def _depthwise_macs(table: LayerTable) -> IntArray:
    """MACs of depthwise convolutions, and with the first channel of each group of others."""
    macs = _of_kind(table, table.macs, Op.DEPTHWISE)
    grouped = table.topology.grouped
    if grouped.any():
        macs[:, grouped] = _window_macs(table)[:, grouped]
    return macs


def _idle_macs(table: LayerTable) -> IntArray:
    """MACs that more input channels would add before convolutions fill the multiplier."""
    missing = np.maximum(FULL_CHANNELS - table.in_channels, 0)
    macs = _of_kind(table, _window_macs(table) * missing, Op.CONV)
    macs[:, table.topology.grouped] = 0
    return macs


_UNITS: dict[str, Callable[[LayerTable], IntArray]] = {
    "conv_mac": _conv_macs,
    "depthwise_mac": _depthwise_macs,
    "dense_mac": lambda table: _of_kind(table, table.macs, Op.DENSE),
    "idle_mac": _idle_macs,
    "input_element": lambda table: table.in_elements,
    "output_element": lambda table: table.out_elements,
    "elementwise_element": lambda table: _of_kind(
        table, table.out_elements, Op.MUL, Op.ELEMENTWISE
    ),
    "layer": lambda table: table.active.astype(np.int64),
}
#: Units of work that cost cycles: the fields of ``Cycles``.
WORK = tuple(_UNITS)


def all_work_of(table: LayerTable) -> FloatArray:
    """Work of each network in the units of :data:`WORK`, shape ``(N, 8)``."""
    work = [work_by_layer(table, unit).sum(axis=1) for unit in WORK]
    return np.stack(work, axis=1, dtype=np.float64)


def kind_bits_of(table: LayerTable, slots: IntArray | slice = slice(None)) -> IntArray:
    """Kinds of layers, or of those in some slots, in each network, one bit each, ``(N,)``.

    Pointwise convolutions are a kind of their own. A runtime links the kernel of a kind once,
    however often the network uses it.
    """
    chosen = np.zeros(table.active.shape[1], dtype=np.bool_)
    chosen[slots] = True
    kinds = np.zeros(len(table), dtype=np.int64)
    for bit, op in enumerate(Op):
        columns = table.topology.columns(op)
        columns = columns[chosen[columns]]
        if not len(columns):
            continue
        active = table.active[:, columns]
        if op is not Op.CONV:
            kinds |= active.any(axis=1).astype(np.int64) << bit
            continue
        area = table.kernel_height[:, columns] * table.kernel_width[:, columns]
        kinds |= (active & (area == 1)).any(axis=1).astype(np.int64) << bit
        kinds |= (active & (area > 1)).any(axis=1).astype(np.int64) << len(Op)
    return kinds


def kinds_of(table: LayerTable) -> IntArray:
    """Number of kinds of layers in each network, shape ``(N,)``; see :func:`kind_bits_of`."""
    return np.bitwise_count(kind_bits_of(table)).astype(np.int64)


def counts_of(table: LayerTable) -> IntArray:
    """Layers, layers with weights, and their output channels of each network, shape ``(N, 3)``."""
    return np.stack(
        [table.active.sum(axis=1), table.weighted.sum(axis=1), table.biases.sum(axis=1)], axis=1
    )


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
        """Totals of the networks of ``table``, or of some of their layers, shape ``(N,)``.

        ``units`` are those of the work; ``rule`` says how the runtime lays out memory.
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
