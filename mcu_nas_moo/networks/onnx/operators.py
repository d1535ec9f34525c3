"""What each ONNX operator becomes in a layer table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer_table import Op
from mcu_nas_moo.networks.onnx.fusion import Fusion
from mcu_nas_moo.networks.onnx.layout import Layout
from mcu_nas_moo.networks.onnx.network import (
    FREE,
    GLOBAL_POOLS,
    POOLS,
    READ_CHANNELS_FIRST,
    Network,
    transposed_order,
)
from mcu_nas_moo.networks.onnx.nodes import SAME_SHAPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.networks.onnx.graph import OnnxGraph
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode

Handler = Callable[[Network, "OnnxNode"], None]

_CLAMPS = frozenset({"Relu", "Clip"})
_REDUCTIONS = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"})
_ALONG_CHANNELS = frozenset({"ArgMax", "ArgMin"})
_SUMS = frozenset({"Add", "Sub", "Min", "Max", "Sum"})
_PRODUCTS = frozenset({"Mul", "Div"})
# Arithmetic with a constant that scales and shifts; that constant may be the first operand of all
# but the division.
_AFFINE = frozenset({"Add", "Sub", "Mul", "Div", "Sum"})
_MOVES = frozenset({"DepthToSpace", "Expand", "Gather", "Slice", "SpaceToDepth", "Split", "Tile"})
# May give their input unchanged, which costs nothing.
_IDLE_IF_SAME_SHAPE = frozenset({"Expand", "Slice", "Split", "Tile"})
_RESIZES = frozenset({"Resize", "Upsample"})


def _conv(network: Network, node: OnnxNode) -> None:
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
        kernel=_pair(weights[2:]),
        stride=_pair(node.attribute("strides", [1] * len(weights[2:]))),
        groups=groups,
    )


def _dense(network: Network, node: OnnxNode) -> None:
    """Gemm, or MatMul at every position."""
    if network.graph.is_constant(node.inputs[0]) or not network.graph.is_constant(node.inputs[1]):
        raise InputError(
            f"{node}: the second operand must be constant weights; "
            "products of two activations, as in attention, are not supported"
        )
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


def _batch_norm(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)
    network.add(node, Op.DEPTHWISE, [x], groups=x.shape.channels, fusion=Fusion.AFFINE)


def _arithmetic(network: Network, node: OnnxNode) -> None:
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


def _pool(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)
    window = node.attribute("kernel_shape", ())
    if len(window) not in (1, 2):
        raise InputError(f"{node}: only windows over one or two dimensions are supported")
    if len(node.outputs) > 1 and node.outputs[1] in network.graph.outputs:
        raise InputError(f"{node}: indices of maxima are not supported")
    kernel, stride = _pair(window), _pair(node.attribute("strides", [1] * len(window)))
    network.add(node, Op.POOL, [x], kernel=kernel, stride=stride)
    pool = network.steps[-1]
    whole = kernel == (x.shape.height, x.shape.width) and not any(node.attribute("pads", ()))
    if whole and pool.out_shape[:2] == (1, 1):
        pool.op, pool.kernel, pool.stride = Op.GLOBAL_POOL, (1, 1), (1, 1)


def _global_pool(network: Network, node: OnnxNode) -> None:
    network.add(node, Op.GLOBAL_POOL, [network.view(node.inputs[0], Layout.CHANNELS_FIRST, node)])


def _reduce(network: Network, node: OnnxNode) -> None:
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
        window = _pair([x.dims[axis] if axis in reduced else 1 for axis in x.spatial_axes])
        network.add(node, Op.POOL, [x], kernel=window, stride=window)
    else:
        network.add(node, Op.ELEMENTWISE, [x])


def _pad(network: Network, node: OnnxNode) -> None:
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
    padded = {int(axis) % len(x.dims) for axis, pair in zip(axes, both.T, strict=True) if any(pair)}
    # In a quantised network, the fill is an integer, and that of padding stands for zero.
    zero = fill is not None and (np.asarray(fill).dtype.kind in "iu" or not np.any(fill))
    fits = zero and node.attribute("mode", "constant") == "constant" and np.min(both) >= 0
    fusion = Fusion.ZERO_PADDING if fits and padded <= set(x.spatial_axes) else Fusion.NONE
    network.add(node, Op.PAD, [x], fusion=fusion)


def _concat(network: Network, node: OnnxNode) -> None:
    names = [name for name in node.inputs if not network.graph.is_constant(name)]
    layout = network.view(names[0]).layout
    if len(node.inputs) == 1:
        network.pass_on(node, network.view(names[0]))
    else:
        network.add(node, Op.CONCAT, [network.view(name, layout, node) for name in names])


def _transpose(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0])
    order = transposed_order(node, len(x.dims))
    view = x.transposed(order)
    if view is not None:
        network.set_view(node.outputs[0], view)
    else:
        network.add(node, Op.COPY, [x], network.layout_by_readers(node.outputs[0]))


def _move(network: Network, node: OnnxNode) -> None:
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


def _resize(network: Network, node: OnnxNode) -> None:
    x = network.view(node.inputs[0])
    if network.graph.dims(node.outputs[0]) == x.dims:
        network.pass_on(node, x)
    else:
        network.add(node, Op.RESIZE, [x])


def _elementwise(network: Network, node: OnnxNode) -> None:
    fusion = Fusion.CLAMP if node.op in _CLAMPS else Fusion.NONE
    network.add(node, Op.ELEMENTWISE, [network.view(node.inputs[0])], fusion=fusion)


def _power(network: Network, node: OnnxNode) -> None:
    if len(network.activations(node)) > 1:
        raise InputError(f"{node}: the exponent must be constant")
    network.add(node, Op.ELEMENTWISE, network.activations(node))


def _free(network: Network, node: OnnxNode) -> None:
    network.pass_on(node, network.view(node.inputs[0]))


def _pair(sizes: Sequence[int]) -> tuple[int, int]:
    """(height, width) of an image or a sequence; a sequence has height 1."""
    return (1, int(sizes[0])) if len(sizes) == 1 else (int(sizes[0]), int(sizes[1]))


_GROUPS: tuple[tuple[frozenset[str], Handler], ...] = (
    (SAME_SHAPE | _ALONG_CHANNELS, _elementwise),
    (FREE, _free),
    (_REDUCTIONS, _reduce),
    (POOLS, _pool),
    (GLOBAL_POOLS, _global_pool),
    (_SUMS | _PRODUCTS, _arithmetic),
    (_MOVES, _move),
    (_RESIZES, _resize),
    (frozenset({"Gemm", "MatMul"}), _dense),
)
#: What to do with the nodes of each operator that is supported.
HANDLERS: dict[str, Handler] = {op: handler for ops, handler in _GROUPS for op in ops} | {
    "BatchNormalization": _batch_norm,
    "Concat": _concat,
    "Conv": _conv,
    "Pad": _pad,
    "Pow": _power,
    "Transpose": _transpose,
}
