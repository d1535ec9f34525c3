"""Products of two tensors."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.firmware.kernels.add import broadcast_place, problem_of_shapes
from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node


class Multiply(Kernel):
    """``QLinearMul``: of the same shape, or with one number per channel."""

    operators = ("QLinearMul",)

    def problem(self, node: Node) -> str | None:
        return problem_of_shapes(node)

    def overwrites(self, node: Node) -> tuple[int, ...]:
        place = broadcast_place(node)
        return (0, 3) if place is None else (3 - place,)

    def code(self, node: Node, c: CallWriter) -> str:
        ratio = node.scale(1) * node.scale(4) / node.scale(6)
        small, output_zero = broadcast_place(node), node.zero_point(7)
        if small is None:
            return c.call(
                *("mcu_nas_multiply", c.input(0), c.input(3), c.output, prod(node.output_shape)),
                *(node.zero_point(2), node.zero_point(5), ratio, output_zero),
            )
        large, channels = 3 - small, node.output_shape[1]
        return c.call(
            *("mcu_nas_multiply_channels", c.input(large), c.input(small), c.output),
            *(channels, prod(node.output_shape[2:])),
            *(node.zero_point(large + 2), node.zero_point(small + 2), ratio, output_zero),
        )
