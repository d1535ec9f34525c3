"""What networks ask of a runtime, in units that its coefficients multiply.

The cost model evaluates these quantities and the calibration fits coefficients to them, so that
both mean the same by every unit.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.hardware.cost_model.tensor_memory import working_set
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.operators import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.hardware.runtime import MemoryRule
    from mcu_nas_moo.networks.layer_table import LayerTable
    from mcu_nas_moo.networks.operators import Operator

#: Input channels below which a convolution leaves lanes of the multiplier idle.
FULL_CHANNELS = 8


def work_by_layer(table: LayerTable, unit: str) -> IntArray:
    """Work of each layer in one unit of :data:`WORK`, shape ``(N, L)``."""
    return _UNITS[unit](table)


def _of_operators(
    table: LayerTable, values: IntArray, chosen: Callable[[Operator], bool]
) -> IntArray:
    """``values`` of the layers of some operators, 0 elsewhere."""
    found: IntArray = np.zeros_like(values)
    for operator, columns in table.topology.operators:
        if chosen(operator):
            found[:, columns] = values[:, columns]
    return found


def _macs_in(table: LayerTable, unit: str) -> IntArray:
    """MACs of the operators whose MACs count in ``unit``."""
    return _of_operators(table, table.macs, lambda operator: operator.mac_unit == unit)


def _window_macs(table: LayerTable) -> IntArray:
    """MACs of convolutions if each filter had one input channel."""
    return np.asarray(table.out_elements * table.kernel_height * table.kernel_width)


def _conv_macs(table: LayerTable) -> IntArray:
    """MACs of convolutions; in groups, those with channels beyond the first of each group."""
    macs = _macs_in(table, "conv_mac")
    grouped = table.topology.grouped
    if grouped.any():
        macs[:, grouped] -= _window_macs(table)[:, grouped]
    return macs


def _depthwise_macs(table: LayerTable) -> IntArray:
    """MACs of depthwise convolutions, and with the first channel of each group of others."""
    macs = _macs_in(table, "depthwise_mac")
    grouped = table.topology.grouped
    if grouped.any():
        macs[:, grouped] = _window_macs(table)[:, grouped]
    return macs


def _idle_macs(table: LayerTable) -> IntArray:
    """MACs that more input channels would add before convolutions fill the multiplier."""
    missing = np.maximum(FULL_CHANNELS - table.in_channels, 0)
    macs = _of_operators(
        table, _window_macs(table) * missing, lambda operator: operator.name == Op.CONV
    )
    macs[:, table.topology.grouped] = 0
    return macs


_UNITS: dict[str, Callable[[LayerTable], IntArray]] = {
    "conv_mac": _conv_macs,
    "depthwise_mac": _depthwise_macs,
    "dense_mac": lambda table: _macs_in(table, "dense_mac"),
    "idle_mac": _idle_macs,
    "input_element": lambda table: table.in_elements,
    "output_element": lambda table: table.out_elements,
    "elementwise_element": lambda table: _of_operators(
        table, table.out_elements, lambda operator: operator.elementwise
    ),
    "layer": lambda table: table.active.astype(np.int64),
}
# Bit of convolutions with a window of more than one pixel, above those of all operators.
_WIDE = 1 << 62
#: Units of work that cost cycles: the fields of ``Cycles``.
WORK = tuple(_UNITS)


def all_work_of(table: LayerTable) -> FloatArray:
    """Work of each network in the units of :data:`WORK`, shape ``(N, 8)``."""
    work = [work_by_layer(table, unit).sum(axis=1) for unit in WORK]
    return np.stack(work, axis=1, dtype=np.float64)


def kind_bits(table: LayerTable) -> IntArray:
    """Kind of each layer as one bit, shape ``(N, L)``; 0 for layers left out.

    Pointwise convolutions are a kind of their own. A runtime links the kernel of a kind once,
    however often the network uses it.
    """
    bits: IntArray = np.zeros_like(table.out_channels)
    for operator, columns in table.topology.operators:
        bits[:, columns] = 1 << number_of(operator.kernel_kind or operator.name)
    columns = table.topology.columns(Op.CONV)
    wide = table.kernel_height[:, columns] * table.kernel_width[:, columns] > 1
    bits[:, columns] = np.where(wide, _WIDE, bits[:, columns])
    return bits * table.active


def kinds_of(table: LayerTable) -> IntArray:
    """Number of kinds of layers in each network, shape ``(N,)``; see :func:`kind_bits`."""
    kinds: IntArray = np.bitwise_or.reduce(kind_bits(table), axis=1)
    return np.bitwise_count(kinds).astype(np.int64)


def counts_of(table: LayerTable) -> IntArray:
    """Layers, layers with weights, and their output channels of each network, shape ``(N, 3)``."""
    return np.stack(
        [table.active.sum(axis=1), table.weighted.sum(axis=1), table.biases.sum(axis=1)], axis=1
    )


class Totals(NamedTuple):
    """What the layers of networks, or of parts of them, add up to; integers of one shape.

    Attributes:
        work: in some units of ``WORK``, one array each.
        layers, weighted: number of layers, and of those with weights.
        channels: output channels of layers with weights.
        kinds: kinds of layers, one bit each.
        peak: largest number of bytes in memory while a layer runs.
    """

    work: tuple[IntArray, ...]
    macs: IntArray
    weights: IntArray
    layers: IntArray
    weighted: IntArray
    channels: IntArray
    kinds: IntArray
    peak: IntArray

    @classmethod
    def of(
        cls, table: LayerTable, units: Sequence[str], rule: MemoryRule, parts: Sequence[int] = (0,)
    ) -> Totals:
        """Totals of each part of the networks of ``table``, shape ``(N, P)``.

        ``parts`` are the first layers of each, in order; a part ends where the next one begins.
        """

        # Sums of integers are exact in any order, so costs do not depend on the batch.
        def joined(join: np.ufunc, by_layer: Any) -> IntArray:
            return np.asarray(join.reduceat(by_layer, parts, axis=1, dtype=np.int64))

        return cls(
            work=tuple(joined(np.add, work_by_layer(table, unit)) for unit in units),
            macs=joined(np.add, table.macs),
            weights=joined(np.add, table.weights),
            layers=joined(np.add, table.active),
            weighted=joined(np.add, table.weighted),
            channels=joined(np.add, table.biases),
            kinds=joined(np.bitwise_or, kind_bits(table)),
            peak=joined(np.maximum, working_set(table, rule)),
        )

    def joined(self, other: Totals) -> Totals:
        """Totals of networks of these parts and the ``other`` ones; shapes are broadcast."""
        return self.combined(lambda join, one, two: join(one, two), other)

    def networks(self, settings: IntArray) -> Totals:
        """Totals ``(N,)`` of networks whose parts are the rows ``settings`` ``(P, N)`` of these."""
        return self.combined(lambda join, array: join.reduce(array[settings], axis=0))

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
        return self.combined(lambda _, array: change(array))

    def combined(self, change: Callable[..., IntArray], *others: Totals) -> Totals:
        """``change`` of every array; it is given what joins two parts, and arrays of ``others``."""
        every = (self, *others)
        return Totals(
            tuple(map(partial(change, np.add), *(totals.work for totals in every))),
            *map(change, _JOINS, *(totals[1:] for totals in every)),
        )


#: What joins two parts, for each field of totals after the first one, whose arrays are added.
_JOINS = (*[np.add] * 5, np.bitwise_or, np.maximum)
