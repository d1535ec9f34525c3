"""What a kernel is: C code of some operators of int8 networks, and how it is called."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np

    from mcu_nas_moo.deployment.firmware.network import Node


class CallWriter(Protocol):
    """What a kernel writes the code of one node with."""

    def input(self, place: int) -> str:
        """Address of an input activation in C, an ``int8_t *``."""

    @property
    def output(self) -> str:
        """Address of the output in C."""

    @property
    def scratch(self) -> str:
        """Address of the scratch memory in C; NULL if the node needs none."""

    def constant(self, name: str, values: np.ndarray[Any, Any]) -> str:
        """An array of constants in Flash; returns what it is called in C.

        Args:
            name: what it is to this node, such as ``bias``.
            values: int8, uint8, int16, int32 or float32.
        """

    def structure(self, kind: str, name: str, *values: object) -> str:
        """A constant structure of the C type ``kind``; returns its address in C."""

    def instance(self, line: str) -> None:
        """A line that must stand before the function, once: an instance of a macro."""

    def call(self, function: str, *arguments: object) -> str:
        """The statement that calls a function; numbers among the arguments become C literals."""


class Kernel(ABC):
    """C code for some operators.

    The code works on int8 tensors in NCHW layout, for one image, without libm, libc and heap. It
    may include ``kernel.h``; its functions are static, and marked with ``MCU_NAS_ONCE``.

    Attributes:
        operators: types of ONNX nodes that it computes.
    """

    operators: ClassVar[tuple[str, ...]]

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files of C code, in the order of inclusion; by default the module's name with ``.h``."""
        return (Path(str(sys.modules[type(self).__module__].__file__)).with_suffix(".h"),)

    def problem(self, node: Node) -> str | None:
        """What this kernel cannot do about a node, and what would replace it; None if it can.

        Raises:
            InputError: if the node itself is not as it should be.
        """
        return None

    def overwrites(self, node: Node) -> tuple[int, ...]:
        """Places of the inputs that the output may overwrite from the same address on."""
        return ()

    def scratch_bytes(self, node: Node, simd: bool) -> int:
        """Bytes of memory that are needed while the node runs.

        Args:
            simd: whether the code is for a core with the DSP extension; it runs with it and
                without, so this is about room alone.
        """
        return 0

    @abstractmethod
    def code(self, node: Node, c: CallWriter) -> str:
        """The statement that computes a node; ``""`` if there is nothing to do."""
