"""Address maps: where code and data of a chip lie, and on which boards of QEMU they can run."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.yaml_files import Facts, read_values, validate

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.hardware.device import Device

#: Bytes of RAM that linking keeps free for the stack; generated code needs a few hundred.
STACK_RESERVE = 1024


class MemoryMap(Facts):
    """Flash and RAM as a linker script names them.

    Args:
        flash_origin, ram_origin: first addresses; the vector table, which starts the Flash, has to
            be aligned to its size.
        flash_bytes, ram_bytes: lengths.
    """

    flash_origin: int = Field(ge=0, lt=2**32, multiple_of=1024)
    flash_bytes: int = Field(gt=0)
    ram_origin: int = Field(ge=0, lt=2**32, multiple_of=8)
    ram_bytes: int = Field(gt=0)

    @model_validator(mode="after")
    def _apart_and_addressable(self) -> MemoryMap:
        flash_end = self.flash_origin + self.flash_bytes
        ram_end = self.ram_origin + self.ram_bytes
        if max(flash_end, ram_end) > 2**32:
            raise InputError("a memory ends beyond the 32-bit addresses")
        if self.flash_origin < ram_end and self.ram_origin < flash_end:
            raise InputError("Flash and RAM overlap")
        return self

    def linker_script(self) -> str:
        """A script for GNU ld and LLVM's lld."""
        template = (files("mcu_nas_moo.deployment.firmware") / "templates" / "memory.ld").read_text(
            "utf-8"
        )
        for name, value in self.model_dump().items():
            text = f"0x{value:08X}" if name.endswith("origin") else str(value)
            template = template.replace(f"@{name}@", text)
        return template.replace("@stack_reserve@", str(STACK_RESERVE))


class ChipMemory(Facts):
    """Addresses of a chip, as in ``chips.yaml``.

    Args:
        ram_kib: length of the block of RAM at ``ram_origin``.
    """

    flash_origin: int
    ram_origin: int
    ram_kib: float = Field(gt=0)
    source: str = ""


def memory_map(device: Device, file: Path | None = None) -> MemoryMap:
    """The address map of a device's chip.

    Args:
        device: its Flash and SRAM sizes count as well.
        file: YAML file with the fields of :class:`ChipMemory`, for chips that are not known.

    Raises:
        InputError: if the chip is not known and no file is given, or the file is wrong.
    """
    if file is not None:
        chip = validate(ChipMemory, read_values(file, str(file)), str(file))
    else:
        shipped = files("mcu_nas_moo.deployment.firmware") / "chips.yaml"
        known = read_values(shipped, "chips.yaml")
        if device.chip not in known:
            raise InputError(
                f"where Flash and RAM of {device.chip} lie is not known; give --memory-map FILE, a "
                "YAML file with flash_origin, ram_origin and ram_kib from its reference manual"
            )
        chip = validate(ChipMemory, known[device.chip], f"chips.yaml: {device.chip}")
    found = {
        "flash_origin": chip.flash_origin,
        "flash_bytes": int(device.flash_kib * 1024),
        "ram_origin": chip.ram_origin,
        "ram_bytes": int(min(chip.ram_kib, device.sram_kib) * 1024),
    }
    return validate(MemoryMap, found, str(file or f"chips.yaml: {device.chip}"))


@dataclass(frozen=True)
class Board:
    """A board that QEMU emulates.

    Attributes:
        machine: its name for ``qemu-system-arm -M``.
        runs: core whose code is meant to run on it.
        core: that QEMU really emulates.
        flash_origin, ram_origin: start of the memories that stand in for Flash and RAM.
        flash_bytes_max, ram_bytes_max: size of these memories.
        clock_mhz: of the core and of SysTick. With ``-icount shift=0`` an instruction takes 1 ns,
            so SysTick ticks every ``1000 / clock_mhz`` instructions.
    """

    machine: str
    runs: str
    core: str
    flash_origin: int
    ram_origin: int
    flash_bytes_max: int
    ram_bytes_max: int
    clock_mhz: float

    @property
    def instructions_per_tick(self) -> float:
        """Instructions between two ticks of SysTick."""
        return 1000 / self.clock_mhz

    def memory_map(self, chip: MemoryMap) -> MemoryMap:
        """The board's addresses with the sizes of a chip, as far as the board has as much."""
        return MemoryMap(
            flash_origin=self.flash_origin,
            flash_bytes=min(chip.flash_bytes, self.flash_bytes_max),
            ram_origin=self.ram_origin,
            ram_bytes=min(chip.ram_bytes, self.ram_bytes_max),
        )


_MIB = 1 << 20
#: Addresses, sizes and clocks: QEMU's hw/arm/mps2.c and hw/arm/mps2-tz.c, which follow Arm's
#: application notes AN385, AN386, AN500, AN505 and AN547. On AN505 and AN547 code starts in the
#: secure world, whose addresses these are.
BOARDS = (
    # QEMU has the Cortex-M0 with 16 KiB of RAM only (microbit). A Cortex-M3 runs Armv6-M code.
    Board("mps2-an385", "cortex-m0plus", "cortex-m3", 0, 0x20000000, 4 * _MIB, 4 * _MIB, 25),
    Board("mps2-an386", "cortex-m4", "cortex-m4", 0, 0x20000000, 4 * _MIB, 4 * _MIB, 25),
    Board("mps2-an500", "cortex-m7", "cortex-m7", 0, 0x20000000, 4 * _MIB, 4 * _MIB, 25),
    Board("mps2-an505", "cortex-m33", "cortex-m33", 0x10000000, 0x38000000, 4 * _MIB, 4 * _MIB, 20),
    Board(
        "mps3-an547", "cortex-m55", "cortex-m55", 0x10000000, 0x30000000, _MIB // 2, _MIB // 2, 32
    ),
)


def board_of(core: str) -> Board | None:
    """The board that runs code of ``core``, such as ``cortex-m7``; ``None`` if QEMU has none."""
    return next((board for board in BOARDS if board.runs == core), None)
