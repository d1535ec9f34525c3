"""Sums of two tensors."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node


class Add(Kernel):
    """``QLinearAdd``: of the same shape, or with one number per channel."""

    operators = ("QLinearAdd",)

    def problem(self, node: Node) -> str | None:
        return problem_of_shapes(node)

    def overwrites(self, node: Node) -> tuple[int, ...]:
        place = broadcast_place(node)
        return (0, 3) if place is None else (3 - place,)

    def code(self, node: Node, c: CallWriter) -> str:
        small = broadcast_place(node)
        sizes: tuple[int, ...] = (prod(node.output_shape),)
        first, second, function = 0, 3, "mcu_nas_add"
        if small is not None:
            first, second, function = 3 - small, small, "mcu_nas_add_channels"
            sizes = (node.output_shape[1], prod(node.output_shape[2:]))
        return c.call(
            function,
            *(c.input(first), c.input(second), c.output, *sizes),
            *(node.scale(first + 1), node.zero_point(first + 2)),
            *(node.scale(second + 1), node.zero_point(second + 2)),
            *(node.scale(6), node.zero_point(7)),
        )


def broadcast_place(node: Node) -> int | None:
    """Place, 0 or 3, of the input that has one number per channel; None if none has."""
    for place in (0, 3):
        if node.shape(place) != node.output_shape:
            return place
    return None


def problem_of_shapes(node: Node) -> str | None:
    """Why two tensors, at the places 0 and 3, cannot be taken together."""
    full = node.output_shape
    per_channel = (*full[:2], *[1] * (len(full) - 2))
    shapes = sorted((node.shape(0), node.shape(3)), key=prod)
    if shapes[1] == full and shapes[0] in (full, per_channel):
        return None
    return (
        f"its inputs have the shapes {node.shape(0)} and {node.shape(3)}; both must be {full}, "
        f"or one of them {per_channel}"
    )
