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
    from mcu_nas_moo.typing import FloatArray, IntArray


class _Overlap(NamedTuple):
    """Slots and, for each, one input that dies there; a slot's other dying inputs come later."""

    slots: IntArray
    inputs: IntArray


@lru_cache(maxsize=128)
def _live(topology: Topology) -> FloatArray:
    return topology.live.astype(np.float64)


@lru_cache(maxsize=128)
def _overlaps(topology: Topology, ops: tuple[Op, ...]) -> tuple[_Overlap, ...]:
    """The n-th dying input of every slot that holds one of ``ops``, for n = 0, 1, ..."""
    dying = [
        [tensor for tensor in dict.fromkeys(slot.inputs) if topology.last_use[tensor] == step]
        if slot.op in ops
        else []
        for step, slot in enumerate(topology.slots)
    ]
    overlaps = []
    for number in range(max(map(len, dying), default=0)):
        slots = [step for step, tensors in enumerate(dying) if len(tensors) > number]
        inputs = [dying[step][number] for step in slots]
        overlaps.append(_Overlap(np.array(slots), np.array(inputs)))
    return tuple(overlaps)


def working_set(table: LayerTable, rule: MemoryRule) -> FloatArray:
    """Bytes in memory while each layer runs, shape ``(N, L)``; 0 for layers left out.

    Exact for topologies in which no tensor outlives the slots that make a copy of it by being
    left out; elsewhere an upper bound, because such a copy is counted beside its original.
    """
    elements = table.tensor_elements.astype(np.float64)
    written = elements[:, 1:]
    total = elements @ _live(table.topology)
    if rule.explicit_padding:
        _add_padding(table, elements, total)
    else:
        _subtract_overlaps(table.topology, rule.in_place, elements, written, total)
    return np.multiply(total, table.active, out=total)


def _subtract_overlaps(
    topology: Topology,
    ops: tuple[Op, ...],
    elements: FloatArray,
    written: FloatArray,
    total: FloatArray,
) -> None:
    """Take from ``total`` what outputs share with the largest input that dies with them."""
    overlaps = _overlaps(topology, ops)
    if not overlaps:
        return
    first, *others = overlaps
    shared = elements[:, first.inputs]
    for other in others:
        columns = np.searchsorted(first.slots, other.slots)
        shared[:, columns] = np.maximum(shared[:, columns], elements[:, other.inputs])
    total[:, first.slots] -= np.minimum(shared, written[:, first.slots])


def _add_padding(table: LayerTable, elements: FloatArray, total: FloatArray) -> None:
    """Let each convolution wider than 1 read a padded copy of its input.

    Two steps follow each other: input and copy while padding, copy and output while convolving.
    The input is gone in the second if nothing else reads it.
    """
    topology = table.topology
    convolutions = topology.columns(Op.CONV, Op.DEPTHWISE)
    columns = convolutions[(table.kernel[:, convolutions] > 1).any(axis=0)]
    if not len(columns):
        return
    inputs = np.array([topology.slots[column].inputs[0] for column in columns])
    kernel = table.kernel[:, columns]
    border = 2 * (kernel // 2)
    copy = (
        table.in_channels[:, columns]
        * (table.in_height[:, columns] + border)
        * (table.in_width[:, columns] + border)
    )
    dying = topology.last_use[inputs] == columns
    freed = np.minimum(elements[:, inputs] * dying, elements[:, columns + 1])
    total[:, columns] += np.where(kernel > 1, copy - freed, 0)
