"""Subnets as ONNX files: float networks with the batch norm folded into the convolutions."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from mcu_nas_moo.networks.onnx.graph_writer import GraphWriter
from mcu_nas_moo.networks.operators import operator_of

if TYPE_CHECKING:
    import onnx

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.networks.torch_module import SubnetModule

INPUT, OUTPUT = "image", "logits"
# Old enough for the converters of the microcontroller runtimes; the two belong together.
_OPSET, _IR_VERSION = 17, 8


def to_onnx(module: SubnetModule) -> onnx.ModelProto:
    """The network of ``module`` in evaluation mode, in float32.

    Maps ``image`` (batch, channels, height, width), batch open, to ``logits`` (batch, classes).
    Nodes have the names of the layers.

    Raises:
        InputError: if a layer is of a kind that subnets do not have.
    """
    from onnx import TensorProto, checker, helper

    layers = module.layers
    first, last = layers[0], layers[-1]
    tensors = {0: INPUT} | {layer.output: f"{layer.name}.output" for layer in layers}
    tensors[last.output] = OUTPUT
    sizes = {0: first.in_size} | {layer.output: layer.out_size for layer in layers}
    graph = GraphWriter({tensors[number]: size for number, size in sizes.items()})
    for layer in layers:
        operator, output = operator_of(layer.op), tensors[layer.output]
        inner = f"{layer.name}.inner" if layer.activation else output
        parameters = _parameters(module, layer) if operator.weighted else {}
        inputs = [tensors[tensor] for tensor in layer.inputs]
        operator.write(layer, graph.of_layer(inputs, inner, parameters))
        if layer.activation:
            named = layer._replace(name=f"{layer.name}.{layer.activation}")
            operator_of(layer.activation).write(named, graph.of_layer([inner], output))
    image: list[str | int | None] = ["batch", first.in_channels, *first.in_size]
    shape: list[str | int | None] = ["batch", last.out_channels, *last.out_size]
    whole = helper.make_graph(
        graph.nodes,
        "subnet",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape[: graph.rank(OUTPUT)])],
        graph.initialisers,
    )
    model = helper.make_model(
        whole,
        producer_name="mcu_nas_moo",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    checker.check_model(model, full_check=True)
    return model


def _parameters(module: SubnetModule, layer: Layer) -> dict[str, FloatArray]:
    """Weights and bias of a layer, its batch norm folded in."""
    from mcu_nas_moo.networks.torch_layers import folded

    weights, bias = folded(deepcopy(module.module_of(layer)).cpu().double())
    return {"weight": weights.detach().numpy(), "bias": bias.detach().numpy()}
