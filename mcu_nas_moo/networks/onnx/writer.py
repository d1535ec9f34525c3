"""Subnets as ONNX files: float networks with the batch norm folded into the convolutions."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer_table import Op

if TYPE_CHECKING:
    import onnx

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.networks.layer_table import Layer
    from mcu_nas_moo.networks.torch_module import SubnetModule

INPUT, OUTPUT = "image", "logits"
# Old enough for the converters of the microcontroller runtimes; the two belong together.
_OPSET, _IR_VERSION = 17, 8
_WITHOUT_WEIGHTS = {Op.ADD: "Add", Op.GLOBAL_POOL: "GlobalAveragePool"}


def to_onnx(module: SubnetModule) -> onnx.ModelProto:
    """The network of ``module`` in evaluation mode, in float32.

    Maps ``image`` (batch, channels, height, width), batch open, to ``logits`` (batch, classes).
    Nodes have the names of the layers.

    Raises:
        InputError: if a layer is of a kind that subnets do not have.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    layers = module.layers
    first, last = layers[0], layers[-1]
    tensors = {0: INPUT} | {layer.output: f"{layer.name}.output" for layer in layers}
    tensors[last.output] = OUTPUT
    nodes: list[onnx.NodeProto] = []
    initialisers: list[onnx.TensorProto] = []
    for layer in layers:
        inputs = [tensors[tensor] for tensor in layer.inputs]
        output = tensors[layer.output]
        # What comes before the node that gives the layer's output.
        inner = f"{layer.name}.inner" if layer.relu or layer.op is Op.GLOBAL_POOL else output
        if layer.op in (Op.CONV, Op.DEPTHWISE, Op.DENSE):
            for what, values in zip(("weight", "bias"), _parameters(module, layer), strict=True):
                inputs.append(f"{layer.name}.{what}")
                initialisers.append(numpy_helper.from_array(values.astype(np.float32), inputs[-1]))
        if layer.op is Op.DENSE:
            node = helper.make_node("Gemm", inputs, [inner], layer.name, transB=1)
        elif layer.op in (Op.CONV, Op.DEPTHWISE):
            borders = [layer.kernel[0] // 2, layer.kernel[1] // 2]
            node = helper.make_node(
                "Conv",
                inputs,
                [inner],
                layer.name,
                kernel_shape=layer.kernel,
                strides=layer.stride,
                pads=borders * 2,
                group=layer.groups,
            )
        elif layer.op in _WITHOUT_WEIGHTS:
            node = helper.make_node(_WITHOUT_WEIGHTS[layer.op], inputs, [inner], layer.name)
        else:
            raise InputError(f"layer {layer.name!r} of kind {layer.op.value!r} cannot be exported")
        nodes.append(node)
        if layer.op is Op.GLOBAL_POOL:
            nodes.append(helper.make_node("Flatten", [inner], [output], f"{layer.name}.flatten"))
        elif layer.relu:
            nodes.append(helper.make_node("Relu", [inner], [output], f"{layer.name}.relu"))

    image: list[str | int | None] = ["batch", first.in_channels, *first.in_size]
    graph = helper.make_graph(
        nodes,
        "subnet",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", last.out_channels])],
        initialisers,
    )
    model = helper.make_model(
        graph,
        producer_name="mcu_nas_moo",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    checker.check_model(model, full_check=True)
    return model


def _parameters(module: SubnetModule, layer: Layer) -> tuple[FloatArray, FloatArray]:
    """Weights and bias of a layer, its batch norm folded in."""
    from mcu_nas_moo.networks.torch_module import folded

    weights, bias = folded(deepcopy(module.module_of(layer)).cpu().double())
    return weights.detach().numpy(), bias.detach().numpy()
