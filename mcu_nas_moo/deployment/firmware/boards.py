"""The boards of QEMU on which firmware of a core can run."""

from __future__ import annotations

from dataclasses import dataclass

from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap


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
