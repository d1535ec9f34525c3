"""Constants and calls of one node in C."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.deployment.firmware.arena import scratch_name

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.arena import ArenaPlan
    from mcu_nas_moo.deployment.firmware.network import Node

#: The static array that holds all activations.
ARENA = "mcu_nas_arena"
_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "float32": "float",
}
_WIDTH = 98


class NodeWriter:
    """Writes the code of a node, see ``CallWriter``.

    Attributes:
        declarations: of its constants, for the code.
        definitions: of them, for the data.
        instances: lines before the function.
    """

    def __init__(self, number: int, node: Node, plan: ArenaPlan) -> None:
        """``number``: of the node, which makes names unique."""
        self._number, self._node, self._offsets = number, node, plan.offsets
        self.declarations: list[str] = []
        self.definitions: list[str] = []
        self.instances: list[str] = []

    def input(self, place: int) -> str:
        """Address of an input activation in C."""
        return self._address(self._node.inputs[place])

    @property
    def output(self) -> str:
        """Address of the output in C."""
        return self._address(self._node.output)

    @property
    def scratch(self) -> str:
        """Address of the scratch memory in C; NULL if the node needs none."""
        name = scratch_name(self._number)
        return self._address(name) if name in self._offsets else "NULL"

    def _address(self, tensor: str) -> str:
        return f"{ARENA} + {self._offsets[tensor]}"

    def constant(self, name: str, values: np.ndarray[Any, Any]) -> str:
        """An array of constants; returns what it is called in C."""
        flat = np.ascontiguousarray(values).ravel()
        kind = f"const {_TYPES[flat.dtype.name]}"
        numbers = ", ".join(map(literal, flat))
        lines = textwrap.wrap(numbers, _WIDTH, break_on_hyphens=False)
        symbol = self._symbol(name)
        array, content = f"{kind} {symbol}[{len(flat)}]", "\n".join(lines)
        self.declarations.append(f"extern {array};")
        self.definitions.append(f"{array} = {{\n{content}\n}};")
        return symbol

    def structure(self, kind: str, name: str, *values: object) -> str:
        """A constant structure; returns its address in C."""
        symbol, content = self._symbol(name), ", ".join(map(literal, values))
        self.declarations.append(f"static const {kind} {symbol} = {{{content}}};")
        return f"&{symbol}"

    def _symbol(self, name: str) -> str:
        # What the report of a firmware counts as weights begins like this.
        return f"weight{self._number}_{name}"

    def instance(self, line: str) -> None:
        """A line that must stand before the function, once."""
        self.instances.append(line)

    def call(self, function: str, *arguments: object) -> str:
        """The statement that calls a function."""
        text = f"{function}({', '.join(map(literal, arguments))});"
        return textwrap.fill(text, _WIDTH - 4, subsequent_indent=" " * 8, break_on_hyphens=False)


def literal(value: object) -> str:
    """A number as C has it; text is C already."""
    if isinstance(value, str):
        return value
    if isinstance(value, float | np.floating):
        return f"{np.float32(value)!s}f"
    assert isinstance(value, int | np.integer)
    # C has no negative literals: -2147483648 would be the negative of what no int can hold.
    return "INT32_MIN" if value == np.iinfo(np.int32).min else str(int(value))
