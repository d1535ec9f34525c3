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
    sizes = _tensor_sizes(model)
    last = {name: step for step, node in enumerate(graph.node) for name in node.input}
    last[graph.output[0].name] = len(graph.node)
    blocks = {graph.input[0].name: [_tensor(graph.input[0].name, sizes, -1, last)]}
    block_of = {graph.input[0].name: graph.input[0].name}
    for step, node in enumerate(graph.node):
        output = node.output[0]
        tensor = _tensor(output, sizes, step, last)
        block_of[output] = output
        for name in _replaceable_inputs(model, node):
            if last[name] == step and sizes[output] <= sizes[name]:
                block_of[output] = block_of[name]
                break
        blocks.setdefault(block_of[output], []).append(tensor)
        scratch = _scratch_size(model, node)
        if scratch:
            name = scratch_name(step, node.name)
            blocks[name] = [Tensor(name, scratch, step, step)]
    return list(blocks.values())


def scratch_name(step: int, node: str) -> str:
    """What the C code calls the scratch memory of a node."""
    return f"node{step}_{re.sub(r'[^0-9A-Za-z]', '_', node)}_scratch"


def _tensor(name: str, sizes: dict[str, int], first: int, last: dict[str, int]) -> Tensor:
    return Tensor(name, sizes[name], first, last.get(name, first))


def _replaceable_inputs(model: onnx.ModelProto, node: onnx.NodeProto) -> list[str]:
    """Inputs that the output of ``node`` may overwrite."""
    if node.op_type in ("Flatten", "Reshape"):
        return [node.input[0]]
    if node.op_type == "QLinearAdd":
        return [node.input[0], node.input[3]]
    if node.op_type == "QLinearConv" and attributes_of(node).get("group", 1) > 1:
        return [node.input[0]]
    return []


def _scratch_size(model: onnx.ModelProto, node: onnx.NodeProto) -> int:
    """Bytes of the padded plane of a depthwise convolution; 0 for other nodes."""
    attributes = attributes_of(node)
    if node.op_type != "QLinearConv" or attributes.get("group", 1) == 1:
        return 0
    height, width = shapes_of(model)[node.input[0]][2:]
    border: int = 2 * attributes.get("pads", [0])[0]
    return (height + border) * (width + border)


def _tensor_sizes(model: onnx.ModelProto) -> dict[str, int]:
    """Bytes of every activation; all are int8."""
    return {name: int(np.prod(shape)) for name, shape in shapes_of(model).items()}
