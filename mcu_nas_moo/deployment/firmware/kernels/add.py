"""Sums of two tensors."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node


class Add(Kernel):
    """``QLinearAdd``."""

    operators = ("QLinearAdd",)

    def problem(self, node: Node) -> str | None:
        if len({node.shape(0), node.shape(3), node.output_shape}) > 1:
            return "its inputs differ in shape"
        return None

    def overwrites(self, node: Node) -> tuple[int, ...]:
        return (0, 3)

    def code(self, node: Node, c: CallWriter) -> str:
        return c.call(
            *("mcu_nas_add", c.input(0), c.input(3), c.output, prod(node.output_shape)),
            *(node.scale(1), node.zero_point(2), node.scale(4), node.zero_point(5)),
            *(node.scale(6), node.zero_point(7)),
        )
