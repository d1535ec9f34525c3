"""The arena: one static block of memory in which every activation has its planned place.

How long each activation of a network is in memory, and which may share a place, follows from the
network; where each lies is searched for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.firmware.kernels.register import kernel_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import IntArray
    from mcu_nas_moo.deployment.firmware.network import Int8Network

#: Orders of placement that are tried at random when none of the usual ones reaches the bound.
_RANDOM_ORDERS = 200


class Tensor(NamedTuple):
    """Something in memory: ``size`` bytes, from step ``first`` to step ``last``, both included."""

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class ArenaPlan:
    """Places of tensors in an arena.

    Attributes:
        offsets: of each tensor, in bytes, by name.
        size: of the arena, in bytes.
        bound: no plan is smaller: what is in memory at the fullest step.
        peak: number of that step.
    """

    offsets: dict[str, int]
    size: int
    bound: int
    peak: int


def plan_arena(blocks: Sequence[Sequence[Tensor]]) -> ArenaPlan:
    """Place tensors so that those in memory at the same time do not overlap.

    First fit in several orders, the largest first among them, until the lower bound is reached;
    the smallest arena found is taken. The same blocks give the same plan.

    Args:
        blocks: tensors of one block start at the same address and may overlap: the output of a
            layer that works in place, and its input. All others are kept apart.

    Raises:
        InputError: if there are no tensors.
    """
    if not any(blocks):
        raise InputError("an arena without tensors needs no plan")
    steps = 1 + max(tensor.last for block in blocks for tensor in block)
    occupied = np.zeros((len(blocks), steps), dtype=np.int64)
    for row, block in enumerate(blocks):
        for tensor in block:
            span = slice(max(tensor.first, 0), tensor.last + 1)
            occupied[row, span] = np.maximum(occupied[row, span], tensor.size)
    load = occupied.sum(axis=0)
    bound = int(load.max())
    best: IntArray | None = None
    best_size = 0
    for order in _orders(occupied):
        places = _first_fit(occupied, order)
        size = int((places[:, None] + occupied).max(where=occupied > 0, initial=0))
        if best is None or size < best_size:
            best, best_size = places, size
        if best_size == bound:
            break
    assert best is not None
    offsets = {
        tensor.name: int(place)
        for block, place in zip(blocks, best, strict=True)
        for tensor in block
    }
    return ArenaPlan(offsets, best_size, bound, int(load.argmax()))


def _orders(occupied: IntArray) -> list[IntArray]:
    """Orders of placement, the promising ones first."""
    size, life = occupied.max(axis=1), (occupied > 0).sum(axis=1)
    at_peak = occupied[:, occupied.sum(axis=0).argmax()] > 0
    born = (occupied > 0).argmax(axis=1)
    rng = np.random.default_rng(0)
    return [
        np.argsort(-size, kind="stable"),
        np.lexsort((-size, ~at_peak)),
        np.argsort(-size * life, kind="stable"),
        np.argsort(born, kind="stable"),
        *(rng.permutation(len(occupied)) for _ in range(_RANDOM_ORDERS)),
    ]


def _first_fit(occupied: IntArray, order: IntArray) -> IntArray:
    """Lowest free address of each block ``(B,)``, placed in ``order``."""
    places = np.zeros(len(occupied), dtype=np.int64)
    placed: list[int] = []
    for row in order:
        wanted = occupied[row]
        others = occupied[placed]
        both = (others > 0) & (wanted > 0)
        starts = places[placed][:, None]
        ends = starts + others
        for place in np.unique(np.append(ends[both], 0)):
            if not (both & (starts < place + wanted) & (place < ends)).any():
                places[row] = place
                break
        placed.append(int(row))
    return places


def tensor_blocks(network: Int8Network, simd: bool = True) -> list[list[Tensor]]:
    """Tensors of a network by lifetime; those of one list start at the same address.

    Steps are the nodes. The input is there before the first, the output after the last. A node
    writes over an input that nothing reads after it, where its kernel can.

    Args:
        simd: for a core with the DSP extension.
    """
    sizes = {name: prod(shape) for name, shape in network.shapes.items()}  # all are int8
    last = {name: step for step, node in enumerate(network.nodes) for name in node.inputs}
    last[network.output] = len(network.nodes)
    blocks = {name: [_tensor(name, sizes, -1, last)] for name in network.inputs}
    block_of = {name: name for name in network.inputs}
    for step, node in enumerate(network.nodes):
        kernel, output = kernel_of(node), node.output
        tensor = _tensor(output, sizes, step, last)
        block_of[output] = output
        for name in (node.inputs[place] for place in kernel.overwrites(node)):
            if last[name] == step and sizes[output] <= sizes[name]:
                block_of[output] = block_of[name]
                break
        blocks.setdefault(block_of[output], []).append(tensor)
        scratch = kernel.scratch_bytes(node, simd)
        if scratch:
            name = scratch_name(step)
            blocks[name] = [Tensor(name, scratch, step, step)]
    return list(blocks.values())


def _tensor(name: str, sizes: dict[str, int], first: int, last: dict[str, int]) -> Tensor:
    return Tensor(name, sizes[name], first, last.get(name, first))


def scratch_name(number: int) -> str:
    """What the scratch memory of a node is called in a plan."""
    return f"{number} scratch"
