"""QEMU and Unicorn, and which of them runs the firmware of a core.

Unicorn's library is under the GNU GPL, version 2; this package only starts a program that uses it.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.deployment.emulation.emulator import Emulator, Instructions
from mcu_nas_moo.deployment.emulation.unicorn_core import CORES, COUNTS
from mcu_nas_moo.deployment.firmware.memory_map import BOARDS, Board, MemoryMap, board_of

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.deployment.emulation.emulator import Statistics

EMULATORS = ("auto", "qemu", "unicorn")
QEMU = "qemu-system-arm"
#: Deviation of the measured ticks from the board's clock beyond which instructions are not told.
_CLOCK_TOLERANCE = 1e-4


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
        return f"QEMU {_qemu_version()}, board {self.board.machine}"

    @property
    def emulated_core(self) -> str:
        """Core of the board."""
        return self.board.core

    def command(self, elf: Path, memory: MemoryMap) -> list[str]:
        return [
            _qemu(),
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
                f"QEMU {_qemu_version()} counts {measured:g} instructions per tick of SysTick on "
                f"{self.board.machine}, expected {per_tick:g}; instructions cannot be told"
            )
        return Instructions(
            round(statistics.first_ticks * per_tick),
            round(per_tick),
            statistics.total_ticks * per_tick / statistics.images,
        )


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


def choose_emulator(core: str, name: str = "auto") -> Emulator:
    """The emulator of that name for a core.

    ``auto`` is QEMU if it is installed and has a board with the core, else Unicorn.

    Raises:
        InputError: if the name is unknown, the emulator does not have the core, or it is not
            installed; the message is the command that installs it.
    """
    if name not in EMULATORS:
        raise unknown_name("emulator", name, EMULATORS)
    board = board_of(core)
    if board is None and core not in CORES:
        known = ", ".join(sorted({*CORES, *(board.runs for board in BOARDS)}))
        raise InputError(f"no emulator has a {core}; QEMU and Unicorn have {known}")
    if name == "auto":
        by_qemu = board is not None and (shutil.which(QEMU) is not None or core not in CORES)
        name = "qemu" if by_qemu else "unicorn"
    if name == "qemu":
        if board is None:
            raise InputError(f"QEMU has no board for the {core}; try --emulator unicorn")
        _qemu()
        return Qemu(board)
    if core not in CORES:
        raise InputError(f"Unicorn does not emulate the {core}; try --emulator qemu")
    if importlib.util.find_spec("unicorn") is None:
        raise InputError(
            "this step needs unicorn; install it with: pip install 'mcu-nas-moo[firmware]'"
        )
    return Unicorn(core)


def _qemu() -> str:
    """Path of QEMU for Arm, or the command that installs it as an InputError."""
    found = shutil.which(QEMU)
    if found is None:
        raise InputError(f"{QEMU} is not installed; install it with: apt-get install {QEMU}")
    return found


@cache
def _qemu_version() -> str:
    output = subprocess.run(
        [_qemu(), "--version"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    return output.splitlines()[0].removeprefix("QEMU emulator version ").split()[0]
