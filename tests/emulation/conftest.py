"""Tiny firmware, built once for each core and toolchain, in each emulator."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from tiny_firmware import CHIP, HEADER, OUTPUTS, SOURCE, board_map

from mcu_nas_moo.emulation.boards import board_of
from mcu_nas_moo.emulation.qemu import PROGRAM, Qemu, qemu_installed
from mcu_nas_moo.emulation.unicorn_process import Unicorn
from mcu_nas_moo.firmware.toolchain import find_toolchain


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Build SOURCE with verify_main.c: path of the ELF file."""

    @cache
    def built(core, memory=CHIP, toolchain="zig"):
        try:
            tools = find_toolchain(toolchain)
        except ValueError as error:
            pytest.skip(str(error))
        folder = tmp_path_factory.mktemp(f"{core}-{toolchain}")
        (folder / "mcu_nas.h").write_text(HEADER)
        (folder / "model.c").write_text(SOURCE)
        (folder / "memory.ld").write_text(memory.linker_script())
        shipped = Path(str(files("mcu_nas_moo")))
        sources = [
            folder / "model.c",
            shipped / "emulation" / "verify_main.c",
            shipped / "firmware" / "sources" / "startup.c",
            shipped / "firmware" / "sources" / "memory.c",
        ]
        objects = tools.compile(core, sources, [folder], folder)
        tools.link(core, list(objects.values()), folder / "memory.ld", folder / "firmware.elf")
        return folder / "firmware.elf"

    return built


@pytest.fixture(scope="session")
def run(build):
    """Run the tiny firmware on images."""

    def ran(emulator, images, core="cortex-m7", toolchain="zig", patience=60.0):
        if emulator == "qemu" and not qemu_installed():
            pytest.skip(f"{PROGRAM} is not installed")
        memory = board_map(core) if emulator == "qemu" else CHIP
        program = Qemu(board_of(core)) if emulator == "qemu" else Unicorn(core)
        elf = build(core, memory, toolchain)
        return program.run(elf, memory, images, OUTPUTS, patience=patience)

    return ran
