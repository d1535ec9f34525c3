"""What is in memory while each layer of one network runs, tensor by tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.networks.layer_table import LayerTable

_BYTES_PER_KIB = 1024


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
