"""Pooling."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel
from mcu_nas_moo.deployment.firmware.network import as_image, two_sides

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node


class GlobalAveragePool(Kernel):
    """``QLinearGlobalAveragePool``: the mean of each channel."""

    operators = ("QLinearGlobalAveragePool",)

    def problem(self, node: Node) -> str | None:
        if node.attributes.get("channels_last", 0):
            return "its channels come last; use the layout NCHW"
        return None

    def code(self, node: Node, c: CallWriter) -> str:
        channels, *sides = node.shape(0)[1:]
        return c.call(
            *("mcu_nas_global_average_pool", c.input(0), c.output, channels, prod(sides)),
            *(node.scale(1), node.zero_point(2), node.scale(3), node.zero_point(4)),
        )


class MaxPool(Kernel):
    """``MaxPool`` of int8: the highest number of each window."""

    operators = ("MaxPool",)

    def problem(self, node: Node) -> str | None:
        return _problem_of_windows(node)

    def code(self, node: Node, c: CallWriter) -> str:
        return c.call("mcu_nas_max_pool", c.input(0), c.output, _windows(node, c))


class AveragePool(Kernel):
    """``QLinearAveragePool``: the mean of each window, with or without padding."""

    operators = ("QLinearAveragePool",)

    def problem(self, node: Node) -> str | None:
        if node.attributes.get("channels_last", 0):
            return "its channels come last; use the layout NCHW"
        return _problem_of_windows(node)

    def code(self, node: Node, c: CallWriter) -> str:
        padded = node.attributes.get("count_include_pad", 0)
        area = prod(node.attributes["kernel_shape"]) if padded else 0
        return c.call(
            *("mcu_nas_average_pool", c.input(0), c.output, _windows(node, c), area),
            *(node.scale(1), node.zero_point(2), node.scale(3), node.zero_point(4)),
        )


def _problem_of_windows(node: Node) -> str | None:
    attributes = node.attributes
    if "kernel_shape" not in attributes:
        return "it has no kernel_shape"
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        return "its padding is automatic; give pads"
    if set(attributes.get("dilations", [1])) != {1}:
        return "it is dilated; use a larger window, or a strided pooling"
    _, height, width = as_image(node.shape(0))
    _, out_height, out_width = as_image(node.output_shape)
    stride_y, stride_x = two_sides(attributes.get("strides", [1, 1]), 1)
    top, left = _begins(node)
    if (out_height - 1) * stride_y - top >= height or (out_width - 1) * stride_x - left >= width:
        return "a window lies in the padding alone; pad less, or without ceil_mode"
    return None


def _begins(node: Node) -> tuple[int, int]:
    pads = node.attributes.get("pads", [0, 0, 0, 0])
    return two_sides(pads[: len(pads) // 2], 0)


def _windows(node: Node, c: CallWriter) -> str:
    channels, height, width = as_image(node.shape(0))
    return c.structure(
        *("mcu_nas_windows", "windows", channels, height, width),
        *as_image(node.output_shape)[1:],
        *two_sides(node.attributes["kernel_shape"], 1),
        *two_sides(node.attributes.get("strides", [1, 1]), 1),
        *_begins(node),
    )
