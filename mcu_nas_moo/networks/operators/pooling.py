"""Maximum and average over a window, and over the whole image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx.layout import Layout
from mcu_nas_moo.networks.onnx.step import pair
from mcu_nas_moo.networks.operators.operator import Operator, Shape, Wanted
from mcu_nas_moo.networks.operators.windows import padding_of, sizes_after

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.networks.onnx.graph_writer import GraphWriter
    from mcu_nas_moo.networks.onnx.network import Network
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode
    from mcu_nas_moo.networks.operators.operator import Handler

_KINDS = {"average": "AveragePool", "max": "MaxPool"}
_REDUCTIONS = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")


class Pool(Operator):
    """The largest value of each window, or the mean of the pixels that lie in the image."""

    name = Op.POOL
    windowed = clamps = True
    attributes: ClassVar = {"kind": "average", "padding": "same"}
    int8_nodes: ClassVar = frozenset({"MaxPool", "com.microsoft.QLinearAveragePool"})

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        return Shape(inputs[0].channels, *sizes_after(inputs[0], wanted))

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        (x,), padding = inputs, padding_of(layer.kernel, self._attributes(layer))
        if self._node(layer) == "MaxPool":
            return F.max_pool2d(x, layer.kernel, layer.stride, padding)
        return F.avg_pool2d(x, layer.kernel, layer.stride, padding, count_include_pad=False)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        graph.node(
            self._node(layer),
            graph.inputs,
            graph.output,
            layer.name,
            kernel_shape=layer.kernel,
            strides=layer.stride,
            pads=padding_of(layer.kernel, self._attributes(layer)) * 2,
        )

    @property
    def readers(self) -> Mapping[str, Handler]:
        return dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _read_pool)

    def _attributes(self, layer: Layer) -> dict[str, Any]:
        return {**self.attributes, **dict(layer.attributes)}

    def _node(self, layer: Layer) -> str:
        kind = self.get(layer, "kind")
        if kind not in _KINDS:
            raise InputError(
                f"layer {layer.name!r}: kind of pool must be one of {', '.join(_KINDS)}, "
                f"got {kind!r}"
            )
        return _KINDS[kind]


class GlobalPool(Operator):
    """The mean of each channel: a vector (B, channels), or an image of one pixel."""

    name = Op.GLOBAL_POOL
    clamps = True
    attributes: ClassVar = {"keep_size": 0}
    int8_nodes: ClassVar = frozenset({"com.microsoft.QLinearGlobalAveragePool", "Flatten"})

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        one = np.ones_like(inputs[0].height)
        return Shape(inputs[0].channels, one, one)

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        return inputs[0].mean(dim=(2, 3), keepdim=bool(self.get(layer, "keep_size")))

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        if self.get(layer, "keep_size"):
            graph.node("GlobalAveragePool", graph.inputs, graph.output, layer.name)
            return
        inner = f"{layer.name}.inner" if not layer.activation else f"{layer.name}.pooled"
        graph.node("GlobalAveragePool", graph.inputs, inner, layer.name)
        graph.node("Flatten", [inner], graph.output, f"{layer.name}.flatten")

    @property
    def readers(self) -> Mapping[str, Handler]:
        both = ("GlobalAveragePool", "GlobalMaxPool")
        return dict.fromkeys(both, _read_global_pool) | dict.fromkeys(_REDUCTIONS, _read_reduction)


def _read_pool(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)
    window = node.attribute("kernel_shape", ())
    if len(window) not in (1, 2):
        raise InputError(f"{node}: only windows over one or two dimensions are supported")
    if len(node.outputs) > 1 and node.outputs[1] in network.graph.outputs:
        raise InputError(f"{node}: indices of maxima are not supported")
    kernel, stride = pair(window), pair(node.attribute("strides", [1] * len(window)))
    network.add(node, Op.POOL, [x], kernel=kernel, stride=stride)
    pool = network.steps[-1]
    whole = kernel == (x.shape.height, x.shape.width) and not any(node.attribute("pads", ()))
    if whole and pool.out_shape[:2] == (1, 1):
        pool.op, pool.kernel, pool.stride = Op.GLOBAL_POOL, (1, 1), (1, 1)


def _read_global_pool(network: Network, node: OnnxNode) -> None:
    network.add(node, Op.GLOBAL_POOL, [network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)])


def _read_reduction(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0])
    rank = len(x.dims)
    axes = node.attribute("axes")
    if axes is None and len(node.inputs) > 1 and node.inputs[1]:
        axes = network.graph.value(node.inputs[1])
        if axes is None:
            raise InputError(f"{node}: axes must be constant")
    if axes is None or len(axes) == 0:
        axes = [] if node.attribute("noop_with_empty_axes", 0) else range(rank)
    reduced = {int(axis) % rank for axis in axes}
    reduced = {axis for axis in reduced if x.dims[axis] > 1}
    spatial = [axis for axis in x.spatial_axes if x.dims[axis] > 1]
    if not reduced:
        network.pass_on(node, x)
    elif reduced == set(spatial):
        network.add(node, Op.GLOBAL_POOL, [x])
    elif reduced < set(spatial) and len(x.spatial_axes) <= 2:
        window = pair([x.dims[axis] if axis in reduced else 1 for axis in x.spatial_axes])
        network.add(node, Op.POOL, [x], kernel=window, stride=window)
    else:
        network.add(node, Op.ELEMENTWISE, [x])
