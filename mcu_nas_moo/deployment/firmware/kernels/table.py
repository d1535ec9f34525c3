"""Functions of one tensor, element by element, and concatenation, which may need them."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node

#: All values of int8, in the order of the tables: as unsigned bytes.
EVERY_BYTE = np.arange(256).astype(np.uint8).view(np.int8)
_SOURCE = Path(__file__).with_name("table.h")


class Table(Kernel):
    """``Table``: what lowering makes of functions, see ``lowering.py``; the second input is it."""

    operators = ("Table",)

    def overwrites(self, node: Node) -> tuple[int, ...]:
        return (0,)

    def code(self, node: Node, c: CallWriter) -> str:
        table, count = c.constant("table", node.constant(1)), prod(node.output_shape)
        return c.call("mcu_nas_look_up", c.input(0), c.output, count, table)


class Concat(Kernel):
    """``QLinearConcat`` along channels: copies, by a table where the scales differ."""

    operators = ("QLinearConcat",)

    @property
    def sources(self) -> tuple[Path, ...]:
        return (_SOURCE,)

    def problem(self, node: Node) -> str | None:
        rank = len(node.output_shape)
        if node.attributes.get("axis", 1) not in (1, 1 - rank):
            return "it does not join channels; concatenate along axis 1"
        return None

    def code(self, node: Node, c: CallWriter) -> str:
        lines, at = [], 0
        for place in range(2, len(node.inputs), 3):
            count, to = prod(node.shape(place)), f"{c.output} + {at}"
            table = requantised(node, place)
            if table is None:
                lines.append(c.call("mcu_nas_copy", to, c.input(place), count))
            else:
                name = c.constant(f"table{place // 3}", table)
                lines.append(c.call("mcu_nas_look_up", c.input(place), to, count, name))
            at += count
        return "\n    ".join(lines)


def requantised(node: Node, place: int) -> np.ndarray[Any, np.dtype[np.int8]] | None:
    """What becomes of each byte of an input of a concatenation; None if nothing does.

    In the order of onnxruntime: dequantised, divided, rounded to nearest with ties to even.
    """
    scale, zero_point = node.scale(0), node.zero_point(1)
    if (node.scale(place + 1), node.zero_point(place + 2)) == (scale, zero_point):
        return None
    zero_free = EVERY_BYTE.astype(np.int32) - node.zero_point(place + 2)
    values = node.scale(place + 1) * zero_free.astype(np.float32)
    steps = np.rint(values / scale) + np.float32(zero_point)
    table: np.ndarray[Any, np.dtype[np.int8]] = np.clip(steps, -128, 127).astype(np.int8)
    return table
