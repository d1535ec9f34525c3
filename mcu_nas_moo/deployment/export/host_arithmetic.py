"""Whether onnxruntime computes exactly on this computer, so that it can be a reference.

Its int8 kernels for x86 without VNNI add two products in 16 bits, which large values saturate
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.deployment.export.int8_model import session

if TYPE_CHECKING:
    import onnx

_CHANNELS, _SIZE = 32, 8
# The sum that the largest values give, by a scale that brings it into int8.
_OUTPUT = 100


def inexact_operators() -> tuple[str, ...]:
    """Kinds of layers that onnxruntime computes wrongly here, on the largest int8 values.

    Raises:
        InputError: if onnxruntime is not installed.
    """
    wrong = []
    for kind, model in _extreme_layers().items():
        shape = (1, _CHANNELS, _SIZE, _SIZE) if kind != "QGemm" else (1, _CHANNELS)
        (output,) = session(model).run(None, {"x": np.full(shape, 127, dtype=np.int8)})
        if (output != _OUTPUT).any():
            wrong.append(kind)
    return tuple(wrong)


def warning() -> str | None:
    """What to tell the user if onnxruntime is no exact reference here."""
    wrong = inexact_operators()
    if not wrong:
        return None
    return (
        f"onnxruntime saturates in {', '.join(wrong)} on this {platform.machine()} processor, "
        "probably because it has no VNNI; int8 accuracies are too low and `mcu-nas verify` may "
        "differ; use a processor with VNNI, or an ARM one"
    )


def _extreme_layers() -> dict[str, onnx.ModelProto]:
    """One layer of each kind, whose every output is ``_OUTPUT`` for inputs of 127."""
    return {
        "1x1 convolution": _layer("QLinearConv", (_CHANNELS, _CHANNELS, 1, 1), 1),
        "depthwise convolution": _layer("QLinearConv", (_CHANNELS, 1, 1, 1), _CHANNELS),
        "QGemm": _layer("QGemm", (_CHANNELS, _CHANNELS), 1),
    }


def _layer(operator: str, shape: tuple[int, ...], groups: int) -> onnx.ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    convolution = operator == "QLinearConv"
    # Inputs are 127 - (-128) = 255 steps above zero, weights 127.
    total = 255 * 127 * int(np.prod(shape[1:]))
    values = {
        "one": np.float32(1),
        "low": np.int8(-128),
        "w": np.full(shape, 127, dtype=np.int8),
        "w_scale": np.ones(shape[0], dtype=np.float32),
        "w_zero": np.zeros(shape[0], dtype=np.int8),
        "bias": np.zeros(shape[0], dtype=np.int32),
        "y_scale": np.float32(total / _OUTPUT),
        "y_zero": np.int8(0),
    }
    names = ["x", "one", "low", "w", "w_scale", "w_zero"]
    if convolution:
        node = helper.make_node(
            operator, [*names, "y_scale", "y_zero", "bias"], ["y"], group=groups
        )
    else:
        names += ["bias", "y_scale", "y_zero"]
        node = helper.make_node(operator, names, ["y"], domain="com.microsoft", transB=1)
    image = [1, _CHANNELS, _SIZE, _SIZE] if convolution else [1, _CHANNELS]
    graph = helper.make_graph(
        [node],
        "extremes",
        [helper.make_tensor_value_info("x", TensorProto.INT8, image)],
        [helper.make_tensor_value_info("y", TensorProto.INT8, image)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)
