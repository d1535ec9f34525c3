"""Peak of the memory that live tensors take, for the layers of N int8 networks at once.

While a layer runs, its inputs, its output and every tensor that a later layer still reads are in
memory. A runtime may save some of it, by letting the output lie on top of an input that dies with
the layer, or take more, for a padded copy of the input or unrolled windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from mcu_nas_moo.networks.layer import Op

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.hardware.runtime import MemoryRule
    from mcu_nas_moo.networks.layer_table import LayerTable, Topology

_BYTES_PER_KIB = 1024


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
def _live_tensors(topology: Topology) -> tuple[_Tensors, ...]:
    """Tensors in memory while each slot runs, its output aside."""
    live = topology.live
    return _in_turn(
        [
            [int(tensor) for tensor in np.flatnonzero(live[:, slot]) if tensor != slot + 1]
            for slot in range(live.shape[1])
        ]
    )


@lru_cache(maxsize=128)
def _last_reads(topology: Topology, ops: tuple[str, ...]) -> tuple[_Tensors, ...]:
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

    Exact if a tensor that a left-out slot passes on is read by no later slot under its old number,
    as in the spaces of this package; elsewhere the tensor counts under both numbers.
    """
    # Tensors along the first axis: picking tensors then copies whole rows, which is much faster.
    elements = np.ascontiguousarray(table.tensor_elements.T)
    total = elements[1:].copy()
    for slots, tensors in _live_tensors(table.topology):
        total[slots] += elements[tensors]
    extra = np.zeros_like(total)
    _subtract_overlaps(table.topology, rule.in_place, elements, extra)
    _account_for_windows(table, rule, elements, extra)
    if rule.fused_pooling:
        _fuse_pooling(table, rule, elements, total, extra)
    total += extra
    total *= table.active.T
    return total.T


def _subtract_overlaps(
    topology: Topology, ops: tuple[str, ...], elements: IntArray, extra: IntArray
) -> None:
    """Take off what outputs share with the largest input that dies with them."""
    last_reads = _last_reads(topology, ops)
    if not last_reads:
        return
    (slots, tensors), *others = last_reads
    shared = elements[tensors]
    for other in others:
        rows = np.searchsorted(slots, other.slots)
        shared[rows] = np.maximum(shared[rows], elements[other.tensors])
    extra[slots] = -np.minimum(shared, elements[slots + 1])


def _account_for_windows(
    table: LayerTable, rule: MemoryRule, elements: IntArray, extra: IntArray
) -> None:
    """Set what convolutions with a window larger than 1 need beyond input and output."""
    topology = table.topology
    slots = topology.columns(Op.CONV, Op.DEPTHWISE)
    widest = np.maximum(table.kernel_height, table.kernel_width)[:, slots].max(axis=0, initial=1)
    slots = slots[widest > 1]
    if not len(slots):
        return

    def at(array: IntArray) -> IntArray:
        return array[:, slots].T

    height, width = at(table.kernel_height), at(table.kernel_width)
    windowed = (height > 1) | (width > 1)
    depthwise = np.array([topology.slots[slot].op == Op.DEPTHWISE for slot in slots])[:, None]
    # Of windowed layers, depthwise ones alone share memory by the list of kinds.
    shared = np.where(windowed & ~depthwise, 0, extra[slots])
    if rule.padded_copy != "none":
        inputs = np.array([topology.slots[slot].inputs[0] for slot in slots])
        last_reads = (topology.last_use[inputs] == slots)[:, None]
        before, after = elements[inputs], elements[slots + 1]
        padded = (
            at(table.in_channels)
            * (at(table.in_height) + _border(height, *map(at, _rows(table))))
            * (at(table.in_width) + _border(width, *map(at, _columns(table))))
        )
        has_border = padded > before
        copy = np.where(has_border, padded, 0)
        if rule.padded_copy == "apart":
            # Input and copy while padding; copy and output, and a living input, afterwards.
            freed = np.where(last_reads, np.minimum(before, after), 0)
            shared = np.where(windowed & has_border, copy - freed, shared)
        else:
            # The output follows some rows behind; at worst it lies beside the copy.
            distance = rule.trailing_rows * at(table.out_width) * at(table.out_channels)
            trailing = np.minimum(np.maximum(padded, after) + distance, padded + after)
            needed = np.where(last_reads, trailing - before - after, copy)
            shared = np.where(windowed, needed, shared)
    extra[slots] = shared + _scratch(table, rule, slots)


def _rows(table: LayerTable) -> tuple[IntArray, IntArray, IntArray]:
    return table.stride_height, table.in_height, table.out_height


def _columns(table: LayerTable) -> tuple[IntArray, IntArray, IntArray]:
    return table.stride_width, table.in_width, table.out_width


def _border(kernel: IntArray, stride: IntArray, before: IntArray, after: IntArray) -> IntArray:
    """Rows or columns of padding that the windows reach, 0 if they stay within the image."""
    return np.asarray(np.maximum((after - 1) * stride + kernel - before, 0))


def _scratch(table: LayerTable, rule: MemoryRule, slots: IntArray) -> IntArray:
    """Bytes of unrolled windows of convolutions under X-CUBE-AI, shape ``(slots, N)``.

    Read off the buffers that the tool declares in the C code that it generates, as published with
    several networks: 4 bytes per element of the window and, for each filter, two bytes per element
    and 14 more; of 3x3 filters at most 5 KiB and 64 bytes per input channel. That most is taken
    for smaller filters as well, and in proportion to their area for larger ones.
    """
    height, width = table.kernel_height[:, slots].T, table.kernel_width[:, slots].T
    if not rule.im2col:
        return np.zeros_like(height)
    channels = table.in_channels[:, slots].T
    kinds = [table.topology.slots[slot] for slot in slots]
    groups = np.array([slot.groups for slot in kinds])[:, None]
    unrolled = np.array([slot.op == Op.CONV for slot in kinds])[:, None] & (height * width > 1)
    window = height * width * (channels // groups)
    bytes_: IntArray = 4 * window + table.out_channels[:, slots].T * (2 * window + 14)
    most = (5120 + 64 * channels) * np.maximum(height * width, 9) // 9
    return np.where(unrolled, np.minimum(bytes_, most), 0)


def _fuse_pooling(
    table: LayerTable, rule: MemoryRule, elements: IntArray, total: IntArray, extra: IntArray
) -> None:
    """Let two rows stand for the output of a convolution that a pool without padding reads."""
    topology = table.topology
    for pool, slot in enumerate(topology.slots):
        written = slot.inputs[0]
        conv = written - 1
        if slot.op != Op.POOL or conv != pool - 1 or conv < 0:
            continue
        if topology.slots[conv].op != Op.CONV or topology.last_use[written] != pool:
            continue
        inside = np.ones(len(table), dtype=np.bool_)
        window = np.zeros(len(table), dtype=np.int64)
        for kernel, (stride, before, after) in (
            (table.kernel_height, _rows(table)),
            (table.kernel_width, _columns(table)),
        ):
            reach = (after[:, pool] - 1) * stride[:, pool] + kernel[:, pool]
            inside &= reach <= before[:, pool]
            window = np.maximum(window, kernel[:, pool])
        fused = inside & (window > 1)
        rows = 2 * table.out_channels[:, conv] * table.out_width[:, conv]
        read = topology.slots[conv].inputs[0]
        needed = (
            total[pool]
            - elements[written]
            + (elements[read] if topology.last_use[read] == conv else 0)
            + rows
            + _scratch(table, rule, np.array([conv]))[0]
        )
        for step in (conv, pool):
            extra[step] = np.where(fused, needed - total[step], extra[step])


class LiveTensor(NamedTuple):
    """A tensor in memory while a layer runs.

    Args:
        layer: name of the layer that wrote it; ``network input`` for the input of the network.
        role: ``input`` or ``output`` of the running layer, or ``kept`` for a later one.
        kib: memory of its own; an output that lies on top of an input counts what reaches over.
    """

    layer: str
    role: Literal["input", "output", "kept"]
    kib: float


@dataclass(frozen=True)
class MemoryStep:
    """What is in SRAM while one layer runs; the parts add up to the layer's ``sram_kib``.

    Args:
        tensors: those alive, the oldest first.
        scratch_kib: padded copies, scratch buffers and alignment.
        runtime_kib: what the runtime takes for the whole network.
    """

    tensors: tuple[LiveTensor, ...]
    scratch_kib: float
    runtime_kib: float


def memory_steps(
    table: LayerTable, working_kib: FloatArray, sram_kib: FloatArray
) -> tuple[MemoryStep, ...]:
    """What makes up ``sram_kib`` of each layer, both arrays of shape ``(L,)``.

    Tensors alive, less what the runtime overlays, are at most the working set; what all layers
    have beyond it is the runtime's, the rest is the layer's scratch.
    """
    runtime_kib = max(0.0, float((sram_kib - working_kib).min()))
    sizes: IntArray = table.tensor_elements[0]
    topology = table.topology
    names = ("network input", *(slot.name for slot in topology.slots))
    steps = []
    for step, slot in enumerate(topology.slots):
        alive = [int(tensor) for tensor in np.flatnonzero(topology.live[:, step])]
        kib = {tensor: int(sizes[tensor]) / _BYTES_PER_KIB for tensor in alive}
        overlap = max(0.0, sum(kib.values()) - min(working_kib[step], sram_kib[step]))
        # Of two tensors on top of each other, the output counts what reaches over. It cannot save
        # more than its size: beyond that, the input does not exist as a whole.
        output = step + 1
        first = (output, *slot.inputs) if overlap <= kib[output] else (*slot.inputs, output)
        for tensor in (*first, *alive):
            saved = min(overlap, kib[tensor])
            kib[tensor] -= saved
            overlap -= saved
        tensors = []
        for tensor in alive:
            role: Literal["input", "output", "kept"] = "kept"
            if tensor == output:
                role = "output"
            elif tensor in slot.inputs:
                role = "input"
            tensors.append(LiveTensor(names[tensor], role, float(kib[tensor])))
        rest = float(sram_kib[step]) - runtime_kib - sum(kib.values())
        steps.append(MemoryStep(tuple(tensors), max(0.0, rest), runtime_kib))
    return tuple(steps)
