"""Sums, products and concatenations of tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx.step import Fusion
from mcu_nas_moo.networks.operators.operator import Operator, Shape, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.networks.onnx.graph_writer import GraphWriter
    from mcu_nas_moo.networks.onnx.network import Network
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode
    from mcu_nas_moo.networks.operators.operator import Handler

_SUMS = frozenset({"Add", "Sub", "Min", "Max", "Sum"})
_PRODUCTS = frozenset({"Mul", "Div"})
# Arithmetic with a constant that scales and shifts; that constant may be the first operand of all
# but the division.
_AFFINE = frozenset({"Add", "Sub", "Mul", "Div", "Sum"})


class _Joining(Operator):
    """Two tensors of one shape; the second may have one pixel, which then counts for all."""

    many_inputs = clamps = True
    onnx: ClassVar[str]

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        first, *others = inputs
        for other in others:
            same = [np.array_equal(a, b) for a, b in zip(first, other, strict=True)]
            one = all((size == 1).all() for size in other[1:])
            if not same[0] or not (all(same) or one):
                raise InputError(f"{self.name} reads tensors of different shapes")
        return first

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        graph.node(self.onnx, graph.inputs, graph.output, layer.name)


class Add(_Joining):
    """A sum."""

    name = Op.ADD
    onnx = "Add"
    int8_nodes: ClassVar = frozenset({"com.microsoft.QLinearAdd"})

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        return sum(inputs[1:], start=inputs[0])

    @property
    def readers(self) -> Mapping[str, Handler]:
        return dict.fromkeys(_SUMS, _read)


class Mul(_Joining):
    """A product, element by element, such as that of an image with a gate for each channel."""

    name = Op.MUL
    onnx = "Mul"
    elementwise = True
    int8_nodes: ClassVar = frozenset({"com.microsoft.QLinearMul"})

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        return math.prod(inputs[1:], start=inputs[0])

    @property
    def readers(self) -> Mapping[str, Handler]:
        return dict.fromkeys(_PRODUCTS, _read)


class Concat(Operator):
    """The channels of several tensors, one behind the other."""

    name = Op.CONCAT
    many_inputs = True
    int8_nodes: ClassVar = frozenset({"com.microsoft.QLinearConcat"})

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        for other in inputs[1:]:
            if not all(map(np.array_equal, inputs[0][1:], other[1:])):
                raise InputError(f"{self.name} reads tensors of different sizes")
        return inputs[0]._replace(channels=np.sum([x.channels for x in inputs], axis=0))

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.cat(inputs, dim=1)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        graph.node("Concat", graph.inputs, graph.output, layer.name, axis=1)

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {"Concat": _read_concat}


def _read(network: Network, node: OnnxNode) -> None:
    """Add, Mul and the like of two or more operands, some of them constant."""
    names = [name for name in node.inputs if not network.graph.is_constant(name)]
    if len(names) == 1:
        views = [network.view(names[0])]
        network.add(node, Op.ELEMENTWISE, views, fusion=_constant_fusion(network, node))
        return
    # The largest comes first: the others are spread over it.
    names.sort(key=lambda name: -math.prod(network.view(name).dims))
    first = network.view(names[0])
    views = [
        network.view(name, first.layout, node)
        if len(network.view(name).dims) == len(first.dims)
        else network.view(name)
        for name in names
    ]
    op = Op.MUL if node.op in _PRODUCTS else Op.ADD
    out = network.add(node, op, views[:2])
    for place, view in enumerate(views[2:], start=1):
        # A sum of many is a chain of sums of two.
        part = network.steps[-1]
        part.name, part.output = f"{part.name}.{place}", f"{part.output}.{place}"
        out = network.add(node, op, [out._replace(tensor=part.output), view])


def _constant_fusion(network: Network, node: OnnxNode) -> Fusion:
    """How arithmetic with constants can be fused: if they are the same for all of a channel."""
    graph = network.graph
    dims = graph.dims(node.outputs[0])
    view = network.activations(node)[0]
    if dims != view.dims:
        return Fusion.NONE
    constants = [name for name in node.inputs if graph.is_constant(name)]
    varying = {axis for name in constants for axis in _varying_axes(node, graph.dims(name), dims)}
    if node.op in ("Min", "Max"):
        return Fusion.NONE if varying else Fusion.CLAMP
    reciprocal = node.op == "Div" and graph.is_constant(node.inputs[0])
    if node.op not in _AFFINE or reciprocal or not varying <= set(view.channel_axes):
        return Fusion.NONE
    return Fusion.AFFINE


def _varying_axes(node: OnnxNode, dims: Sequence[int], of: Sequence[int]) -> list[int]:
    """Axes of a tensor of shape ``of`` along which a constant operand varies."""
    axis = node.attribute("axis")  # before operator set 7
    first = len(of) - len(dims) if axis is None else axis % len(of)
    return [first + place for place, size in enumerate(dims) if size > 1]


def _read_concat(network: Network, node: OnnxNode) -> None:
    names = [name for name in node.inputs if not network.graph.is_constant(name)]
    layout = network.view(names[0]).layout
    if len(node.inputs) == 1:
        network.pass_on(node, network.view(names[0]))
    else:
        network.add(node, Op.CONCAT, [network.view(name, layout, node) for name in names])
