"""Firmware on a core that Unicorn emulates, in a process of its own.

Unicorn's library is under the GNU GPL, version 2; this package only starts a program that uses it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from mcu_nas_moo.deployment.emulation.emulator import Emulator, Instructions
from mcu_nas_moo.deployment.emulation.unicorn_core import CORES, COUNTS

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.deployment.emulation.emulator import Statistics
    from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap


@dataclass(frozen=True)
class Unicorn(Emulator):
    """A core with exactly the chip's memories: an access outside them is a fault.

    Instructions of one image are counted, exactly. Exceptions, interrupts and SysTick do not exist
    in it.
    """

    core: str
    uses_board = False

    @property
    def title(self) -> str:
        """Name and version."""
        return f"Unicorn {version('unicorn')}"

    @property
    def emulated_core(self) -> str:
        """What stands in for the core."""
        return CORES[self.core]

    def command(self, elf: Path, memory: MemoryMap) -> list[str]:
        return [
            sys.executable,
            *("-m", "mcu_nas_moo.deployment.emulation.unicorn_core"),
            *(str(elf), CORES[self.core]),
            *map(str, memory.model_dump().values()),
        ]

    def instructions(self, statistics: Statistics, files: dict[str, bytes]) -> Instructions:
        return Instructions(json.loads(files[COUNTS])["instructions"], 1, None)
