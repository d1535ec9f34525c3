"""What transformers are made of beside dense layers: layer norm and products of two tensors.

A sequence of T tokens of d features has d channels, height 1 and width T.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx.layout import Layout
from mcu_nas_moo.networks.onnx.layout import Shape as ImageShape
from mcu_nas_moo.networks.operators.operator import Layers, Operator, Shape, Wanted

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


class LayerNorm(Operator):
    """The channels at each position, scaled to mean 0 and variance 1 (Ba et al., 2016)."""

    name = Op.LAYER_NORM
    weighted = elementwise = True
    int8_nodes: ClassVar = frozenset({"LayerNormalization"})

    def weights(self, layers: Layers) -> IntArray:
        return layers.out_channels

    def macs(self, layers: Layers) -> IntArray:
        return np.zeros_like(layers.out_channels)

    def module(self, layer: Layer) -> nn.Module:
        from mcu_nas_moo.networks.torch_layers import ChannelNorm

        return ChannelNorm(layer.in_channels)

    def linear(
        self, layer: Layer, x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        import torch.nn.functional as F

        return F.layer_norm(x.movedim(1, -1), weights.shape, weights, bias).movedim(-1, 1)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        (x,), name = graph.inputs, layer.name
        last = graph.node("Transpose", [x], f"{name}.last", f"{name}.to_last", perm=[0, 2, 3, 1])
        names = [last, *graph.constants(layer, graph.parameters)]
        scaled = graph.node("LayerNormalization", names, f"{name}.scaled", name, axis=-1)
        graph.node("Transpose", [scaled], graph.output, f"{name}.to_first", perm=[0, 3, 1, 2])

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {"LayerNormalization": _read_layer_norm}


class MatMul(Operator):
    """Products of two sequences; the groups of channels are the heads of an attention.

    With ``scores`` each token of the first (queries) is compared with each of the second (keys):
    heads x keys channels for each query. Without, the first tells shares of the tokens of the
    second (values), which are added up by them.
    """

    name = Op.MATMUL
    many_inputs = True
    mac_unit = "dense_mac"
    attributes: ClassVar = {"scores": 0, "scale": 1.0}
    int8_nodes: ClassVar = frozenset({"QLinearMatMul"})

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        first, second = inputs
        heads, tokens = wanted.attributes["groups"], second.height * second.width
        if wanted.attributes["scores"]:
            read, written = second.channels, heads * tokens
        else:
            read, written = heads * tokens, second.channels
        if not (first.channels == read).all() or (second.channels % heads).any():
            raise InputError(f"{self.name} in {heads} heads reads tensors that do not fit together")
        return first._replace(channels=written)

    def macs(self, layers: Layers) -> IntArray:
        """Each number that is written is a sum of as many products as a head reads channels."""
        written = layers.out_channels * (layers.out_height * layers.out_width)
        macs: IntArray = written * (layers.in_channels // layers.groups)
        return macs

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        # (B, heads, channels of a head, tokens)
        first, second = (
            x.reshape(len(x), layer.groups, x.shape[1] // layer.groups, -1) for x in inputs
        )
        second = second.transpose(2, 3) if self.get(layer, "scores") else second
        out: torch.Tensor = (second @ first) * self.get(layer, "scale")
        return out.reshape(len(out), layer.out_channels, *layer.out_size)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        name, heads = layer.name, layer.groups
        first, second = (
            graph.reshaped(x, f"{name}.operand{place}", (0, heads, -1, tokens))
            for place, (x, tokens) in enumerate(
                zip(graph.inputs, graph.tokens(graph.inputs), strict=True)
            )
        )
        if self.get(layer, "scores"):
            second = graph.node(
                "Transpose", [second], f"{name}.turned", f"{name}.turn", perm=[0, 1, 3, 2]
            )
        product = graph.node("MatMul", [second, first], f"{name}.product", name)
        scale = self.get(layer, "scale")
        if scale != 1:
            factor = graph.constant(f"{name}.factor", scale)
            product = graph.node("Mul", [product, factor], f"{name}.scaled", f"{name}.scale")
        graph.reshaped(product, graph.output, (0, layer.out_channels, *layer.out_size))


def read_product(network: Network, node: OnnxNode) -> None:
    """A product of two activations, such as those of an attention."""
    x, y = (network.view(name) for name in node.inputs)
    network.add(node, Op.MATMUL, [x, y])
    # Read as vectors of the length over which products are summed.
    step, length = network.steps[-1], x.dims[-1]
    step.in_shape = ImageShape(1, math.prod(x.dims) // length, length)


def _read_layer_norm(network: Network, node: OnnxNode) -> None:
    network.constant_dims(node, 1, "the scale")
    x = network.view(node.inputs[0], Layout.CHANNELS_LAST, node)
    if node.attribute("axis", -1) not in (-1, len(x.dims) - 1):
        raise InputError(f"{node}: only norms over the last axis are supported")
    network.add(node, Op.LAYER_NORM, [x])
