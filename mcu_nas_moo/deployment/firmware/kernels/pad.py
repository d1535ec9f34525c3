"""Borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel
from mcu_nas_moo.deployment.firmware.network import as_image, two_sides

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node


class Pad(Kernel):
    """``Pad`` of int8 with a constant, at any side of height and width."""

    operators = ("Pad",)

    def problem(self, node: Node) -> str | None:
        if node.attributes.get("mode", b"constant") != b"constant":
            return "it does not pad with a constant; use the mode constant"
        if node.has(3):
            return "it names the axes that it pads; give pads of all axes"
        begins, ends = _pads(node)
        if min(begins + ends) < 0:
            return "it cuts off instead of padding; use a slice"
        if any(begins[:2] + ends[:2]):
            return "it pads images or channels; pad height and width"
        return None

    def code(self, node: Node, c: CallWriter) -> str:
        begins, ends = _pads(node)
        value = int(node.constant(2).item()) if node.has(2) else 0
        return c.call(
            *("mcu_nas_pad", c.input(0), c.output, *as_image(node.shape(0))),
            *(*two_sides(begins[2:], 0), *two_sides(ends[2:], 0), value),
        )


def _pads(node: Node) -> tuple[list[int], list[int]]:
    values = [int(value) for value in node.constant(1)]
    half = len(values) // 2
    return values[:half], values[half:]
