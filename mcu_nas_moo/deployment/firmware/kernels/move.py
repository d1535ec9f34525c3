"""Operators that only move values."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node

_AXES = 4


class Flatten(Kernel):
    """Another shape of the same values, which stay where they are if nothing else reads them."""

    operators = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity")

    def overwrites(self, node: Node) -> tuple[int, ...]:
        return (0,)

    def code(self, node: Node, c: CallWriter) -> str:
        if c.input(0) == c.output:
            return ""
        return c.call("mcu_nas_copy", c.output, c.input(0), prod(node.output_shape))

    @property
    def sources(self) -> tuple[Path, ...]:
        return ()


class Slice(Kernel):
    """``Slice`` of int8: neighbouring channels."""

    operators = ("Slice",)

    def problem(self, node: Node) -> str | None:
        axes = node.constant(3).tolist() if node.has(3) else list(range(len(node.shape(0))))
        steps = node.constant(4).tolist() if node.has(4) else [1]
        if axes != [1] or set(steps) != {1}:
            return "it takes other parts than neighbouring channels; slice along axis 1, step 1"
        return None

    def code(self, node: Node, c: CallWriter) -> str:
        channels, *sides = node.shape(0)[1:]
        start = int(node.constant(1).item())
        first = min(start + channels if start < 0 else start, channels)
        source = f"{c.input(0)} + {first * prod(sides)}"
        return c.call("mcu_nas_copy", c.output, source, prod(node.output_shape))

    @property
    def sources(self) -> tuple[Path, ...]:
        return ()


class Transpose(Kernel):
    """``Transpose`` of int8, of up to four axes."""

    operators = ("Transpose",)

    def problem(self, node: Node) -> str | None:
        if len(node.shape(0)) > _AXES:
            return f"it has {len(node.shape(0))} axes; reshape to {_AXES} before"
        return None

    def code(self, node: Node, c: CallWriter) -> str:
        shape = node.shape(0)
        order = node.attributes.get("perm", list(range(len(shape)))[::-1])
        steps = [prod(shape[axis + 1 :]) for axis in order]
        more = _AXES - len(shape)
        numbers = (*[1] * more, *node.output_shape, *[0] * more, *steps)
        axes = c.structure(
            "mcu_nas_axes", "axes", _braced(numbers[:_AXES]), _braced(numbers[_AXES:])
        )
        return c.call("mcu_nas_transpose", c.input(0), c.output, axes)


def _braced(numbers: tuple[int, ...]) -> str:
    return f"{{{', '.join(map(str, numbers))}}}"
