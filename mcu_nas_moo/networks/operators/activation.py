"""Functions of one tensor, element by element; softmax, which is one of each position; zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx.nodes import SAME_SHAPE
from mcu_nas_moo.networks.onnx.step import Fusion
from mcu_nas_moo.networks.operators.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.networks.onnx.graph_writer import GraphWriter
    from mcu_nas_moo.networks.onnx.network import Network
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode
    from mcu_nas_moo.networks.operators.operator import Handler

_ALONG_CHANNELS = frozenset({"ArgMax", "ArgMin"})


class Elementwise(Operator):
    """A function without a name here, as files have it; in int8 a table of 256."""

    name = Op.ELEMENTWISE
    kernel_kind = "elementwise"
    clamps = elementwise = True

    @property
    def readers(self) -> Mapping[str, Handler]:
        return dict.fromkeys(SAME_SHAPE | _ALONG_CHANNELS, _read) | {"Pow": _read_power}


class Function(Elementwise):
    """A function with a name.

    Attributes:
        functional: its name in ``torch.nn.functional``.
        onnx: its node type, and the node's attributes.
    """

    functional: ClassVar[str]
    onnx: ClassVar[tuple[str, Mapping[str, Any]]]

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        out: torch.Tensor = getattr(F, self.functional)(inputs[0])
        return out

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        node, attributes = self.onnx
        graph.node(node, graph.inputs, graph.output, layer.name, **attributes)

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {}  # those of all functions are with the nameless ones


class Relu(Function):
    """What is above 0."""

    name, functional, onnx = Op.RELU, "relu", ("Relu", {})


class Relu6(Function):
    """What is above 0, at most 6."""

    name, functional = Op.RELU6, "relu6"

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        bounds = [graph.constant(f"{layer.name}.{what}", value) for what, value in _BOUNDS]
        graph.node("Clip", [*graph.inputs, *bounds], graph.output, layer.name)


class HardSwish(Function):
    """x relu6(x + 3) / 6 (Howard et al., ICCV 2019)."""

    name, functional, onnx = Op.HARD_SWISH, "hardswish", ("HardSwish", {})


class HardSigmoid(Function):
    """relu6(x + 3) / 6."""

    name, functional, onnx = Op.HARD_SIGMOID, "hardsigmoid", ("HardSigmoid", {"alpha": 1 / 6})


class Sigmoid(Function):
    """1 / (1 + exp(-x))."""

    name, functional, onnx = Op.SIGMOID, "sigmoid", ("Sigmoid", {})
    int8_nodes: ClassVar = frozenset({"com.microsoft.QLinearSigmoid"})


class Tanh(Function):
    """Hyperbolic tangent."""

    name, functional, onnx = Op.TANH, "tanh", ("Tanh", {})


class Gelu(Function):
    """x times the normal distribution function of x (Hendrycks and Gimpel, 2016)."""

    name, functional = Op.GELU, "gelu"

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        # ONNX has it as one node from operator set 20 on.
        (x,), name = graph.inputs, layer.name
        root = graph.constant(f"{name}.root", 0.5**0.5)
        one, half = graph.constant(f"{name}.one", 1.0), graph.constant(f"{name}.half", 0.5)
        scaled = graph.node("Mul", [x, root], f"{name}.scaled", f"{name}.scale")
        error = graph.node("Erf", [scaled], f"{name}.error", f"{name}.erf")
        gate = graph.node("Add", [error, one], f"{name}.gate", f"{name}.shift")
        whole = graph.node("Mul", [x, gate], f"{name}.whole", f"{name}.product")
        graph.node("Mul", [whole, half], graph.output, name)


class Softmax(Elementwise):
    """Shares of the channels at each position, which add up to 1; in groups of channels."""

    name = Op.SOFTMAX
    kernel_kind = "elementwise"
    int8_nodes: ClassVar = frozenset({"com.microsoft.QLinearSoftmax"})

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        (x,), groups = inputs, layer.groups
        by_group = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
        return by_group.softmax(2).reshape(x.shape)

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        groups = layer.groups
        if groups == 1:
            graph.node("Softmax", graph.inputs, graph.output, layer.name, axis=1)
            return
        if layer.in_channels % groups:
            raise InputError(f"layer {layer.name!r}: {groups} groups do not divide its channels")
        (x,), name = graph.inputs, layer.name
        height, width = layer.in_size
        split = graph.reshaped(x, f"{name}.split", (0, groups, -1, height * width))
        shares = graph.node("Softmax", [split], f"{name}.shares", name, axis=2)
        graph.reshaped(shares, graph.output, (0, layer.out_channels, height, width))

    @property
    def readers(self) -> Mapping[str, Handler]:
        return {}


class Zero(Operator):
    """Nothing but zeros."""

    name = Op.ZERO
    elementwise = True

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        return inputs[0] * 0

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        zero = graph.constant(f"{layer.name}.zero", 0.0)
        graph.node("Mul", [*graph.inputs, zero], graph.output, layer.name)


_BOUNDS = (("least", 0.0), ("most", 6.0))
_CLAMPS = frozenset({"Relu", "Clip"})
#: Functions that a table names; in a file, one that is fused nowhere becomes a layer of that name.
NAMED = {
    "Gelu": Op.GELU,
    "HardSigmoid": Op.HARD_SIGMOID,
    "HardSwish": Op.HARD_SWISH,
    "Relu": Op.RELU,
    "Sigmoid": Op.SIGMOID,
    "Softmax": Op.SOFTMAX,
    "Tanh": Op.TANH,
}


def _read(network: Network, node: OnnxNode) -> None:
    fusion = Fusion.CLAMP if node.op in _CLAMPS else Fusion.NONE
    op = NAMED.get(node.op, Op.ELEMENTWISE)
    network.add(node, op, [network.view(node.inputs[0])], fusion=fusion)


def _read_power(network: Network, node: OnnxNode) -> None:
    if len(network.activations(node)) > 1:
        raise InputError(f"{node}: the exponent must be constant")
    network.add(node, Op.ELEMENTWISE, network.activations(node))
