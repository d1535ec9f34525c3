"""Operators that only move values."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node


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
