"""What moves values: resizing, padding, copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx.layout import Layout
from mcu_nas_moo.networks.onnx.network import FREE, READ_CHANNELS_FIRST, transposed_order
from mcu_nas_moo.networks.onnx.step import Fusion
from mcu_nas_moo.networks.operators.operator import Operator, Shape, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.networks.onnx.graph import OnnxGraph
    from mcu_nas_moo.networks.onnx.graph_writer import GraphWriter
    from mcu_nas_moo.networks.onnx.network import Network
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode
    from mcu_nas_moo.networks.operators.operator import Handler

_MOVES = frozenset({"DepthToSpace", "Expand", "Gather", "Slice", "SpaceToDepth", "Split", "Tile"})
# May give their input unchanged, which costs nothing.
_IDLE_IF_SAME_SHAPE = frozenset({"Expand", "Slice", "Split", "Tile"})
#: Ways to resize: names in torch and in ONNX.
_MODES = {"nearest": ("nearest", "nearest"), "bilinear": ("bilinear", "linear")}


class Resize(Operator):
    """An image enlarged by a whole factor: the nearest pixel, or between the nearest ones."""

    name = Op.RESIZE
    attributes: ClassVar = {"factor": 2, "mode": "nearest"}
    int8_nodes: ClassVar = frozenset({"Resize"})

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        factor = wanted.attributes["factor"]
        if not isinstance(factor, int) or factor < 1:
            raise InputError(f"{self.name} takes a whole factor from 1 on, got {factor!r}")
        return Shape(inputs[0].channels, inputs[0].height * factor, inputs[0].width * factor)

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        mode, _ = self._mode(layer)
        corners = None if mode == "nearest" else False
        return F.interpolate(inputs[0], layer.out_size, mode=mode, align_corners=corners)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        _, mode = self._mode(layer)
        nearest = mode == "nearest"
        factors = [b / a for a, b in zip(layer.in_size, layer.out_size, strict=True)]
        scales = graph.constant(f"{layer.name}.scales", [1.0, 1.0, *factors])
        graph.node(
            "Resize",
            [*graph.inputs, "", scales],
            graph.output,
            layer.name,
            mode=mode,
            coordinate_transformation_mode="asymmetric" if nearest else "half_pixel",
            nearest_mode="floor",
        )

    @property
    def readers(self) -> Mapping[str, Handler]:
        return dict.fromkeys(("Resize", "Upsample"), _read_resize)

    def _mode(self, layer: Layer) -> tuple[str, str]:
        mode = self.get(layer, "mode")
        if mode not in _MODES:
            raise InputError(
                f"layer {layer.name!r}: mode must be one of {', '.join(_MODES)}, got {mode!r}"
            )
        return _MODES[mode]


class Pad(Operator):
    """Zeros around an image, ``border`` of them on each side."""

    name = Op.PAD
    attributes: ClassVar = {"border": 1}
    int8_nodes: ClassVar = frozenset({"Pad"})

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        both = 2 * wanted.attributes["border"]
        return Shape(inputs[0].channels, inputs[0].height + both, inputs[0].width + both)

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        return F.pad(inputs[0], [self.get(layer, "border")] * 4)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        border = self.get(layer, "border")
        widths = np.array([0, 0, border, border] * 2, dtype=np.int64)
        pads = graph.constant(f"{layer.name}.pads", widths)
        graph.node("Pad", [*graph.inputs, pads], graph.output, layer.name)

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {"Pad": _read_pad}


class Copy(Operator):
    """Values in another order or number, as files have it."""

    name = Op.COPY

    @property
    def readers(self) -> Mapping[str, Handler]:
        moves = dict.fromkeys(FREE, _read_free) | dict.fromkeys(_MOVES, _read_move)
        return moves | {"Transpose": _read_transpose}


def _read_resize(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0])
    if network.graph.dims(node.outputs[0]) == x.dims:
        network.pass_on(node, x)
    else:
        network.add(node, Op.RESIZE, [x])


def _read_pad(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0])
    graph = network.graph
    widths: Any = node.attribute("pads", node.attribute("paddings"))
    fill: Any = node.attribute("value", 0.0)
    if len(node.inputs) > 1:
        widths = graph.value(node.inputs[1])
    if len(node.inputs) > 2 and node.inputs[2]:
        fill = graph.value(node.inputs[2])
    axes: Any = range(len(x.dims))
    if len(node.inputs) > 3 and node.inputs[3]:
        axes = graph.value(node.inputs[3])
    if widths is None or axes is None:
        raise InputError(f"{node}: the padding must be constant")
    if not np.any(widths):
        network.pass_on(node, x)
        return
    both = np.reshape(widths, (2, -1))
    padded = {int(axis) % len(x.dims) for axis, two in zip(axes, both.T, strict=True) if any(two)}
    # In a quantised network, the fill is an integer, and that of padding stands for zero.
    zero = fill is not None and (np.asarray(fill).dtype.kind in "iu" or not np.any(fill))
    fits = zero and node.attribute("mode", "constant") == "constant" and np.min(both) >= 0
    fusion = Fusion.ZERO_PADDING if fits and padded <= set(x.spatial_axes) else Fusion.NONE
    network.add(node, Op.PAD, [x], fusion=fusion)


def _read_transpose(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0])
    order = transposed_order(node, len(x.dims))
    view = x.transposed(order)
    if view is not None:
        network.set_view(node.outputs[0], view)
    else:
        network.add(node, Op.COPY, [x], network.layout_by_readers(node.outputs[0]))


def _read_move(network: Network, node: OnnxNode) -> None:
    """Copy some elements of the only activation, for each output that is used."""
    graph = network.graph
    views = network.activations(node)
    if graph.is_constant(node.inputs[0]) or len(views) > 1:
        raise InputError(f"{node}: only the first input may depend on the network's input")
    (x,) = views
    if node.op in READ_CHANNELS_FIRST:
        x = network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)
    backwards = node.op == "Slice" and len(node.inputs) > 4 and _negative(graph, node.inputs[4])
    for output in filter(None, node.outputs):
        if node.op in _IDLE_IF_SAME_SHAPE and graph.dims(output) == x.dims and not backwards:
            network.pass_on(node, x, output)
        elif len(graph.dims(output)) == len(x.dims):
            network.add(node, Op.COPY, [x], output=output)
        else:
            network.add(node, Op.COPY, [x], network.layout_by_readers(output), output)


def _negative(graph: OnnxGraph, name: str) -> bool:
    steps = graph.value(name) if name else None
    return steps is not None and bool(np.any(steps < 0))


def _read_free(network: Network, node: OnnxNode) -> None:
    network.pass_on(node, network.view(node.inputs[0]))
