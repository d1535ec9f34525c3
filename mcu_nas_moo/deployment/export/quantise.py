"""Float networks to int8: onnxruntime's static quantisation in the operators that run in int8.

QOperator form, because only there is every value inside the network an int8 tensor, as firmware
computes it; in QDQ form the operators stay float and a runtime decides what to fuse. Weights are
symmetric with a scale per output channel, activations have a zero point, so that a ReLU is the
lower end of its range and costs nothing.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require
from mcu_nas_moo.deployment.export.int8_functions import all_in_int8
from mcu_nas_moo.networks.onnx.nodes import SAME_SHAPE
from mcu_nas_moo.networks.onnx_writer import INPUT, OUTPUT
from mcu_nas_moo.networks.operators import known_operators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import onnx

    from mcu_nas_moo.common.arrays import FloatArray

#: What gives the same values another shape.
_SHAPING = frozenset({"Reshape", "Transpose"})
# Far enough below int32 that the sum of products with the bias stays within it.
_LARGEST_BIAS = 2**30
# Calibration keeps all intermediate tensors of a batch.
_BATCH = 32


def quantise(
    model: onnx.ModelProto,
    images: FloatArray,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> onnx.ModelProto:
    """The int8 form of a float network made by ``to_onnx``.

    Input and output stay float: an outer QuantizeLinear and an outer DequantizeLinear surround a
    network in which all tensors are int8.

    Args:
        images: calibration images as the network sees them, ``(N, channels, height, width)``; the
            extremes of each tensor on them are its range.
        ranges: lowest and highest value of tensors, by the name of the layer that writes them and
            ``"image"`` for the input: those that quantisation-aware training learnt its weights
            with. They go before what calibration finds.

    Raises:
        InputError: if onnxruntime is missing, ranges are of unknown layers or not finite, or
            something in the network could not be quantised.
    """
    overrides = _activation_overrides(model, ranges or {})
    quantised = _quantise(model, images, overrides)
    widened = _weight_overrides(model, quantised)
    if widened:
        quantised = _quantise(model, images, overrides | widened)
    drop_unread(quantised)
    used = {"" if node.domain == "ai.onnx" else node.domain for node in quantised.graph.node}
    opsets = [opset for opset in quantised.opset_import if opset.domain in used]
    del quantised.opset_import[:]
    quantised.opset_import.extend(opsets)
    check_operators(quantised)
    return quantised


def _quantise(
    model: onnx.ModelProto, images: FloatArray, overrides: dict[str, list[dict[str, Any]]]
) -> onnx.ModelProto:
    quantization = require("onnxruntime.quantization", "export")
    import onnx

    starts = range(0, len(images), _BATCH)
    batches = ({INPUT: images[start : start + _BATCH]} for start in starts)
    with (
        tempfile.TemporaryDirectory(prefix="mcu-nas-") as folder,
        _without_advice(),
        all_in_int8(model),
    ):
        # As a file: a model in memory is changed, its weights are moved out of it.
        given, result = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, given)
        quantization.quantize_static(
            given,
            result,
            SimpleNamespace(get_next=lambda: next(batches, None)),
            quant_format=quantization.QuantFormat.QOperator,
            per_channel=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": False,
                "WeightSymmetric": True,
                "TensorQuantOverrides": overrides,
            },
        )
        return onnx.load(result)


def _activation_overrides(
    model: onnx.ModelProto, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, list[dict[str, Any]]]:
    # A layer is one node, named like it, or two: its activation, or the flattening after a pooling.
    tensors, rectified = {INPUT: [INPUT]}, set()
    for node in model.graph.node:
        layer = node.name.removesuffix(".relu").removesuffix(".relu6").removesuffix(".flatten")
        tensors.setdefault(layer, []).append(node.output[0])
        if node.op_type in ("Relu", "Clip"):
            rectified.add(layer)
    unknown = sorted(set(ranges) - set(tensors))
    if unknown:
        raise InputError(f"the weights have ranges for layers that do not exist: {unknown}")
    overrides: dict[str, list[dict[str, Any]]] = {}
    for layer, (lowest, highest) in ranges.items():
        if not (np.isfinite(lowest) and np.isfinite(highest) and lowest <= highest):
            raise InputError(f"layer {layer!r} has an impossible range {lowest} to {highest}")
        # The ReLU is the lower end of the range, so the range must begin at 0.
        low = np.float32(0 if layer in rectified else lowest)
        for tensor in tensors[layer]:
            overrides[tensor] = [{"rmin": low, "rmax": max(np.float32(highest), low)}]
    return overrides


def check_operators(model: onnx.ModelProto) -> None:
    """Raise an InputError for a node that quantising a network of ours does not leave."""
    nodes = model.graph.node
    known = {name for operator in known_operators() for name in operator.int8_nodes}
    entered = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    left = {node.input[0] for node in nodes if node.op_type == "QuantizeLinear"}
    functions = {
        node.output[0]: node.input[0]
        for node in nodes
        if node.op_type in SAME_SHAPE and node.input[0] in entered and node.output[0] in left
    }
    for node in nodes:
        domain = node.domain.removeprefix("ai.onnx")  # it has two spellings
        name = f"{domain}.{node.op_type}".removeprefix(".")
        fits = name in known | _SHAPING or node.output[0] in functions
        if node.op_type == "DequantizeLinear":
            fits = node.output[0] in {OUTPUT, *functions.values()}
        elif node.op_type == "QuantizeLinear":
            fits = node.input[0] in {INPUT, *functions}
        if not fits:
            raise InputError(
                f"operator {node.op_type} of node {node.name!r} is not one of an int8 network"
            )


def _weight_overrides(
    model: onnx.ModelProto, quantised: onnx.ModelProto
) -> dict[str, list[dict[str, Any]]]:
    """Wider ranges for the weights of layers whose biases are too large to be int32.

    A bias counts in steps of input scale times weight scale, which are tiny in a channel whose
    weights are nearly zero. onnxruntime would cut the bias off; such a channel needs its bias more
    than its weights.
    """
    from onnx import numpy_helper

    floats = {tensor.name: tensor for tensor in model.graph.initializer}
    values = {tensor.name: tensor for tensor in quantised.graph.initializer}
    overrides: dict[str, list[dict[str, Any]]] = {}
    for node in quantised.graph.node:
        if node.op_type not in ("QLinearConv", "QGemm"):
            continue
        layer = node.name.removesuffix("_quant")
        weights, bias = (
            numpy_helper.to_array(floats[f"{layer}.{what}"]).astype(np.float64)
            for what in ("weight", "bias")
        )
        input_scale = float(numpy_helper.to_array(values[node.input[1]]))
        extremes = np.abs(weights).reshape(len(weights), -1).max(axis=1)
        needed = np.abs(bias) / (input_scale * _LARGEST_BIAS) * np.iinfo(np.int8).max
        if (needed > extremes).any():
            overrides[f"{layer}.weight"] = [
                {"axis": 0, "rmin": np.float32(-extreme), "rmax": np.float32(extreme)}
                for extreme in np.maximum(extremes, needed)
            ]
    return overrides


def drop_unread(model: onnx.ModelProto) -> None:
    """Remove initialisers that no node reads."""
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Silence onnxruntime, which advises QDQ and its own preprocessing by the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
