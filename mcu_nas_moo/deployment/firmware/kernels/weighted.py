"""Convolutions and dense layers."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.deployment.firmware.kernels.geometry import Geometry
from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node

_SOURCES = tuple(
    Path(__file__).with_name(name) for name in ("simd.h", "convolution.h", "depthwise.h")
)
# Places of the inputs that both operators have in common.
_WEIGHTS, _WEIGHT_SCALES, _WEIGHT_ZEROS = 3, 4, 5
#: Sizes are int16 in the C code.
_SIZE_LIMIT = 2**15


class Convolution(Kernel):
    """``QLinearConv`` of one or two dimensions."""

    operators = ("QLinearConv",)

    @property
    def sources(self) -> tuple[Path, ...]:
        return _SOURCES

    def problem(self, node: Node) -> str | None:
        kernel = list(node.constant(_WEIGHTS).shape[2:])
        groups, pads = node.attributes.get("group", 1), node.attributes.get("pads", [0])
        channels, outputs = node.shape(0)[1], node.output_shape[1]
        for holds, problem in (
            (
                node.attributes.get("kernel_shape", kernel) == kernel,
                "its kernel_shape is not that of its weights",
            ),
            (
                node.attributes.get("auto_pad", b"NOTSET") == b"NOTSET",
                "its padding is automatic; give pads",
            ),
            (min(pads) >= 0, "its padding is negative; cut the input before"),
            (
                channels % groups == outputs % groups == 0,
                f"it has {groups} groups for {channels} channels and {outputs} outputs",
            ),
            (
                max(*node.shape(0), *node.output_shape, *pads) < _SIZE_LIMIT,
                f"one of its sizes is {_SIZE_LIMIT:,} or more",
            ),
        ):
            if not holds:
                return problem
        return _problem_of_weights(node, outputs, bias=8)

    def overwrites(self, node: Node) -> tuple[int, ...]:
        return (0,) if Geometry.of(node).depthwise else ()

    def scratch_bytes(self, node: Node, simd: bool) -> int:
        return Geometry.of(node).scratch_bytes(simd)

    def code(self, node: Node, c: CallWriter) -> str:
        g = Geometry.of(node)
        common = (c.input(0), c.output, *_constants(node, c, bias=8, output=6))
        if g.function == "mcu_nas_dense":
            return c.call(g.function, *common, g.channels, g.outputs)
        if g.function == "mcu_nas_pointwise":
            pixels = g.in_size.y * g.in_size.x
            return c.call(g.function, *common, g.channels, g.outputs, pixels, c.scratch)
        sizes = (g.in_size, g.out_size, g.kernel, g.stride, g.dilation, g.padding)
        geometry = c.structure("mcu_nas_geometry", "geometry", *chain.from_iterable(sizes))
        if g.unrolled:
            c.instance(f"MCU_NAS_DEPTHWISE({g.kernel.y}, {g.kernel.x}, {g.stride.x})")
        if g.depthwise:
            return c.call(g.function, *common, g.groups, geometry, c.scratch)
        return c.call(g.function, *common, g.groups, g.channels, g.outputs, geometry, c.scratch)


class Dense(Kernel):
    """``QGemm``."""

    operators = ("QGemm",)

    @property
    def sources(self) -> tuple[Path, ...]:
        return _SOURCES

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
        return c.call("mcu_nas_dense", c.input(0), c.output, *constants, inputs, outputs)


def _constants(node: Node, c: CallWriter, bias: int, output: int) -> tuple[str, str]:
    """Weights and quantisation in C; ``output`` is the place of the output's scale."""
    biases, multipliers = folded(node, bias, output)
    quantisation = c.structure(
        *("mcu_nas_quantisation", "quantisation"),
        *(c.constant("biases", biases), c.constant("multipliers", multipliers)),
        *(node.zero_point(2), node.zero_point(output + 1)),
    )
    return c.constant("values", node.constant(_WEIGHTS)), quantisation


def folded(node: Node, bias: int, output: int) -> tuple[IntArray, FloatArray]:
    """Biases and multipliers, one per output channel ``(n_outputs,)``.

    An output is round((bias + sum of w (x - x_zero)) * x_scale * w_scale / y_scale) + y_zero. What
    x_zero adds is the same for every pixel, as borders are padded with x_zero: it goes into the
    bias, and the three scales into one, in float32 and in onnxruntime's order.
    """
    weights = node.constant(_WEIGHTS).astype(np.int64)
    sums = weights.reshape(len(weights), -1).sum(axis=1)
    biases = node.constant(bias) - node.zero_point(2) * sums
    scales = np.ravel(node.constant(_WEIGHT_SCALES)).astype(np.float32)
    return biases.astype(np.int32), node.scale(1) * scales / node.scale(output)


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
