"""Convolutions and dense layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel
from mcu_nas_moo.deployment.firmware.network import as_image

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node

_SOURCE = Path(__file__).with_name("convolution.h")
# Places of the inputs that both operators have in common.
_WEIGHTS, _WEIGHT_SCALES, _WEIGHT_ZEROS = 3, 4, 5


class Convolution(Kernel):
    """``QLinearConv``: pointwise, depthwise, and over all channels."""

    operators = ("QLinearConv",)

    @property
    def sources(self) -> tuple[Path, ...]:
        return (_SOURCE,)

    def problem(self, node: Node) -> str | None:
        height, width = node.constant(_WEIGHTS).shape[2:]
        groups = node.attributes.get("group", 1)
        channels, outputs = node.shape(0)[1], node.output_shape[1]
        one_depthwise = groups in (1, channels) and (groups == 1 or outputs == channels)
        for holds, problem in (
            (height == width, "its kernel is not square"),
            (
                node.attributes.get("kernel_shape", [height, width]) == [height, width],
                "its kernel_shape is not that of its weights",
            ),
            (len(set(node.attributes.get("strides", [1]))) == 1, "its stride is not square"),
            (
                node.attributes.get("auto_pad", b"NOTSET") == b"NOTSET",
                "its padding is automatic; give pads",
            ),
            (len(set(_pads(node))) == 1, "it pads the sides differently"),
            (set(node.attributes.get("dilations", [1])) == {1}, "it is dilated"),
            (one_depthwise, f"it has {groups} groups for {channels} channels"),
        ):
            if not holds:
                return problem
        return _problem_of_weights(node, outputs, bias=8)

    def overwrites(self, node: Node) -> tuple[int, ...]:
        return (0,) if _is_depthwise(node) else ()

    def scratch_bytes(self, node: Node, simd: bool) -> int:
        if not _is_depthwise(node):
            return 0
        _, height, width = as_image(node.shape(0))
        border = 2 * _pads(node)[0]
        return (height + border) * (width + border)

    def code(self, node: Node, c: CallWriter) -> str:
        weights = node.constant(_WEIGHTS)
        channels, height, width = as_image(node.shape(0))
        outputs, out_height, out_width = as_image(node.output_shape)
        kernel, stride, padding = weights.shape[2], _stride(node), _pads(node)[0]
        common = (c.input(0), c.output, *_constants(node, c, bias=8, output=6))
        if kernel == 1 and stride == 1 and padding == 0 and not _is_depthwise(node):
            return c.call("mcu_nas_pointwise", *common, channels, outputs, height * width)
        geometry = c.structure(
            *("mcu_nas_geometry", "geometry"),
            *(height, width, out_height, out_width, stride, padding),
        )
        if _is_depthwise(node):
            c.instance(f"MCU_NAS_DEPTHWISE({kernel}, {stride})")
            function = f"mcu_nas_depthwise_{kernel}x{kernel}s{stride}"
            return c.call(function, *common, channels, geometry, c.scratch)
        return c.call("mcu_nas_convolution", *common, channels, outputs, kernel, geometry)


class Dense(Kernel):
    """``QGemm``: a pointwise convolution of one pixel."""

    operators = ("QGemm",)

    @property
    def sources(self) -> tuple[Path, ...]:
        return (_SOURCE,)

    def problem(self, node: Node) -> str | None:
        attributes = node.attributes
        if (attributes.get("transA", 0), attributes.get("transB", 0)) != (0, 1):
            return "its weights are not stored output by output"
        if attributes.get("alpha", 1.0) != 1.0 or not node.has(8):
            return "its output is scaled by alpha, or not quantised"
        return _problem_of_weights(node, node.constant(_WEIGHTS).shape[0], bias=6)

    def code(self, node: Node, c: CallWriter) -> str:
        outputs, inputs = node.constant(_WEIGHTS).shape
        constants = _constants(node, c, bias=6, output=7)
        return c.call("mcu_nas_pointwise", c.input(0), c.output, *constants, inputs, outputs, 1)


def _is_depthwise(node: Node) -> bool:
    return bool(node.attributes.get("group", 1) > 1)


def _pads(node: Node) -> list[int]:
    return list(node.attributes.get("pads", [0]))


def _stride(node: Node) -> int:
    return int(node.attributes.get("strides", [1])[0])


def _constants(node: Node, c: CallWriter, bias: int, output: int) -> tuple[str, str, str]:
    """Weights, bias and quantisation in C; ``output`` is the place of the output's scale."""
    scales = c.constant("scales", node.constant(_WEIGHT_SCALES).astype(np.float32))
    quantisation = c.structure(
        *("mcu_nas_quantisation", "quantisation"),
        *(node.scale(1), scales, node.scale(output)),
        *(node.zero_point(2), node.zero_point(output + 1)),
    )
    weights = c.constant("values", node.constant(_WEIGHTS))
    return weights, c.constant("bias", node.constant(bias)), quantisation


def _problem_of_weights(node: Node, outputs: int, bias: int) -> str | None:
    if node.constant(_WEIGHT_ZEROS).any():
        return "its weights have a zero point; quantise them symmetrically"
    if node.constant(_WEIGHT_SCALES).size != outputs:
        return "its weights have not one scale per output"
    if not node.has(bias) or node.constant(bias).shape != (outputs,):
        return "it has no bias per output"
    sums = np.abs(node.constant(_WEIGHTS).astype(np.int64)).reshape(outputs, -1).sum(axis=1)
    largest = int((sums * 255 + np.abs(node.constant(bias).astype(np.int64))).max())
    if largest > np.iinfo(np.int32).max:
        return (
            f"its sums may reach {largest:,}, beyond int32; use fewer inputs per output, or a "
            "wider range of its input"
        )
    return None
