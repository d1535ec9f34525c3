"""Int8 networks with all of their operators in int8.

What onnxruntime's quantisation leaves in float, between a DequantizeLinear and a QuantizeLinear,
has an int8 meaning in most cases: operators that move values do the same with int8 ones; others
have an int8 twin; and what depends on one tensor alone, element by element, is a table of 256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.firmware.kernels.register import instead_of, known_operators
from mcu_nas_moo.deployment.firmware.tables import ELEMENTWISE, tables_of_functions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from mcu_nas_moo.deployment.firmware.network import Array

_QUANTISE, _DEQUANTISE = "QuantizeLinear", "DequantizeLinear"
_OURS = "com.microsoft"
#: Operators that move values, or choose among them: the same in float and in int8.
_MOVING = {
    *("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Transpose"),
    *("MaxPool", "Slice", "Pad"),
}
#: An operator has an int8 twin QLinear... if a kernel computes that. Its inputs are tensors, each
#: with scale and zero point, then scale and zero point of the output; but not so in these.
_OTHER_ORDER = {"Concat", "Conv"}


class _Scale(NamedTuple):
    """Names of a scale and of a zero point."""

    scale: str
    zero_point: str


def lower(model: onnx.ModelProto) -> onnx.ModelProto:
    """A network that computes the same in int8 operators and nodes ``Table``.

    Raises:
        InputError: if an operator has no int8 meaning; the message names its node.
    """
    import onnx

    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    graph = _Graph(lowered)
    while graph.step():
        pass
    graph.write()
    tables_of_functions(lowered)
    left = [node for node in lowered.graph.node if node.output[0] in graph.floats]
    if left:
        node = next((node for node in left if node.op_type not in ELEMENTWISE), left[0])
        raise InputError(
            f"layer {node.name!r} cannot become firmware: {node.op_type} of floats has no kernel; "
            f"use {instead_of(node.op_type)}, or a function of one tensor"
        )
    return lowered


class _Graph:
    """Nodes of a network while they are replaced, each step by fewer operators in float."""

    def __init__(self, model: onnx.ModelProto) -> None:
        from onnx import TensorProto, numpy_helper

        self._graph = model.graph
        self.nodes = list(model.graph.node)
        self._opset = next(
            (o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 13
        )
        self._constants: dict[str, Array] = {
            item.name: numpy_helper.to_array(item) for item in model.graph.initializer
        }
        self.floats = {
            value.name
            for value in (*model.graph.value_info, *model.graph.output)
            if value.type.tensor_type.elem_type == TensorProto.FLOAT
        }
        self._shapes = {
            value.name: value.type.tensor_type.shape
            for value in (*model.graph.input, *model.graph.value_info, *model.graph.output)
        }

    def step(self) -> bool:
        """Replace something; whether there was something to replace."""
        makers = {node.output[0]: node for node in self.nodes}
        for place, node in enumerate(self.nodes):
            changed = (
                self._quantised_before(node, makers)
                or self._dequantised_after(node, makers)
                or self._twin(node, makers)
            )
            if changed is not None:
                self.nodes[place : place + 1] = changed
                self._drop_unread()
                return True
        return False

    def _drop_unread(self) -> None:
        while True:
            read = {name for node in self.nodes for name in node.input}
            read |= {value.name for value in self._graph.output}
            kept = [node for node in self.nodes if node.output[0] in read]
            if len(kept) == len(self.nodes):
                return
            self.nodes = kept

    def _quantised_before(
        self, node: onnx.NodeProto, makers: dict[str, onnx.NodeProto]
    ) -> list[onnx.NodeProto] | None:
        """Quantise what a moving operator moves, instead of what it has moved."""
        maker = makers.get(node.input[0])
        if node.op_type != _QUANTISE or maker is None or maker.output[0] not in self.floats:
            return None
        target = _Scale(node.input[1], node.input[2])
        if maker.op_type == "Concat":
            inputs = [self._int8(name, target) for name in maker.input]
            names = [name for quantise in inputs for name in (quantise.output[0], *target)]
            joined = self._node("QLinearConcat", [*target, *names], node.output[0], maker, _OURS)
            return [*inputs, joined]
        if not _moves(maker):
            return None
        quantise = self._int8(maker.input[0], target)
        return [quantise, self._moved(maker, quantise.output[0], node.output[0], target)]

    def _dequantised_after(
        self, node: onnx.NodeProto, makers: dict[str, onnx.NodeProto]
    ) -> list[onnx.NodeProto] | None:
        """Move int8 numbers, and dequantise them then."""
        maker = makers.get(node.input[0]) if node.input else None
        if not _moves(node) or maker is None or maker.op_type != _DEQUANTISE:
            return None
        source = _Scale(maker.input[1], maker.input[2])
        if node.op_type == "Pad" and not self._fills_exactly(node, source):
            return None
        moved = self._new(node.output[0])
        return [
            self._moved(node, maker.input[0], moved, source),
            self._node(_DEQUANTISE, [moved, *source], node.output[0], None),
        ]

    def _twin(
        self, node: onnx.NodeProto, makers: dict[str, onnx.NodeProto]
    ) -> list[onnx.NodeProto] | None:
        """An operator between dequantised inputs and a quantised output by its int8 twin."""
        if node.op_type != _QUANTISE:
            return None
        maker = makers.get(node.input[0])
        if maker is None or maker.op_type in _OTHER_ORDER:
            return None
        if f"QLinear{maker.op_type}" not in known_operators():
            return None
        inputs: list[str] = []
        for name in maker.input:
            before = makers.get(name)
            if before is None or before.op_type != _DEQUANTISE:
                return None
            inputs += before.input[:3]
        twin = self._node(
            *(f"QLinear{maker.op_type}", [*inputs, *node.input[1:3]], node.output[0], maker, _OURS)
        )
        if maker.op_type == "Softmax":
            from onnx import helper

            twin.attribute.append(helper.make_attribute("opset", self._opset))
        return [twin]

    def _int8(self, name: str, target: _Scale) -> onnx.NodeProto:
        return self._node(_QUANTISE, [name, *target], self._new(name), None)

    def _new(self, like: str) -> str:
        """Name of a new int8 tensor of the shape of another one."""
        name = f"{like}_int8_{len(self._shapes)}"
        self._shapes[name] = self._shapes[like]
        return name

    def _moved(
        self, node: onnx.NodeProto, source: str, output: str, scale: _Scale
    ) -> onnx.NodeProto:
        inputs = [source, *node.input[1:]]
        if node.op_type == "Pad":
            name = f"{output}_filling"
            self._constants[name] = np.asarray(self._filling(node, scale)[1])
            inputs[2:3] = [name]
        return self._node(node.op_type, inputs, output, node)

    def _filling(self, pad: onnx.NodeProto, scale: _Scale) -> tuple[np.float32, np.int8]:
        """What a padding fills with, and its int8 number."""
        given = len(pad.input) > 2 and pad.input[2] != ""
        value = np.float32(self._constants[pad.input[2]].item() if given else 0)
        zero_point = np.float32(self._constants[scale.zero_point].item())
        steps = np.rint(value / np.float32(self._constants[scale.scale].item())) + zero_point
        return value, np.int8(np.clip(steps, -128, 127))

    def _fills_exactly(self, pad: onnx.NodeProto, scale: _Scale) -> bool:
        value, number = self._filling(pad, scale)
        steps = np.float32(int(number) - int(self._constants[scale.zero_point].item()))
        return bool(steps * np.float32(self._constants[scale.scale].item()) == value)

    def _node(
        self,
        operator: str,
        inputs: list[str],
        output: str,
        like: onnx.NodeProto | None,
        domain: str = "",
    ) -> onnx.NodeProto:
        from onnx import helper

        name = like.name if like else f"{operator} to {output}"
        made = helper.make_node(operator, inputs, [output], name, domain=domain)
        if like:
            made.attribute.extend(like.attribute)
        return made

    def write(self) -> None:
        """Put the nodes, what is new of their constants, and the shapes into the model."""
        from onnx import TensorProto, ValueInfoProto, numpy_helper

        graph = self._graph
        known = {item.name for item in graph.initializer}
        graph.initializer.extend(
            numpy_helper.from_array(values, name)
            for name, values in self._constants.items()
            if name not in known
        )
        described = {value.name for value in (*graph.input, *graph.value_info, *graph.output)}
        for name, shape in self._shapes.items():
            if name not in described:
                value = ValueInfoProto(name=name)
                value.type.tensor_type.elem_type = TensorProto.INT8
                value.type.tensor_type.shape.CopyFrom(shape)
                graph.value_info.append(value)
        ordered = list(_in_order(self.nodes))
        del graph.node[:]
        graph.node.extend(ordered)


def _moves(node: onnx.NodeProto) -> bool:
    if node.op_type == "Resize":
        modes = [item.s for item in node.attribute if item.name == "mode"]
        return modes in ([], [b"nearest"])
    return node.op_type in _MOVING


def _in_order(nodes: list[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Nodes after those that write their inputs, else as they stand."""
    waiting = list(nodes)
    unmade = {node.output[0] for node in nodes}
    while waiting:
        for node in waiting:
            if not unmade & set(node.input):
                unmade.remove(node.output[0])
                waiting.remove(node)
                yield node
                break
        else:
            raise InputError("the int8 network has a circle of nodes")
