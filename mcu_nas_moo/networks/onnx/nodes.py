"""ONNX nodes, with quantised operators replaced by the float ones that they stand for.

Quantised files then look like float ones, in both formats that onnxruntime writes: QDQ
(QuantizeLinear and DequantizeLinear around float operators) and QOperator (QLinearConv and the
like). Scales and zero points are left out; they change no shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onnx import AttributeProto, NodeProto

#: Functions of their first input, element by element or along an axis: the shape stays.
SAME_SHAPE = frozenset(
    {
        *("Abs", "Ceil", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Round", "Sign"),
        *("Celu", "Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "LogSoftmax"),
        *("Mish", "PRelu", "QuickGelu", "Relu", "Selu", "Sigmoid", "Softmax", "Softplus"),
        *("Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"),
    }
)

# The operator that a quantised one stands for, and which of its inputs remain. Scales and zero
# points are left out. Sources: ONNX operators, onnxruntime's ContribOperators.md (com.microsoft).
_QUANTISED: dict[str, tuple[str, tuple[int, ...]]] = {
    "QuantizeLinear": ("Identity", (0,)),
    "DequantizeLinear": ("Identity", (0,)),
    "QLinearConv": ("Conv", (0, 3, 8)),
    "ConvInteger": ("Conv", (0, 1)),
    "QLinearMatMul": ("MatMul", (0, 3)),
    "MatMulInteger": ("MatMul", (0, 1)),
    "MatMulIntegerToFloat": ("MatMul", (0, 1)),
    "QGemm": ("Gemm", (0, 3, 6)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearReduceMean": ("ReduceMean", (0,)),
    "QLinearLeakyRelu": ("LeakyRelu", (0,)),
    "QLinearSigmoid": ("Sigmoid", (0,)),
    "QLinearSoftmax": ("Softmax", (0,)),
}
#: Names of ONNX's own domain.
ONNX_DOMAINS = frozenset({"", "ai.onnx"})
_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One operation. ``inputs`` may hold empty strings for optional inputs left out."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proto: NodeProto

    def attribute(self, name: str, default: Any = None) -> Any:
        """Value of an attribute, decoded; ``default`` if the node has none of that name."""
        from onnx import helper

        for attribute in self.proto.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def __str__(self) -> str:
        return f"{self.op} ({self.name!r})"


def simplified(proto: NodeProto) -> OnnxNode:
    """The node that stands for ``proto``: without quantisation, else the same.

    Raises:
        InputError: if it is one that onnxruntime's graph optimisation makes.
    """
    op, inputs, outputs = proto.op_type, list(proto.input), list(proto.output)
    name = proto.name or next(filter(None, outputs), "")
    standard = proto.domain in ONNX_DOMAINS
    if standard:
        proto.domain = ""
    if not standard and proto.domain != _MICROSOFT:
        return OnnxNode(f"{proto.domain}.{op}", name, tuple(inputs), tuple(outputs), proto)
    if op.startswith(("Nhwc", "Fused")) or any(
        attribute.name == "channels_last" and attribute.i for attribute in proto.attribute
    ):
        raise InputError(
            f"operator {op} ({name!r}) comes from onnxruntime's graph optimisation, which this "
            "program does not read: give the file from before it"
        )
    if op == "DynamicQuantizeLinear":
        return _node("Identity", name, inputs[:1], outputs[:1])
    if op == "QLinearConcat":
        return _node("Concat", name, inputs[2::3], outputs, proto.attribute)
    if op in _QUANTISED:
        plain, places = _QUANTISED[op]
        kept = [inputs[place] for place in places if place < len(inputs)]
        return _node(plain, name, kept, outputs, () if plain == "Identity" else proto.attribute)
    if not standard and op not in SAME_SHAPE:
        op = f"{proto.domain}.{op}"
    return OnnxNode(op, name, tuple(inputs), tuple(outputs), proto)


def _node(
    op: str,
    name: str,
    inputs: Sequence[str],
    outputs: Iterable[str],
    attributes: Iterable[AttributeProto] = (),
) -> OnnxNode:
    from onnx import helper

    proto = helper.make_node(op, inputs, list(outputs), name)
    proto.attribute.extend(attributes)
    return OnnxNode(op, name, tuple(inputs), tuple(proto.output), proto)
