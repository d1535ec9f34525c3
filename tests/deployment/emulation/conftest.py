"""Runs of the tiny firmware in each emulator."""

from __future__ import annotations

from shutil import which

import pytest
from tiny_firmware import CHIP, OUTPUTS, board_map, build

from mcu_nas_moo.deployment.emulation.emulators import QEMU, Qemu, Unicorn
from mcu_nas_moo.deployment.firmware.memory_map import board_of

__all__ = ["build"]


@pytest.fixture(scope="session")
def run(build):
    """Run the tiny firmware on images."""

    def ran(emulator, images, core="cortex-m7", toolchain="zig", patience=60.0):
        if emulator == "qemu" and which(QEMU) is None:
            pytest.skip(f"{QEMU} is not installed")
        memory = board_map(core) if emulator == "qemu" else CHIP
        program = Qemu(board_of(core)) if emulator == "qemu" else Unicorn(core)
        elf = build(core, memory, toolchain)
        return program.run(elf, memory, images, OUTPUTS, patience=patience)

    return ran
