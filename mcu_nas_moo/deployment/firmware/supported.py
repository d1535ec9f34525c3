"""Which layers the kernels compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.firmware.onnx_graphs import attributes_of, shapes_of

if TYPE_CHECKING:
    import onnx

    Constants = dict[str, np.ndarray[Any, Any]]
    Shapes = dict[str, list[int]]


def check_supported(model: onnx.ModelProto) -> None:
    """Raise an InputError that names the first layer which the kernels do not compute."""
    from onnx import numpy_helper

    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    shapes = shapes_of(model)
    for node in model.graph.node:
        for name in node.output:
            if name not in shapes:
                raise InputError(f"the int8 network does not tell the shape of tensor {name!r}")
        try:
            problem = _problem(node, constants, shapes)
        except (KeyError, IndexError) as error:
            problem = f"{error} is missing"
        if problem:
            raise InputError(f"layer {node.name!r} cannot become firmware: {problem}")


def _problem(node: onnx.NodeProto, constants: Constants, shapes: Shapes) -> str | None:
    """What a kernel cannot do about a node, None if it can."""
    for name in node.input:
        values = constants.get(name)
        if (
            values is not None
            and values.dtype.kind == "f"
            and not (np.isfinite(values).all() and (values > 0).all())
        ):
            return f"{name} is not finite and above 0"
    if node.op_type == "QLinearAdd":
        sizes = {tuple(shapes[name]) for name in (node.input[0], node.input[3], node.output[0])}
        return "its inputs differ in shape" if len(sizes) > 1 else None
    if node.op_type == "QGemm":
        return _problem_of_dense(node, constants)
    if node.op_type == "QLinearConv":
        return _problem_of_convolution(node, constants, shapes)
    return None


def _problem_of_weights(
    node: onnx.NodeProto, constants: Constants, outputs: int, bias: int
) -> str | None:
    """Weights, their scales and zero points stand at the inputs 3 to 5 of both kinds of layers."""
    if constants[node.input[5]].any():
        return "its weights have a zero point"
    if constants[node.input[4]].size != outputs:
        return "its weights have not one scale per output"
    if len(node.input) <= bias or constants[node.input[bias]].shape != (outputs,):
        return "it has no bias per output"
    return None


def _problem_of_dense(node: onnx.NodeProto, constants: Constants) -> str | None:
    attributes = attributes_of(node)
    if (attributes.get("transA", 0), attributes.get("transB", 0)) != (0, 1):
        return "its weights are not stored output by output"
    if attributes.get("alpha", 1.0) != 1.0 or len(node.input) < 9:
        return "its output is scaled by alpha, or not quantised"
    return _problem_of_weights(node, constants, constants[node.input[3]].shape[0], bias=6)


def _problem_of_convolution(
    node: onnx.NodeProto, constants: Constants, shapes: Shapes
) -> str | None:
    attributes = attributes_of(node)
    height, width = constants[node.input[3]].shape[2:]
    groups, channels = attributes.get("group", 1), shapes[node.input[0]][1]
    outputs = shapes[node.output[0]][1]
    one_depthwise = groups in (1, channels) and (groups == 1 or outputs == channels)
    for holds, problem in (
        (height == width, "its kernel is not square"),
        (
            attributes.get("kernel_shape", [height, width]) == [height, width],
            "its kernel_shape is not that of its weights",
        ),
        (len(set(attributes.get("strides", [1]))) == 1, "its stride is not square"),
        (attributes.get("auto_pad", b"NOTSET") == b"NOTSET", "its padding is automatic"),
        (len(set(attributes.get("pads", [0]))) == 1, "it pads the sides differently"),
        (set(attributes.get("dilations", [1])) == {1}, "it is dilated"),
        (one_depthwise, f"it has {groups} groups for {channels} channels"),
    ):
        if not holds:
            return problem
    return _problem_of_weights(node, constants, outputs, bias=8)
