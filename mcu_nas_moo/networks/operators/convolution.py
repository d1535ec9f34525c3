"""Convolutions: in any number of groups, depthwise, dilated, transposed.

Those over one dimension have height 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx.layout import Layout
from mcu_nas_moo.networks.onnx.step import Fusion, pair
from mcu_nas_moo.networks.operators.operator import Layers, Operator, Shape, Wanted
from mcu_nas_moo.networks.operators.windows import padding_of, sizes_after

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


class Convolution(Operator):
    """A convolution and its batch norm."""

    name = Op.CONV
    weighted = windowed = clamps = True
    mac_unit: ClassVar[str | None] = "conv_mac"
    attributes: ClassVar = {"dilation": 1, "padding": "same"}
    int8_nodes: ClassVar = frozenset({"QLinearConv"})

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        if wanted.channels is None:
            raise InputError(f"{self.name} needs a number of output channels")
        return Shape(wanted.channels, *sizes_after(inputs[0], wanted))

    def weights(self, layers: Layers) -> IntArray:
        filters: IntArray = layers.out_channels * (layers.in_channels // layers.groups)
        return filters * (layers.kernel_height * layers.kernel_width)

    def module(self, layer: Layer) -> nn.Module:
        from mcu_nas_moo.networks.torch_layers import ConvNorm

        attributes = self._attributes(layer)
        return ConvNorm(layer, padding_of(layer.kernel, attributes), attributes["dilation"])

    def linear(
        self, layer: Layer, x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        import torch.nn.functional as F

        attributes = self._attributes(layer)
        groups = layer.in_channels // weights.shape[1]
        padding, dilation = padding_of(layer.kernel, attributes), attributes["dilation"]
        return F.conv2d(x, weights, bias, layer.stride, padding, dilation, groups)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        attributes = self._attributes(layer)
        dilation = attributes["dilation"]
        graph.node(
            "Conv",
            [*graph.inputs, *graph.constants(layer, graph.parameters)],
            graph.output,
            layer.name,
            kernel_shape=layer.kernel,
            strides=layer.stride,
            pads=padding_of(layer.kernel, attributes) * 2,
            group=layer.groups,
            **({} if dilation == 1 else {"dilations": [dilation, dilation]}),
        )

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {"Conv": _read_convolution}

    def _attributes(self, layer: Layer) -> dict[str, Any]:
        return {**self.attributes, **dict(layer.attributes)}


class Depthwise(Convolution):
    """A convolution with a filter of its own for each input channel."""

    name = Op.DEPTHWISE
    mac_unit = "depthwise_mac"

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        channels = inputs[0].channels if wanted.channels is None else wanted.channels
        return super().out_shape(inputs, wanted._replace(channels=channels))

    def weights(self, layers: Layers) -> IntArray:
        return layers.out_channels * (layers.kernel_height * layers.kernel_width)

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {"BatchNormalization": _read_batch_norm}


class TransposedConvolution(Convolution):
    """A convolution whose stride makes its output larger: by the stride, to the pixel."""

    name = Op.TRANSPOSED_CONV
    attributes: ClassVar = {}
    int8_nodes: ClassVar = frozenset({"ConvTranspose"})

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        if wanted.channels is None:
            raise InputError(f"{self.name} needs a number of output channels")
        (shape,), stride = inputs, wanted.stride
        return Shape(wanted.channels, shape.height * stride[0], shape.width * stride[1])

    def macs(self, layers: Layers) -> IntArray:
        return self.weights(layers) * (layers.in_height * layers.in_width)

    def module(self, layer: Layer) -> nn.Module:
        from mcu_nas_moo.networks.torch_layers import TransposedConvNorm

        return TransposedConvNorm(layer, *self._margins(layer))

    def linear(
        self, layer: Layer, x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        import torch.nn.functional as F

        padding, extra = self._margins(layer)
        return F.conv_transpose2d(x, weights, bias, layer.stride, padding, extra, layer.groups)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        padding, extra = self._margins(layer)
        graph.node(
            "ConvTranspose",
            [*graph.inputs, *graph.constants(layer, graph.parameters)],
            graph.output,
            layer.name,
            kernel_shape=layer.kernel,
            strides=layer.stride,
            pads=padding * 2,
            output_padding=extra,
            group=layer.groups,
        )

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {"ConvTranspose": _read_transposed}

    @staticmethod
    def _margins(layer: Layer) -> tuple[tuple[int, int], tuple[int, int]]:
        """What is cut off on each side, and what the far sides get back; (height, width)."""
        excess = [k - s for k, s in zip(layer.kernel, layer.stride, strict=True)]
        if min(excess) < 0:
            raise InputError(
                f"layer {layer.name!r}: the kernel of a transposed convolution must be at least as "
                "large as its stride"
            )
        (rows, row), (columns, column) = (((e + 1) // 2, e % 2) for e in excess)
        return (rows, columns), (row, column)


def _read_convolution(network: Network, node: OnnxNode) -> None:
    weights = network.constant_dims(node, 1, "weights")
    x = network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)
    if len(weights) not in (3, 4) or len(x.dims) != len(weights):
        raise InputError(f"{node}: only convolutions over one or two dimensions are supported")
    groups = node.attribute("group", 1)
    channels = x.shape.channels
    if channels != weights[1] * groups:
        raise InputError(
            f"{node} expects {weights[1] * groups} channels and reads {channels}; "
            "the input shape may not fit the network"
        )
    depthwise = groups == channels > 1
    network.add(
        node,
        Op.DEPTHWISE if depthwise else Op.CONV,
        [x],
        kernel=pair(weights[2:]),
        stride=pair(node.attribute("strides", [1] * len(weights[2:]))),
        groups=groups,
    )


def _read_transposed(network: Network, node: OnnxNode) -> None:
    weights = network.constant_dims(node, 1, "weights")
    x = network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)
    if len(weights) not in (3, 4) or len(x.dims) != len(weights):
        raise InputError(f"{node}: only convolutions over one or two dimensions are supported")
    if x.shape.channels != weights[0]:
        raise InputError(
            f"{node} expects {weights[0]} channels and reads {x.shape.channels}; "
            "the input shape may not fit the network"
        )
    network.add(
        node,
        Op.TRANSPOSED_CONV,
        [x],
        kernel=pair(weights[2:]),
        stride=pair(node.attribute("strides", [1] * len(weights[2:]))),
        groups=node.attribute("group", 1),
    )


def _read_batch_norm(network: Network, node: OnnxNode) -> None:
    """A norm on its own scales each channel; behind a convolution it becomes a part of it."""
    x = network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)
    network.add(node, Op.DEPTHWISE, [x], groups=x.shape.channels, fusion=Fusion.AFFINE)
