"""Pooling."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

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
