"""The graph of an ONNX file: its nodes, the shapes of its tensors, and what is constant in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import helper, numpy_helper, shape_inference

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import read_bytes
from mcu_nas_moo.networks.onnx.nodes import ONNX_DOMAINS, SAME_SHAPE, OnnxNode, simplified

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]

Dims = tuple[int, ...]

# Operators whose inputs beyond the first decide the shape of the output, or its borders.
_SHAPED_BY_INPUTS = frozenset(
    {
        *("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"),
        *("Expand", "Pad", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Tile"),
        *("Unsqueeze", "Upsample"),
    }
)
_ABOUT_SHAPES = frozenset({"Shape", "Size"})
# Shape arithmetic is about a handful of numbers; larger constants are weights.
_MOST_ELEMENTS_OF_A_SHAPE = 4096
_EXAMPLE_SIZE, _EXAMPLE_CHANNELS = 96, 3
_BATCH_OF_ONE = "a microcontroller takes one input at a time: give it a batch of 1"


class OnnxGraph:
    """What an ONNX file computes on its one input.

    Attributes:
        nodes: those that the outputs depend on and that compute on activations, in order.
        shapes: by tensor name, filled by :meth:`infer_shapes`.
    """

    def __init__(self, model: onnx.ModelProto, folder: str = "") -> None:
        graph = model.graph
        self._folder = folder
        self._opset = _opset(model)
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._values: dict[str, Array | None] = {}
        self._known_dims = {name: tuple(tensor.dims) for name, tensor in self._tensors.items()}
        for sparse in graph.sparse_initializer:
            self._known_dims[sparse.values.name] = tuple(sparse.dims)
        self.shapes: dict[str, Dims] = dict(self._known_dims)
        self._input = self._only_input(graph)
        self.input = self._input.name
        self.outputs = [output.name for output in graph.output]

        self._constants = set(self._known_dims)
        self._writer: dict[str, OnnxNode] = {}
        self._all: list[OnnxNode] = []
        for proto in graph.node:
            self._add(proto)
        self.nodes = self._live()

    def is_constant(self, name: str) -> bool:
        """Whether the tensor is the same for every input."""
        return name in self._constants

    def value(self, name: str) -> Array | None:
        """Value of a small constant; ``None`` if it is large or depends on unknown shapes."""
        if self._values.get(name) is None:
            self._values[name] = self._evaluate(name)
        return self._values[name]

    def infer_shapes(self, input_shape: Sequence[int] | None = None) -> None:
        """Find the shape of every tensor.

        Args:
            input_shape: that of the input, with or without batch; needed if the file leaves it
                open, and must agree with what the file says.

        Raises:
            InputError: if the batch is not 1, or the input shape is open or contradicts the file.
        """
        self.shapes[self.input] = self._input_dims(input_shape)
        while True:
            self._look_up_shape_constants()
            known = len(self.shapes)
            try:
                inferred = shape_inference.infer_shapes(self._typed_model(), data_prop=True)
            except shape_inference.InferenceError as error:
                raise InputError(f"inconsistent shapes: {_first_line(error)}") from error
            for info in inferred.graph.value_info:
                dims = _dims(info)
                if dims is not None and None not in dims:
                    self.shapes[info.name] = tuple(dim for dim in dims if dim is not None)
            # New shapes may give shape arithmetic its values, and these give further shapes.
            if len(self.shapes) == known or not self._look_up_shape_constants():
                return

    def dims(self, name: str) -> Dims:
        """Shape of a tensor, batch included.

        Raises:
            InputError: if it is not known; the message names the node that writes the tensor.
        """
        dims = self.shapes.get(name)
        if dims is None:
            value = self.value(name) if name in self._constants else None
            if value is None:
                raise InputError(
                    f"the output shape of {self._writer.get(name, name)} cannot be computed; it "
                    "depends on the data, or the input shape does not fit the network"
                )
            dims = self.shapes[name] = tuple(value.shape)
        return dims

    def _only_input(self, graph: onnx.GraphProto) -> onnx.ValueInfoProto:
        inputs = [info for info in graph.input if info.name not in self._known_dims]
        if len(inputs) != 1:
            names = ", ".join(repr(info.name) for info in inputs) or "none"
            raise InputError(f"a network must have exactly one input; the file has: {names}")
        if not inputs[0].type.HasField("tensor_type"):
            raise InputError(f"input {inputs[0].name!r} is not a tensor")
        info: onnx.ValueInfoProto = inputs[0]
        return info

    def _add(self, proto: onnx.NodeProto) -> None:
        if proto.op_type == "Constant" and proto.domain in ONNX_DOMAINS:
            self._add_constant(proto)
            return
        if proto.op_type == "DynamicQuantizeLinear":
            # In int8 the ranges are fixed before deployment: scale and zero point are constants.
            for output, value in zip(proto.output[1:], (np.float32(1), np.uint8(0)), strict=False):
                self._add_value(output, np.array(value))
        node = simplified(proto)
        self._all.append(node)
        self._writer |= dict.fromkeys(node.outputs, node)
        if node.op in _ABOUT_SHAPES or self._constants.issuperset(filter(None, node.inputs)):
            self._constants.update(node.outputs)

    def _add_constant(self, proto: onnx.NodeProto) -> None:
        name = proto.output[0]
        attribute = proto.attribute[0]
        value = helper.get_attribute_value(attribute)
        self._constants.add(name)
        if attribute.name == "value":
            self._tensors[name] = value
            self._known_dims[name] = self.shapes[name] = tuple(value.dims)
        elif attribute.name == "sparse_value":
            self._known_dims[name] = self.shapes[name] = tuple(value.dims)
        else:
            self._add_value(name, np.array(value))

    def _add_value(self, name: str, value: Array) -> None:
        self._constants.add(name)
        self._values[name] = value
        self._known_dims[name] = self.shapes[name] = tuple(value.shape)

    def _live(self) -> list[OnnxNode]:
        needed = {name for name in self.outputs if name not in self._constants}
        live = []
        for node in reversed(self._all):
            if any(name in needed for name in node.outputs):
                live.append(node)
                needed.update(name for name in node.inputs if name not in self._constants)
        if not live:
            raise InputError("no output depends on the input: there is nothing to run")
        return live[::-1]

    def _evaluate(self, name: str) -> Array | None:
        """Value of a constant, computed from others by onnx's reference implementation."""
        if math.prod(self.shapes.get(name, ())) > _MOST_ELEMENTS_OF_A_SHAPE:
            return None
        if name in self._tensors:
            tensor = self._tensors[name]
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                onnx.external_data_helper.load_external_data_for_tensor(tensor, self._folder)
            return numpy_helper.to_array(tensor)
        node = self._writer.get(name)
        if node is None or name not in self._constants:
            return None
        if node.op in _ABOUT_SHAPES:
            return self._fact_about_shape(node)
        feeds = {source: self.value(source) for source in node.inputs if source}
        if any(value is None for value in feeds.values()):
            return None
        from onnx.reference import ReferenceEvaluator

        try:
            graph = helper.make_graph(
                [node.proto],
                "constant",
                [onnx.ValueInfoProto(name=source) for source in feeds],
                [onnx.ValueInfoProto(name=output) for output in node.outputs],
            )
            results = ReferenceEvaluator(graph, opsets={"": self._opset}).run(None, feeds)
        except Exception as error:  # of any kind that numpy or onnx raise on a bad node
            raise InputError(f"{node} cannot be evaluated: {_first_line(error)}") from error
        self._values |= dict(zip(node.outputs, map(np.asarray, results), strict=False))
        return self._values[name]

    def _fact_about_shape(self, node: OnnxNode) -> Array | None:
        dims = self.shapes.get(node.inputs[0])
        if dims is None:
            return None
        part = dims[node.attribute("start", 0) : node.attribute("end")]
        return np.array(part if node.op == "Shape" else math.prod(dims), dtype=np.int64)

    def _look_up_shape_constants(self) -> bool:
        """Evaluate the constants that decide shapes; whether any is new."""
        # Sizes and axes are of this type, weights never are.
        wanted = {
            name
            for name, tensor in self._tensors.items()
            if tensor.data_type == onnx.TensorProto.INT64
        }
        for node in self.nodes:
            if node.op in _SHAPED_BY_INPUTS:
                wanted.update(self._constants.intersection(node.inputs[1:]))
        found = False
        for name in wanted:
            if self._values.get(name) is None:
                found |= self.value(name) is not None
        return found

    def _typed_model(self) -> onnx.ModelProto:
        """The graph without weights, as shape inference needs it."""
        floats = onnx.TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info(self.input, floats, self.shapes[self.input])]
        initialisers = []
        given = {self.input}
        for name in self._known_dims.keys() | self._values.keys():
            value = self._values.get(name)
            tensor = self._tensors.get(name)
            given.add(name)
            if value is not None:
                initialisers.append(numpy_helper.from_array(value, name))
            elif name in self._known_dims:
                kind = tensor.data_type if tensor is not None else floats
                inputs.append(helper.make_tensor_value_info(name, kind, self._known_dims[name]))
            else:
                given.remove(name)
        nodes = [
            helper.make_node("Identity", node.inputs[:1], node.outputs[:1])
            if node.op in SAME_SHAPE | {"BatchNormalization"}
            and node.outputs[0] not in self._constants
            else node.proto
            for node in self._all
            if not given.issuperset(node.outputs)
        ]
        graph = helper.make_graph(nodes, "shapes", inputs, [], initialisers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._opset)])

    def _input_dims(self, given: Sequence[int] | None) -> Dims:
        dims = _dims(self._input)
        batched = dims is None or len(dims) > 1
        if dims is not None and batched and dims[0] not in (None, 1):
            raise InputError(f"input {self.input!r} has a batch of {dims[0]}; {_BATCH_OF_ONE}")
        if given is not None:
            dims = self._accept_shape(dims, [int(size) for size in given])
        if dims is None or None in dims[batched:]:
            raise InputError(
                f"input {self.input!r} has the open shape {_format_dims(dims)}; "
                f"say which it is, such as --input-shape {_example(dims)}"
            )
        if batched:
            dims = [1, *dims[1:]]
        return tuple(size for size in dims if size is not None)

    def _accept_shape(self, dims: list[int | None] | None, wanted: list[int]) -> list[int | None]:
        """The shape that the user wants, if the file allows it."""
        if not wanted or min(wanted) < 1:
            raise InputError(
                f"an input shape must be of positive sizes, got {_format_dims(wanted)}"
            )
        if len(wanted) == (3 if dims is None else len(dims) - 1):
            wanted = [1, *wanted]
        if dims is not None and (
            len(wanted) != len(dims)
            or any(size not in (None, want) for size, want in zip(dims, wanted, strict=True))
        ):
            raise InputError(
                f"the input shape {_format_dims(wanted)} does not agree with that of input "
                f"{self.input!r}, {_format_dims(dims)}"
            )
        if len(wanted) > 1 and wanted[0] != 1:
            raise InputError(f"an input shape with a batch of {wanted[0]}; {_BATCH_OF_ONE}")
        return [*wanted]


def load_onnx(path: Path) -> OnnxGraph:
    """The graph of an ONNX file. Large weights stay on the disk or undecoded.

    Raises:
        InputError: if it is no ONNX file, is incomplete, or has not exactly one input.
        OSError: if it cannot be read.
    """
    if not path.is_file():
        raise InputError("there is no such file")
    try:
        model = onnx.load_model_from_string(read_bytes(path))
    except DecodeError as error:
        raise InputError("not an ONNX file, or one that was cut short") from error
    if not model.ir_version or not model.HasField("graph"):
        raise InputError("not an ONNX file: there is no graph in it")
    if not model.graph.node:
        raise InputError("the graph has no nodes")
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            facts = {entry.key: entry.value for entry in tensor.external_data}
            location = facts.get("location", "")
            if not (path.parent / location).resolve().is_relative_to(path.parent.resolve()):
                raise InputError(f"its weights would lie outside its folder, in {location!r}")
            if not (path.parent / location).is_file():
                raise InputError(f"the file {location!r} with its weights is missing beside it")
    return OnnxGraph(model, str(path.parent))


def _opset(model: onnx.ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ONNX_DOMAINS]
    # Files from before operator sets name none. Newer sets than onnx knows are read as its newest.
    return min(max(versions, default=1), onnx.defs.onnx_opset_version())


def _dims(info: onnx.ValueInfoProto) -> list[int | None] | None:
    """Sizes, ``None`` where open; ``None`` if not even their number is known."""
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    # Some exporters write 0 or -1 for an open size.
    return [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]


def _format_dims(dims: Sequence[int | None] | None) -> str:
    if dims is None:
        return "?"
    return "(" + ", ".join("?" if size is None else str(size) for size in dims) + ")"


def _example(dims: Sequence[int | None] | None) -> str:
    """An input shape that a user may have meant."""
    if dims is None:
        dims = [None] * 4
    sizes = [_EXAMPLE_SIZE if size is None else size for size in dims[1:]]
    if len(dims) == 4 and dims[1] is None and dims[3] is None:
        sizes[0] = _EXAMPLE_CHANNELS
    return ",".join(map(str, sizes))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
