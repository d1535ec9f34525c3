"""Dense layers: of a whole tensor, or of the channels at every position."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx.layout import Layout
from mcu_nas_moo.networks.operators.operator import Layers, Operator, Shape, Wanted
from mcu_nas_moo.networks.operators.sequence import read_product

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import nn

    from mcu_nas_moo.common.arrays import IntArray
    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.networks.onnx.graph_writer import GraphWriter
    from mcu_nas_moo.networks.onnx.network import Network
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode
    from mcu_nas_moo.networks.operators.operator import Handler


class Dense(Operator):
    """A matrix and a bias, which turn a whole tensor into a vector (B, channels).

    Its input has the size 1 x 1 and as many channels as there are elements. Files may have one with
    a larger input, which is applied to the channels at every position.
    """

    name = Op.DENSE
    weighted = clamps = True
    mac_unit = "dense_mac"
    int8_nodes: ClassVar = frozenset({"com.microsoft.QGemm"})

    def in_shape(self, shape: Shape) -> Shape:
        one = np.ones_like(shape.height)
        return Shape(shape.channels * shape.height * shape.width, one, one)

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        if wanted.channels is None:
            raise InputError(f"{self.name} needs a number of outputs")
        return inputs[0]._replace(channels=wanted.channels)

    def weights(self, layers: Layers) -> IntArray:
        return layers.in_channels * layers.out_channels

    def module(self, layer: Layer) -> nn.Module:
        from mcu_nas_moo.networks.torch_layers import DenseLayer

        return DenseLayer(layer)

    def linear(
        self, layer: Layer, x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        import torch.nn.functional as F

        if layer.in_size == (1, 1):
            return F.linear(x.flatten(1), weights, bias)
        return F.linear(x.movedim(1, -1), weights, bias).movedim(-1, 1)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        (x,) = graph.inputs
        if layer.in_size == (1, 1):
            if graph.rank(x) > 2:
                x = graph.node("Flatten", [x], f"{layer.name}.flat", f"{layer.name}.flatten")
            names = graph.constants(layer, graph.parameters)
            graph.node("Gemm", [x, *names], graph.output, layer.name, transB=1)
            return
        # The same as a convolution of one pixel, which keeps the channels where they are.
        weights = graph.parameters["weight"][:, :, None, None]
        names = graph.constants(layer, {**graph.parameters, "weight": weights})
        graph.node("Conv", [x, *names], graph.output, layer.name, kernel_shape=(1, 1))

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {"Gemm": _read, "MatMul": _read}


def _read(network: Network, node: OnnxNode) -> None:
    """Gemm, or MatMul at every position."""
    constant = [network.graph.is_constant(name) for name in node.inputs[:2]]
    if node.op == "MatMul" and constant == [False, False]:
        read_product(network, node)
        return
    if constant != [False, True]:
        raise InputError(f"{node}: the second operand must be constant weights")
    weights = network.constant_dims(node, 1, "weights")
    if math.prod(weights[:-2]) != 1 or len(weights) < 2 or node.attribute("transA", 0):
        raise InputError(f"{node}: weights must be one matrix, and read from the right")
    if node.op == "Gemm" and len(node.inputs) > 2 and node.inputs[2]:
        network.constant_dims(node, 2, "the bias")
    x = network.view(node.inputs[0], Layout.CHANNELS_LAST, node)
    features = weights[-1] if node.attribute("transB", 0) else weights[-2]
    if x.shape.channels != features:
        raise InputError(
            f"{node} expects {features} features and reads {x.shape.channels}; "
            "the input shape may not fit the network"
        )
    network.add(node, Op.DENSE, [x])
