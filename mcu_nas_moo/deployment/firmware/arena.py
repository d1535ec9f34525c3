"""The arena: one static block of memory in which every activation has its planned place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import IntArray

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
