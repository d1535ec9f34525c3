"""Firmware on a board that QEMU emulates."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.emulation.emulator import Emulator, Instructions

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.deployment.emulation.emulator import Statistics
    from mcu_nas_moo.deployment.firmware.boards import Board
    from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap

PROGRAM = "qemu-system-arm"
#: Deviation of the measured ticks from the board's clock beyond which instructions are not told.
_CLOCK_TOLERANCE = 1e-4


def qemu_installed() -> bool:
    """Whether QEMU for Arm is installed."""
    return shutil.which(PROGRAM) is not None


@dataclass(frozen=True)
class Qemu(Emulator):
    """QEMU with a board.

    It does not enforce the chip's memory sizes: the board's memories are larger. It says nothing
    about time: neither caches, pipelines nor wait states exist in it.
    """

    board: Board
    uses_board = True

    @property
    def title(self) -> str:
        """Name, version and board."""
        return f"QEMU {_version()}, board {self.board.machine}"

    @property
    def emulated_core(self) -> str:
        """Core of the board."""
        return self.board.core

    def command(self, elf: Path, memory: MemoryMap) -> list[str]:
        return [
            program(),
            *("-M", self.board.machine),
            *("-nographic", "-monitor", "none", "-serial", "null"),
            *("-semihosting-config", "enable=on,target=native"),
            *("-icount", "shift=0"),  # 1 ns per instruction: ticks become deterministic
            *("-kernel", str(elf)),
        ]

    def instructions(self, statistics: Statistics, files: dict[str, bytes]) -> Instructions:
        per_tick = self.board.instructions_per_tick
        measured = statistics.calibration_instructions / max(1, statistics.calibration_ticks)
        if abs(measured / per_tick - 1) > _CLOCK_TOLERANCE:
            raise InputError(
                f"QEMU {_version()} counts {measured:g} instructions per tick of SysTick on "
                f"{self.board.machine}, expected {per_tick:g}; instructions cannot be told"
            )
        return Instructions(
            round(statistics.first_ticks * per_tick),
            round(per_tick),
            statistics.total_ticks * per_tick / statistics.images,
        )


def program() -> str:
    """Path of QEMU for Arm.

    Raises:
        InputError: if it is not installed; the message is the command that installs it.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise InputError(f"{PROGRAM} is not installed; install it with: apt-get install {PROGRAM}")
    return found


@cache
def _version() -> str:
    output = subprocess.run(
        [program(), "--version"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    return output.splitlines()[0].removeprefix("QEMU emulator version ").split()[0]
