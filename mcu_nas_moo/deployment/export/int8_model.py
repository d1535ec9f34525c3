"""The int8 network as firmware takes it: int8 in, int8 out, one image at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import ValidationError

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require
from mcu_nas_moo.common.files import parsing, read_bytes, write_atomically
from mcu_nas_moo.common.yaml_files import Facts
from mcu_nas_moo.data.preprocessing import Preprocessing
from mcu_nas_moo.deployment.export.quantise import check_operators, drop_unread
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx_writer import INPUT, OUTPUT
from mcu_nas_moo.spaces.subnet_file import SubnetFile

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from mcu_nas_moo.data.preprocessing import Int8Array

#: Trained for the subnet itself, or the supernet's.
WeightsKind = Literal["retrained", "shared"]
#: Key of our part of the file's metadata.
METADATA_KEY = "mcu_nas_moo"


class Description(Facts):
    """What an int8 ONNX file says about itself, as JSON in its metadata.

    Args:
        mean, std: of pixels in [0, 255], per channel; the network's float input is
            ``(pixel - mean) / std``.
        classes: names, in the order of the outputs.
        weights: whether the subnet was trained by itself, or uses weights of the supernet.
    """

    subnet: SubnetFile
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    weights: WeightsKind


@dataclass(frozen=True, eq=False)
class Int8Model:
    """An int8 network, see :func:`read_int8_model`.

    Attributes:
        model: maps int8 ``image`` (1, channels, height, width) to int8 ``logits`` (1, classes);
            every tensor has its type and shape in ``value_info``.
        output_scale, output_zero_point: an output q stands for
            ``output_scale * (q - output_zero_point)``.
        weights: as in :class:`Description`.
        sha256: of the file, hexadecimal.
    """

    model: onnx.ModelProto
    subnet: SubnetFile
    preprocessing: Preprocessing
    output_scale: float
    output_zero_point: int
    class_names: tuple[str, ...]
    weights: WeightsKind
    sha256: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = _shape(self.model.graph.input[0])[1:]
        return channels, height, width

    @cached_property
    def _session(self) -> Any:
        return session(self.model)

    def run(self, inputs: Int8Array) -> Int8Array:
        """Outputs ``(N, classes)`` for int8 ``inputs`` ``(N, channels, height, width)``.

        By onnxruntime on the host: what firmware has to reproduce bit by bit.
        """
        if inputs.dtype != np.int8 or inputs.shape[1:] != self.input_shape:
            raise InputError(
                f"expected int8 inputs (N, {', '.join(map(str, self.input_shape))}), "
                f"got {inputs.dtype} {inputs.shape}"
            )
        outputs = np.empty((len(inputs), len(self.class_names)), dtype=np.int8)
        for row in range(len(inputs)):
            outputs[row] = self._session.run(None, {INPUT: inputs[row : row + 1]})[0][0]
        return outputs


def session(model: onnx.ModelProto) -> Any:
    """An onnxruntime session of ``model`` on one core of the CPU."""
    onnxruntime = require("onnxruntime", "export")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: they are raised as well
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def write_int8_model(model: onnx.ModelProto, description: Description, path: Path) -> None:
    """Write an int8 network, outer quantisation included, with its description."""
    import onnx
    from onnx import helper

    described = onnx.ModelProto()
    described.CopyFrom(model)
    del described.metadata_props[:]
    text = description.model_dump_json(exclude_none=True)
    helper.set_model_props(described, {METADATA_KEY: text})
    described.producer_name = "mcu_nas_moo"
    write_atomically(path, lambda partial: partial.write_bytes(described.SerializeToString()))


def read_int8_model(path: Path) -> Int8Model:
    """Read what `mcu-nas export` wrote as ``int8.onnx``.

    Raises:
        InputError: if the file is missing, damaged or another kind of model, or onnxruntime is
            not installed; the message names the remedy.
    """
    require("onnxruntime", "export")
    import onnx

    if not path.is_file():
        raise InputError(f"no int8 model {path}; `mcu-nas export` writes one")
    with parsing(path, "make it again with `mcu-nas export`", "an int8 model of this program"):
        content = read_bytes(path)
        model = onnx.load_from_string(content)
        if not model.graph.node:
            raise InputError("it has no nodes")
        description = _description(model)
        check_operators(model)
        _check_layers(model, description.subnet)
        outer = _strip(model, description)
        _add_shapes(model)
    (scale, zero_point), (output_scale, output_zero_point) = outer
    return Int8Model(
        model=model,
        subnet=description.subnet,
        preprocessing=Preprocessing(description.mean, description.std, scale, zero_point),
        output_scale=output_scale,
        output_zero_point=output_zero_point,
        class_names=description.classes,
        weights=description.weights,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _description(model: onnx.ModelProto) -> Description:
    texts = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    if not texts:
        raise InputError("it lacks the metadata of this program")
    try:
        description = Description.model_validate_json(texts[0])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"its metadata are not valid: {place}: {first['msg']}") from None
    if len(description.classes) != description.subnet.classes:
        raise InputError("its class names are not as many as its subnet's classes")
    return description


def _check_layers(model: onnx.ModelProto, subnet: SubnetFile) -> None:
    """Raise an InputError unless input and weights have the shapes of the subnet's layers."""
    layers = subnet.layers()
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    found = [
        shapes[node.input[3]]
        for node in model.graph.node
        if node.op_type in ("QLinearConv", "QGemm")
    ]
    expected: list[tuple[int, ...]] = []
    for layer in layers:
        channels = (layer.out_channels, layer.in_channels // layer.groups)
        if layer.op in (Op.CONV, Op.DEPTHWISE) or (
            layer.op == Op.DENSE and layer.in_size != (1, 1)
        ):
            expected.append((*channels, *layer.kernel))
        elif layer.op == Op.DENSE:
            expected.append(channels)
    image = (layers[0].in_channels, *layers[0].in_size)
    if found != expected or _shape(model.graph.input[0])[1:] != image:
        raise InputError("its layers are not those of its subnet")


def _strip(
    model: onnx.ModelProto, description: Description
) -> tuple[tuple[float, int], tuple[float, int]]:
    """Remove the outer quantisation; returns scale and zero point of the input and the output."""
    from onnx import TensorProto, helper

    graph = model.graph
    quantize = [
        node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == INPUT
    ]
    dequantize = [
        node
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.output[0] == OUTPUT
    ]
    if len(quantize) != 1 or len(dequantize) != 1:
        raise InputError("it has no outer quantisation of input and output")
    parameters = (
        _scale_and_zero_point(model, quantize[0]),
        _scale_and_zero_point(model, dequantize[0]),
    )
    renamed = {quantize[0].output[0]: INPUT, dequantize[0].input[0]: OUTPUT}
    graph.node.remove(quantize[0])
    graph.node.remove(dequantize[0])
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed.get(name, name)
    first = description.subnet.layers()[0]
    shapes = {
        INPUT: (1, first.in_channels, *first.in_size),
        OUTPUT: (1, description.subnet.classes),
    }
    for tensor in (*graph.input, *graph.output):
        tensor.CopyFrom(
            helper.make_tensor_value_info(tensor.name, TensorProto.INT8, shapes[tensor.name])
        )
    return parameters


def _scale_and_zero_point(model: onnx.ModelProto, node: onnx.NodeProto) -> tuple[float, int]:
    from onnx import numpy_helper

    values = {tensor.name: tensor for tensor in model.graph.initializer}
    scale, zero_point = (numpy_helper.to_array(values[name]) for name in node.input[1:])
    if zero_point.dtype != np.int8:
        raise InputError(f"it is quantised to {zero_point.dtype}, not int8")
    return float(scale), int(zero_point)


def _add_shapes(model: onnx.ModelProto) -> None:
    """Note the type and shape of every tensor between the nodes.

    ONNX's own inference does not know the operators of onnxruntime, so this runs the network once.
    """
    import onnx
    from onnx import helper

    graph = model.graph
    del graph.value_info[:]
    outputs = {tensor.name for tensor in graph.output}
    inner = [name for node in graph.node for name in node.output if name not in outputs]
    all_visible = onnx.ModelProto()
    all_visible.CopyFrom(model)
    all_visible.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    zeros = np.zeros(_shape(graph.input[0]), dtype=np.int8)
    values = session(all_visible).run(inner, {INPUT: zeros})
    for name, value in zip(inner, values, strict=True):
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        graph.value_info.append(helper.make_tensor_value_info(name, kind, value.shape))
    drop_unread(model)


def _shape(tensor: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in tensor.type.tensor_type.shape.dim)
