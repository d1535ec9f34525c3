"""Layer tables: the layers of N networks at once.

All networks of a table share one *topology*, a fixed sequence of slots; each network fills the
slots with its own shapes and leaves some of them out. Costs and torch modules are both made from
this table, so that they cannot disagree about a shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Layer, Op, Slot
from mcu_nas_moo.networks.operators import Operator, operator_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Topology:
    """The slots of a layer table, in order of execution.

    ``outputs`` are the tensors that the network hands to the application: that of the last slot,
    unless others are given. A slot left out passes its first input on under its own tensor
    number. A space must therefore give the two tensors the same shape.
    """

    slots: tuple[Slot, ...]
    outputs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.outputs:
            object.__setattr__(self, "outputs", (len(self.slots),))

    @cached_property
    def last_use(self) -> IntArray:
        """Slot that reads each tensor last, shape ``(L + 1,)``; outputs outlive all slots."""
        last = np.arange(-1, len(self.slots), dtype=np.int64)
        for step, slot in enumerate(self.slots):
            last[list(slot.inputs)] = step
        last[list(self.outputs)] = len(self.slots)
        return last

    @cached_property
    def live(self) -> BoolArray:
        """``live[t, l]``: tensor ``t`` is in memory while slot ``l`` runs, shape ``(L + 1, L)``."""
        steps = np.arange(len(self.slots))
        born = np.arange(-1, len(self.slots))
        return (born[:, None] <= steps) & (steps <= self.last_use[:, None])

    @cached_property
    def grouped(self) -> BoolArray:
        """Which slots hold convolutions of several groups, depthwise ones aside, ``(L,)``."""
        return np.array([slot.op == Op.CONV and slot.groups > 1 for slot in self.slots])

    @cached_property
    def operators(self) -> tuple[tuple[Operator, IntArray], ...]:
        """The operators, each with the numbers of its slots."""
        names = [slot.op for slot in self.slots]
        return tuple((operator_of(name), self.columns(name)) for name in dict.fromkeys(names))

    @cached_property
    def weighted(self) -> BoolArray:
        """Which slots hold layers with weights, ``(L,)``."""
        return np.array([operator_of(slot.op).weighted for slot in self.slots])

    def columns(self, *ops: str) -> IntArray:
        """Numbers of the slots that hold one of ``ops``."""
        return np.flatnonzero([slot.op in ops for slot in self.slots])


@dataclass(frozen=True, eq=False)
class LayerTable:
    """The layers of N networks with L slots; every array has shape ``(N, L)``.

    Sizes are in elements (one byte each in an int8 network). Kernels and strides are those of
    convolutions and pools, and 1 elsewhere. Shapes of slots that are left out count for nothing:
    use ``active``, or the derived quantities, which are 0 there.
    """

    topology: Topology
    active: BoolArray
    in_channels: IntArray
    out_channels: IntArray
    kernel_height: IntArray
    kernel_width: IntArray
    stride_height: IntArray
    stride_width: IntArray
    in_height: IntArray
    in_width: IntArray
    out_height: IntArray
    out_width: IntArray

    def __len__(self) -> int:
        return len(self.active)

    @classmethod
    def of(cls, layers: Sequence[Layer], outputs: Sequence[int] = ()) -> LayerTable:
        """Table of one network, given by its layers in order of execution.

        Args:
            layers: tensors may be numbered at will, the network input is number 0.
            outputs: tensors that the application reads; that of the last layer if none are given.

        Raises:
            InputError: if there are no layers, or one reads a tensor that none before it wrote.
        """
        if not layers:
            raise InputError("a network without layers has no costs")
        number = {0: 0}
        slots = []
        for layer in layers:
            missing = [tensor for tensor in layer.inputs if tensor not in number]
            if missing:
                raise InputError(f"layer {layer.name!r} reads tensor {missing[0]} before it exists")
            inputs = tuple(number[tensor] for tensor in layer.inputs)
            operator_of(layer.op).check(layer.attributes)
            groups = 1 if layer.op == Op.DEPTHWISE else layer.groups
            slots.append(
                Slot(layer.name, layer.op, inputs, layer.activation, groups, layer.attributes)
            )
            number[layer.output] = len(slots)
        figures = [
            (
                *(layer.in_channels, layer.out_channels, *layer.kernel, *layer.stride),
                *(*layer.in_size, *layer.out_size),
            )
            for layer in layers
        ]
        topology = Topology(tuple(slots), tuple(number[tensor] for tensor in outputs))
        columns = np.array(figures, dtype=np.int64).T[:, None, :]
        return cls(topology, np.ones((1, len(slots)), dtype=np.bool_), *columns)

    @cached_property
    def input_elements(self) -> IntArray:
        """Elements of the network input, shape ``(N,)``."""
        return self.in_channels[:, 0] * self.in_height[:, 0] * self.in_width[:, 0]

    @cached_property
    def out_elements(self) -> IntArray:
        """Elements that each layer writes."""
        return self.out_channels * (self.out_height * self.out_width) * self.active

    @cached_property
    def in_elements(self) -> IntArray:
        """Elements that each layer reads, all its inputs together."""
        read = self.in_channels * (self.in_height * self.in_width)
        for column, slot in enumerate(self.topology.slots):
            if len(slot.inputs) > 1:
                read[:, column] = self.tensor_elements[:, list(slot.inputs)].sum(axis=1)
        return read * self.active

    @cached_property
    def tensor_elements(self) -> IntArray:
        """Elements of each tensor, shape ``(N, L + 1)``; of slots left out, those passed on."""
        written = self.out_channels * (self.out_height * self.out_width)
        return np.concatenate([self.input_elements[:, None], written], axis=1)

    @cached_property
    def weights(self) -> IntArray:
        """Weights of each layer, without biases."""
        weights: IntArray = np.zeros_like(self.out_channels)
        for operator, columns in self.topology.operators:
            if operator.weighted:
                weights[:, columns] = operator.weights(Columns(self, columns))
        weights *= self.active
        return weights

    @cached_property
    def weighted(self) -> BoolArray:
        """Layers with weights: convolutions, dense layers, norms on their own."""
        return self.active & self.topology.weighted

    @cached_property
    def biases(self) -> IntArray:
        """Biases of each layer (batch norm is folded into them)."""
        return self.out_channels * self.weighted

    @cached_property
    def macs(self) -> IntArray:
        """Multiply-accumulates of each layer; adds and pools have none."""
        macs: IntArray = self.weights * (self.out_height * self.out_width)
        for operator, columns in self.topology.operators:
            if type(operator).macs is not Operator.macs:
                macs[:, columns] = operator.macs(Columns(self, columns)) * self.active[:, columns]
        return macs

    def layers(self, row: int = 0) -> list[Layer]:
        """The layers of network ``row`` alone, left-out slots resolved."""
        alias = {0: 0}
        layers = []
        for column, slot in enumerate(self.topology.slots):
            inputs = tuple(alias[tensor] for tensor in slot.inputs)
            if not self.active[row, column]:
                alias[column + 1] = inputs[0]
                continue
            alias[column + 1] = column + 1
            layers.append(
                Layer(
                    slot.name,
                    slot.op,
                    inputs,
                    column + 1,
                    slot.activation,
                    int(self.in_channels[row, column]),
                    int(self.out_channels[row, column]),
                    (int(self.kernel_height[row, column]), int(self.kernel_width[row, column])),
                    (int(self.stride_height[row, column]), int(self.stride_width[row, column])),
                    (int(self.in_height[row, column]), int(self.in_width[row, column])),
                    (int(self.out_height[row, column]), int(self.out_width[row, column])),
                    int(self.in_channels[row, column]) if slot.op == Op.DEPTHWISE else slot.groups,
                    slot.attributes,
                )
            )
        return layers


@dataclass(frozen=True, eq=False)
class Columns:
    """Some columns of a table, as :class:`Layers` of one operator."""

    table: LayerTable
    columns: IntArray

    def __getattr__(self, name: str) -> IntArray:
        figures: IntArray = getattr(self.table, name)[:, self.columns]
        return figures

    @property
    def groups(self) -> IntArray:
        """Groups of each, those of depthwise convolutions aside; ``(columns,)``."""
        slots = self.table.topology.slots
        return np.array([slots[column].groups for column in self.columns.tolist()])
