"""How long each activation of a network is in memory, and which may share a place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.deployment.firmware.arena import Tensor
from mcu_nas_moo.deployment.firmware.onnx_graphs import attributes_of, shapes_of

if TYPE_CHECKING:
    import onnx


def tensor_blocks(model: onnx.ModelProto) -> list[list[Tensor]]:
    """Tensors of a network by lifetime; those of one list start at the same address.

    Steps are the nodes. The input is there before the first, the output after the last. Depthwise
    convolutions, additions and reshapes write over an input that nothing reads after them;
    depthwise convolutions also need room for one padded plane.
    """
    graph = model.graph
    shapes = shapes_of(model)
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}  # all are int8
    last = {name: step for step, node in enumerate(graph.node) for name in node.input}
    last[graph.output[0].name] = len(graph.node)
    blocks = {graph.input[0].name: [_tensor(graph.input[0].name, sizes, -1, last)]}
    block_of = {graph.input[0].name: graph.input[0].name}
    for step, node in enumerate(graph.node):
        output = node.output[0]
        tensor = _tensor(output, sizes, step, last)
        block_of[output] = output
        for name in _replaceable_inputs(node):
            if last[name] == step and sizes[output] <= sizes[name]:
                block_of[output] = block_of[name]
                break
        blocks.setdefault(block_of[output], []).append(tensor)
        if _is_depthwise(node):
            height, width = shapes[node.input[0]][2:]
            border = 2 * attributes_of(node).get("pads", [0])[0]
            # What the C code calls the padded plane.
            name = f"node{step}_{re.sub(r'[^0-9A-Za-z]', '_', node.name)}_scratch"
            blocks[name] = [Tensor(name, (height + border) * (width + border), step, step)]
    return list(blocks.values())


def _is_depthwise(node: onnx.NodeProto) -> bool:
    return node.op_type == "QLinearConv" and attributes_of(node).get("group", 1) > 1


def _tensor(name: str, sizes: dict[str, int], first: int, last: dict[str, int]) -> Tensor:
    return Tensor(name, sizes[name], first, last.get(name, first))


def _replaceable_inputs(node: onnx.NodeProto) -> list[str]:
    """Inputs that the output of ``node`` may overwrite."""
    if node.op_type == "QLinearAdd":
        return [node.input[0], node.input[3]]
    if node.op_type in ("Flatten", "Reshape") or _is_depthwise(node):
        return [node.input[0]]
    return []
