"""Softmax."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node


class Softmax(Kernel):
    """``QLinearSoftmax``, over any axis."""

    operators = ("QLinearSoftmax",)

    def problem(self, node: Node) -> str | None:
        if node.attributes.get("opset", 13) < 13 and len(node.shape(0)) != 2:
            return "it is of opset 12 or older, where softmax runs over several axes; use opset 13"
        return None

    def overwrites(self, node: Node) -> tuple[int, ...]:
        return (0,)

    def code(self, node: Node, c: CallWriter) -> str:
        shape = node.shape(0)
        axis = node.attributes.get("axis", -1) % len(shape)
        count = shape[axis]
        scale = float(node.scale(1))
        # The common factor keeps small exponentials above 0 and the sum below the largest float.
        factor = max(0.0, np.log(float(np.finfo(np.float32).max) / count) - 5)
        table = np.exp(factor - np.arange(256) * scale).astype(np.float32)
        return c.call(
            *("mcu_nas_softmax", c.input(0), c.output, prod(shape[:axis]), count),
            *(prod(shape[axis + 1 :]), c.constant("exponentials", table)),
            *(np.floor(np.float32(1) / node.scale(3)), node.zero_point(4)),
        )
