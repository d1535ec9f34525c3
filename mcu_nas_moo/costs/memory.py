"""Peak of the memory that live tensors take, for the layers of N int8 networks at once.

While a layer runs, its inputs, its output and every tensor that a later layer still reads are in
memory. A runtime may save some of it, by letting the output lie on top of an input that dies with
the layer, or take more, by reading a padded copy of the input.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.networks.table import Op

if TYPE_CHECKING:
    from mcu_nas_moo.costs.runtime import MemoryRule
    from mcu_nas_moo.networks.table import LayerTable, Topology
    from mcu_nas_moo.typing import IntArray


class _Tensors(NamedTuple):
    """One tensor for each of some slots."""

    slots: IntArray
    tensors: IntArray


def _in_turn(by_slot: list[list[int]]) -> tuple[_Tensors, ...]:
    """The first tensor of every slot that has one, then the second, and so on."""
    turns = []
    for turn in range(max(map(len, by_slot), default=0)):
        slots = [slot for slot, tensors in enumerate(by_slot) if len(tensors) > turn]
        tensors = [by_slot[slot][turn] for slot in slots]
        turns.append(_Tensors(np.array(slots), np.array(tensors)))
    return tuple(turns)


@lru_cache(maxsize=128)
def _held(topology: Topology) -> tuple[_Tensors, ...]:
    """Tensors in memory while each slot runs, its output aside."""
    live = topology.live
    return _in_turn(
        [
            [int(tensor) for tensor in np.flatnonzero(live[:, slot]) if tensor != slot + 1]
            for slot in range(live.shape[1])
        ]
    )


@lru_cache(maxsize=128)
def _dying(topology: Topology, ops: tuple[Op, ...]) -> tuple[_Tensors, ...]:
    """Inputs that each slot with one of ``ops`` reads last."""
    return _in_turn(
        [
            [tensor for tensor in dict.fromkeys(slot.inputs) if topology.last_use[tensor] == step]
            if slot.op in ops
            else []
            for step, slot in enumerate(topology.slots)
        ]
    )


def working_set(table: LayerTable, rule: MemoryRule) -> IntArray:
    """Bytes in memory while each layer runs, shape ``(N, L)``; 0 for layers left out.

    Exact if a tensor that a left-out slot passes on is read by no later slot under its old number;
    elsewhere an upper bound, because the tensor is then counted under both numbers.
    """
    # Tensors along the first axis: picking tensors then copies whole rows, which is much faster.
    elements = np.ascontiguousarray(table.tensor_elements.T)
    total = elements[1:].copy()
    for slots, tensors in _held(table.topology):
        total[slots] += elements[tensors]
    if rule.explicit_padding:
        _add_padding(table, elements, total)
    else:
        _subtract_overlaps(table.topology, rule.in_place, elements, total)
    total *= table.active.T
    return total.T


def _subtract_overlaps(
    topology: Topology, ops: tuple[Op, ...], elements: IntArray, total: IntArray
) -> None:
    """Take from ``total`` what outputs share with the largest input that dies with them."""
    dying = _dying(topology, ops)
    if not dying:
        return
    (slots, tensors), *others = dying
    shared = elements[tensors]
    for other in others:
        rows = np.searchsorted(slots, other.slots)
        shared[rows] = np.maximum(shared[rows], elements[other.tensors])
    total[slots] -= np.minimum(shared, elements[slots + 1])


def _add_padding(table: LayerTable, elements: IntArray, total: IntArray) -> None:
    """Let each convolution that reaches over the border read a padded copy of its input.

    Two steps follow each other: input and copy while padding, copy and output while convolving.
    An input that nothing else reads is gone in the second, so the layer needs the copy and the
    larger of input and output.
    """
    topology = table.topology
    slots = topology.columns(Op.CONV, Op.DEPTHWISE)
    height, width = table.kernel_height, table.kernel_width
    slots = slots[(np.maximum(height, width)[:, slots] > 1).any(axis=0)]
    if not len(slots):
        return
    inputs = np.array([topology.slots[slot].inputs[0] for slot in slots])
    borders = [
        _border(*(array[:, slots] for array in arrays))
        for arrays in (
            (height, table.stride_height, table.in_height, table.out_height),
            (width, table.stride_width, table.in_width, table.out_width),
        )
    ]
    copy = (
        table.in_channels[:, slots]
        * (table.in_height[:, slots] + borders[0])
        * (table.in_width[:, slots] + borders[1])
    )
    padded = (borders[0] + borders[1]).T > 0
    dying = (topology.last_use[inputs] == slots)[:, None]
    freed = np.minimum(elements[inputs], elements[slots + 1]) * dying
    total[slots] += np.where(padded, copy.T, 0)
    total[slots] -= np.where(padded, freed, 0)


def _border(kernel: IntArray, stride: IntArray, before: IntArray, after: IntArray) -> IntArray:
    """Rows or columns that padding adds, 0 if the kernel stays within the image."""
    padded = (after - 1) * stride + kernel > before
    return np.where(padded, 2 * (kernel // 2), 0)
