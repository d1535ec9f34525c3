"""Operators that onnxruntime's QOperator form lacks, so that every tensor of a network is int8.

A function of one tensor becomes three nodes: its int8 input is dequantised, the function computed,
and the result quantised. Firmware looks it up in a table of 256, which these three nodes fill.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

#: Functions that the form has no operator for.
_FUNCTIONS = ("Erf", "Gelu", "HardSigmoid", "HardSwish", "Tanh")
#: Clamps, which the form leaves to the operator before them.
_CLAMPS = ("Clip", "Relu")
#: Operators that hand on int8 values as they are; they wait for an int8 input.
_WAITING = ("GlobalAveragePool", "MaxPool", "Pad", "Resize")
#: Float operators whose int8 form computes each output anew, and so within the range of a clamp.
_COMPUTING = frozenset(
    {"Add", "AveragePool", "Concat", "Conv", "Gemm", "GlobalAveragePool", "Mul", "Sigmoid"}
) | set(_FUNCTIONS)


@contextmanager
def all_in_int8(model: onnx.ModelProto) -> Iterator[None]:
    """Let onnxruntime quantise all operators of ``model``, while the block runs."""
    registry = require("onnxruntime.quantization.registry", "export").QLinearOpsRegistry
    before = dict(registry)
    function = _function_class()
    readers: dict[str, int] = {output.name: 1 for output in model.graph.output}
    writers = {name: node.op_type for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1

    def clamp(quantizer: Any, node: onnx.NodeProto) -> Any:
        # Left out where the operator before it can take over its range, and nobody else reads that.
        source = node.input[0]
        joins = writers.get(source) in _COMPUTING and readers[source] == 1
        return (before[node.op_type] if joins else function)(quantizer, node)

    registry.update(dict.fromkeys(_FUNCTIONS, function))
    registry.update(dict.fromkeys(_CLAMPS, clamp))
    registry.update({name: _with_int8_input(before[name]) for name in _WAITING})
    try:
        yield
    finally:
        registry.clear()
        registry.update(before)


def _function_class() -> Any:
    """The class that quantises a function, as onnxruntime's registry wants it."""
    base: Any = require(
        "onnxruntime.quantization.operators.base_operator", "export"
    ).QuantOperatorBase

    class Function(base):  # type: ignore[misc]
        def quantize(self) -> None:
            from onnx import NodeProto, helper

            node, quantizer = self.node, self.quantizer
            found, scale, zero_point, _, _ = quantizer._get_quantization_params(node.output[0])
            inputs, zero_points, scales, nodes = quantizer.quantize_activation(node, [0])
            if not found or inputs is None:
                super().quantize()
                return
            value = _int8_value(quantizer, node.output[0], scale, zero_point)
            plain, computed = f"{node.name}.float_input", f"{node.name}.float_output"
            inner = NodeProto()
            inner.CopyFrom(node)
            inner.input[0], inner.output[0] = plain, computed
            quantizer.new_nodes += [
                *nodes,
                helper.make_node(
                    "DequantizeLinear",
                    [inputs[0], scales[0], zero_points[0]],
                    [plain],
                    f"{node.name}.dequantise",
                ),
                inner,
                helper.make_node(
                    "QuantizeLinear",
                    [computed, scale, zero_point],
                    [value.q_name],
                    f"{node.name}_quant",
                ),
            ]

    return Function


def _with_int8_input(known: Any) -> Any:
    """The same class, after its input has been quantised if it was not."""

    def made(quantizer: Any, node: onnx.NodeProto) -> Any:
        operator = known(quantizer, node)
        quantise = operator.quantize

        def quantise_all() -> None:
            source = node.input[0]
            if source not in quantizer.quantized_value_map:
                found, scale, zero_point, _, _ = quantizer._get_quantization_params(source)
                names, _, _, nodes = quantizer.quantize_activation(node, [0])
                if found and names is not None:
                    quantizer.new_nodes += nodes
                    _int8_value(quantizer, source, scale, zero_point, names[0])
            quantise()

        operator.quantize = quantise_all
        return operator

    return made


def _int8_value(
    quantizer: Any, name: str, scale: str, zero_point: str, int8_name: str | None = None
) -> Any:
    """Note what the int8 form of a tensor is called."""
    parts = require("onnxruntime.quantization.quant_utils", "export")
    value = parts.QuantizedValue(
        name,
        int8_name or name + parts.TENSOR_NAME_QUANT_SUFFIX,
        scale,
        zero_point,
        parts.QuantizedValueType.Input,
    )
    quantizer.quantized_value_map[name] = value
    return value
