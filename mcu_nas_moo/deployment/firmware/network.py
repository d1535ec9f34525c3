"""An int8 network as the generator of C code sees it: nodes, constants and shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Int8Network:
    """Nodes in the order in which they run.

    Attributes:
        constants: values of initialisers by name.
        shapes: of all activations by name; the first axis is the image, of which there is one.
        inputs, output: names of activations.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Node:
    """One operator of an int8 network with what it works on.

    Attributes:
        operator: ONNX node type, such as ``QLinearConv``.
        inputs: names of tensors and constants; ``""`` where an optional one is left out.
        attributes: those that are given.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]
    constants: Mapping[str, Array] = field(repr=False)
    shapes: Mapping[str, tuple[int, ...]] = field(repr=False)

    @property
    def tensors(self) -> tuple[str, ...]:
        """Inputs that are activations, each once."""
        return tuple(dict.fromkeys(name for name in self.inputs if name in self.shapes))

    def has(self, place: int) -> bool:
        """Whether the input at ``place`` is given."""
        return place < len(self.inputs) and self.inputs[place] != ""

    def constant(self, place: int) -> Array:
        """Value of the constant input at ``place``.

        Raises:
            InputError: if it is missing or no constant.
        """
        name = self.inputs[place] if self.has(place) else ""
        if name not in self.constants:
            raise InputError(f"input {place} ({name or 'left out'}) is no constant")
        return self.constants[name]

    def scale(self, place: int) -> np.float32:
        """The scale of a tensor that stands at ``place``."""
        return np.float32(self.constant(place).item())

    def zero_point(self, place: int) -> int:
        """The zero point of a tensor that stands at ``place``; 0 if it is left out."""
        return int(self.constant(place).item()) if self.has(place) else 0

    def shape(self, place: int) -> tuple[int, ...]:
        """Shape of the activation at ``place``.

        Raises:
            InputError: if there is none.
        """
        if not self.has(place) or self.inputs[place] not in self.shapes:
            raise InputError(f"input {place} is no activation")
        return self.shapes[self.inputs[place]]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return self.shapes[self.output]


def read_network(model: onnx.ModelProto) -> Int8Network:
    """The network of an ONNX model, the inner part of an int8 network, see ``Int8Model``.

    Raises:
        InputError: if a shape is missing.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    for node in graph.node:
        for name in node.output:
            if name not in shapes:
                raise InputError(f"the int8 network does not tell the shape of tensor {name!r}")
    inputs = tuple(item.name for item in graph.input)
    nodes = tuple(
        Node(
            node.name or f"{node.op_type} {number}",
            node.op_type,
            tuple(node.input),
            node.output[0],
            {item.name: helper.get_attribute_value(item) for item in node.attribute},
            constants,
            shapes,
        )
        for number, node in enumerate(graph.node)
    )
    return Int8Network(nodes, constants, shapes, inputs, graph.output[0].name)


def as_image(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of an activation; sides that it does not have are 1.

    Raises:
        InputError: if it has more than two sides, or several images.
    """
    if not 2 <= len(shape) <= 4 or shape[0] != 1:
        raise InputError(f"shape {shape} is not that of one image or signal")
    channels, *sides = shape[1:]
    height, width = (*[1] * (2 - len(sides)), *sides)
    return channels, height, width


def two_sides(values: Sequence[int], missing: int) -> tuple[int, int]:
    """What a node says of height and width; of signals it says nothing of the height."""
    height, width = (*[missing] * (2 - len(values)), *values)
    return height, width
