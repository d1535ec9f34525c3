"""Functions of one int8 tensor as tables: onnxruntime itself computes them for all 256 numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.deployment.export.int8_model import session
from mcu_nas_moo.deployment.firmware.kernels.table import EVERY_BYTE

if TYPE_CHECKING:
    import onnx

#: Operators that compute each element of the output from the same element of their inputs.
ELEMENTWISE = {
    *("QuantizeLinear", "DequantizeLinear", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearMul"),
    *("QLinearAdd", "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Clip"),
    *("HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Gelu", "QuickGelu", "Softplus", "Softsign"),
    *("Mish", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Pow", "Reciprocal", "Sin", "Cos"),
    *("Floor", "Ceil", "Round", "Add", "Sub", "Mul", "Div", "Min", "Max", "Identity"),
}


def tables_of_functions(model: onnx.ModelProto) -> None:
    """Replace nodes that compute one int8 tensor from another, element by element, by a ``Table``.

    A chain of such nodes becomes one table. What is only copied becomes an ``Identity``.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    chains = _chains(model)
    outside = [node for node in graph.node if node.output[0] not in chains]
    needed = {name for node in outside for name in node.input} | {v.name for v in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        output = node.output[0]
        if output not in chains:
            kept.append(node)
            continue
        root, nodes = chains[output]
        if output not in needed:
            continue
        values = _values(model, root, nodes)
        if values.dtype != np.int8:  # a float that something outside reads
            kept.extend(one for one in nodes if one not in kept)
            continue
        name = nodes[-2].name if len(nodes) > 1 else node.name
        if (values == EVERY_BYTE).all():
            kept.append(helper.make_node("Identity", [root], [output], name))
            continue
        table = f"{output}_table"
        graph.initializer.append(numpy_helper.from_array(values, table))
        kept.append(helper.make_node("Table", [root, table], [output], name))
    del graph.node[:]
    graph.node.extend(kept)


def _chains(model: onnx.ModelProto) -> dict[str, tuple[str, list[onnx.NodeProto]]]:
    """For each tensor that follows from one int8 tensor alone: that one, and the nodes between."""
    from onnx import TensorProto, numpy_helper

    graph = model.graph
    scalars = {item.name for item in graph.initializer if numpy_helper.to_array(item).size == 1} | {
        ""
    }
    int8 = {
        value.name
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.elem_type == TensorProto.INT8
    }
    chains: dict[str, tuple[str, list[onnx.NodeProto]]] = {}
    for node in graph.node:
        if node.op_type not in ELEMENTWISE:
            continue
        tensors = [name for name in node.input if name not in scalars]
        roots = {chains[name][0] if name in chains else name for name in tensors}
        if len(roots) != 1 or not roots <= int8:
            continue
        nodes: list[onnx.NodeProto] = []
        for name in tensors:
            nodes += [one for one in chains.get(name, ("", []))[1] if one not in nodes]
        chains[node.output[0]] = (roots.pop(), [*nodes, node])
    return chains


def _values(
    model: onnx.ModelProto, root: str, nodes: list[onnx.NodeProto]
) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Outputs of a chain for every byte."""
    from onnx import TensorProto, ValueInfoProto, helper

    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "function",
        [helper.make_tensor_value_info(root, TensorProto.INT8, [1, 256])],
        [ValueInfoProto(name=nodes[-1].output[0])],
        [item for item in model.graph.initializer if item.name in read],
    )
    function = helper.make_model(
        graph, ir_version=model.ir_version, opset_imports=model.opset_import
    )
    values: np.ndarray[tuple[int], np.dtype[np.int8]]
    values = session(function).run(None, {root: EVERY_BYTE[None]})[0].ravel()
    return values
