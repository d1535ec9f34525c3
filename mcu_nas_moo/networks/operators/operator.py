"""The contract of an operator: all that the package knows about one kind of layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch
    from torch import nn

    from mcu_nas_moo.common.arrays import IntArray
    from mcu_nas_moo.networks.layer import Attributes, Layer
    from mcu_nas_moo.networks.onnx.graph_writer import GraphWriter
    from mcu_nas_moo.networks.onnx.network import Network
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode

    Handler = Callable[[Network, OnnxNode], None]


class Shape(NamedTuple):
    """Channels, height and width of a tensor, one of each per network, all ``(N,)``."""

    channels: IntArray
    height: IntArray
    width: IntArray


class Wanted(NamedTuple):
    """What layers are asked to be.

    Attributes:
        channels: that they write, ``(N,)``; None where the operator decides.
        kernel, stride: (height, width), one of each per network, ``(N,)``; 1 without a window.
        attributes: all of the operator, with the layer's values, and its ``groups``.
    """

    channels: IntArray | None
    kernel: tuple[IntArray, IntArray]
    stride: tuple[IntArray, IntArray]
    attributes: Mapping[str, Any]


class Layers(Protocol):
    """Layers of one operator: numbers of any one shape, such as (networks, layers)."""

    @property
    def in_channels(self) -> IntArray: ...
    @property
    def out_channels(self) -> IntArray: ...
    @property
    def kernel_height(self) -> IntArray: ...
    @property
    def kernel_width(self) -> IntArray: ...
    @property
    def in_height(self) -> IntArray: ...
    @property
    def in_width(self) -> IntArray: ...
    @property
    def out_height(self) -> IntArray: ...
    @property
    def out_width(self) -> IntArray: ...
    @property
    def groups(self) -> IntArray: ...


class Operator:
    """One kind of layer.

    Subclasses set what differs from a function of one tensor that computes element by element.
    Activations are (B, channels, height, width) in torch and ONNX; a sequence has height 1, a
    vector is an image of one pixel.

    Attributes:
        name: in layers, tables and files.
        kernel_kind: kinds of the same name share a kernel in a runtime; the name by default.
        many_inputs: whether it reads two tensors or more, and not one.
        weighted: whether it has weights and a bias, or a norm, that are trained.
        windowed: whether kernel and stride mean something.
        clamps: whether it computes every value that it writes, so that it can clamp it, too.
        mac_unit: unit of work of the cost model that its multiply-accumulates count in.
        elementwise: whether what it writes counts as ``elementwise_element`` in the cost model.
        attributes: names and usual values of what layers may say about themselves.
        int8_nodes: node types that it becomes in a quantised ONNX network, as ``domain.name``.
    """

    name: ClassVar[str]
    kernel_kind: ClassVar[str] = ""
    many_inputs: ClassVar[bool] = False
    weighted: ClassVar[bool] = False
    windowed: ClassVar[bool] = False
    clamps: ClassVar[bool] = False
    mac_unit: ClassVar[str | None] = None
    elementwise: ClassVar[bool] = False
    attributes: ClassVar[Mapping[str, int | float | str]] = {}
    int8_nodes: ClassVar[frozenset[str]] = frozenset()

    def get(self, layer: Layer, name: str) -> Any:
        """An attribute of a layer, or its usual value."""
        return dict(layer.attributes).get(name, self.attributes[name])

    def check(self, attributes: Attributes) -> None:
        """Raise an InputError for an attribute that the operator does not know."""
        unknown = sorted(set(dict(attributes)) - set(self.attributes))
        if unknown:
            known = ", ".join(self.attributes) or "none"
            raise InputError(
                f"operator {self.name} knows no attribute {unknown[0]!r}; it has {known}"
            )

    def in_shape(self, shape: Shape) -> Shape:
        """A tensor as the operator reads it."""
        return shape

    def out_shape(self, inputs: Sequence[Shape], wanted: Wanted) -> Shape:
        """Shape of what it writes.

        Args:
            inputs: shapes of what it reads.
            wanted: what the layers are asked to be.

        Raises:
            InputError: if the inputs do not fit together.
        """
        return inputs[0]

    def weights(self, layers: Layers) -> IntArray:
        """Number of weights, without biases, of layers of the operator."""
        return np.zeros_like(layers.out_channels)

    def macs(self, layers: Layers) -> IntArray:
        """Multiply-accumulates: each weight once for each position of the output."""
        return self.weights(layers) * (layers.out_height * layers.out_width)

    def module(self, layer: Layer) -> nn.Module:
        """What holds its weights; called for weighted operators alone."""
        raise NotImplementedError

    def forward(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        """What a layer without weights computes."""
        raise InputError(f"layer {layer.name!r} of kind '{self.name}' cannot run in torch")

    def linear(
        self, layer: Layer, x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """What a layer with ``weights`` of the shape that its module has computes."""
        raise NotImplementedError

    def write(self, layer: Layer, graph: GraphWriter) -> None:
        """Add the layer to an ONNX graph.

        Args:
            graph: gets the nodes, of which the main one has the layer's name; it tells the names of
                the layer's inputs and output, and its parameters.

        Raises:
            InputError: if it has no counterpart in ONNX.
        """
        raise InputError(f"layer {layer.name!r} of kind '{self.name}' cannot be exported")

    @property
    def readers(self) -> Mapping[str, Handler]:
        """How ONNX nodes become layers of the operator, by node type."""
        return {}
