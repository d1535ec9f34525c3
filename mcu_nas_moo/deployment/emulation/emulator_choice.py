"""Which emulator runs the firmware of a core."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.deployment.emulation.qemu import Qemu, program, qemu_installed
from mcu_nas_moo.deployment.emulation.unicorn_core import CORES
from mcu_nas_moo.deployment.emulation.unicorn_process import Unicorn
from mcu_nas_moo.deployment.firmware.boards import BOARDS, board_of

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.emulation.emulator import Emulator

EMULATORS = ("auto", "qemu", "unicorn")


def choose_emulator(core: str, name: str = "auto") -> Emulator:
    """The emulator of that name for a core.

    ``auto`` is QEMU if it is installed and has a board with the core, else Unicorn.

    Raises:
        InputError: if the name is unknown, the emulator does not have the core, or it is not
            installed; the message is the command that installs it.
    """
    if name not in EMULATORS:
        raise unknown_name("emulator", name, list(EMULATORS))
    board = board_of(core)
    if board is None and core not in CORES:
        raise InputError(f"no emulator has a {core}; QEMU and Unicorn have {_cores()}")
    if name == "auto":
        name = "unicorn"
        if board is not None and (qemu_installed() or core not in CORES):
            name = "qemu"
    if name == "qemu":
        if board is None:
            raise InputError(f"QEMU has no board for the {core}; try --emulator unicorn")
        program()
        return Qemu(board)
    if core not in CORES:
        raise InputError(f"Unicorn does not emulate the {core}; try --emulator qemu")
    if importlib.util.find_spec("unicorn") is None:
        raise InputError(
            "this step needs unicorn; install it with: pip install 'mcu-nas-moo[firmware]'"
        )
    return Unicorn(core)


def _cores() -> str:
    """The cores of all emulators."""
    return ", ".join(sorted({*CORES, *(board.runs for board in BOARDS)}))
