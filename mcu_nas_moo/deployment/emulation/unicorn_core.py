"""A program that runs firmware on Unicorn, by ``python -m`` and the name of this module.

Arguments: the ELF file, the core, and origin and bytes of Flash and of RAM. Semihosting reaches
files of the current folder. Ends with the code that the firmware ends with, with 99 after a fault,
or with 78 if it does not take the firmware; the last two it explains in a line.

Unicorn's library is under the GNU GPL, version 2, so nothing else imports it.
"""

from __future__ import annotations

import json
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require

if TYPE_CHECKING:
    from typing import IO

    from mcu_nas_moo.deployment.firmware.elf import FirmwareImage
    from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap

#: The core that Unicorn emulates for each core that firmware is built for. The Cortex-M0+ executes
#: the instructions of the Cortex-M0 (Armv6-M).
CORES = {
    "cortex-m0plus": "cortex-m0",
    "cortex-m3": "cortex-m3",
    "cortex-m4": "cortex-m4",
    "cortex-m7": "cortex-m7",
    "cortex-m33": "cortex-m33",
}
#: File of the instruction count.
COUNTS = "counts.json"
#: Function whose first call is counted.
COUNTED = "mcu_nas_run"

#: Codes with which this program ends after a fault, as verify_main.c does, and if it does not take
#: the firmware.
FAULT, REFUSED = 99, 78
_PAGE = 4096
# System control space of every Cortex-M: SysTick, FPU access, fault status.
_SYSTEM_CONTROL = 0xE000E000
# Numbers of QEMU's target/arm/cpu.h, on which Unicorn is built.
_BREAKPOINT_EXCEPTION = 7
_EXCEPTIONS = {
    1: "undefined instruction",
    2: "supervisor call",
    3: "aborted fetch",
    4: "aborted or unaligned access",
    7: "breakpoint",
}
_SEMIHOSTING = b"\xab\xbe"  # BKPT 0xAB
_NOWHERE = 0xFFFFFFFE


class FaultError(Exception):
    """The firmware did what the chip would answer with a fault."""


class Machine:
    """A core with Flash, RAM and semihosting.

    Args:
        core: a value of :data:`CORES`.
        folder: where semihosting opens files.

    Raises:
        InputError: if the image does not lie in Flash.
    """

    def __init__(self, image: FirmwareImage, core: str, memory: MemoryMap, folder: Path) -> None:
        unicorn = require("unicorn", "firmware")
        arm_const = require("unicorn.arm_const", "firmware")
        self._unicorn, self._registers = unicorn, arm_const
        # Without UC_MODE_MCLASS, which would replace the core by a Cortex-M33.
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        name = f"UC_CPU_ARM_{core.upper().replace('-', '_')}"
        self._uc.ctl_set_cpu_model(getattr(arm_const, name))
        self._image, self._folder = image, folder
        self._files: dict[int, IO[bytes]] = {}
        self._opened = 0
        self._exit_code: int | None = None
        self._fault: str | None = None
        self._map(memory)
        for segment in image.segments:
            end = segment.address + len(segment.content)
            if not (
                memory.flash_origin <= segment.address
                and end <= memory.flash_origin + memory.flash_bytes
            ):
                raise InputError(
                    f"the firmware has bytes at {segment.address:#x} to {end:#x}, outside the Flash"
                )
            self._uc.mem_write(segment.address, segment.content)
        stack, reset = struct.unpack("<2I", self._uc.mem_read(memory.flash_origin, 8))
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._reset = reset

    def _map(self, memory: MemoryMap) -> None:
        uc, unicorn = self._uc, self._unicorn
        regions = (
            (memory.flash_origin, memory.flash_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC),
            (memory.ram_origin, memory.ram_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE),
        )
        for origin, size, rights in regions:
            pages = -(-size // _PAGE) * _PAGE
            uc.mem_map(origin, pages, rights)
            if pages > size:  # a memory that ends within a page
                uc.hook_add(
                    unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE,
                    self._outside,
                    begin=origin + size,
                    end=origin + pages - 1,
                )
        uc.mem_map(_SYSTEM_CONTROL, _PAGE, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._outside)
        uc.hook_add(unicorn.UC_HOOK_INTR, self._exception)

    def run(self) -> tuple[int, int]:
        """Run from reset to the firmware's exit.

        Returns:
            the code that it exits with, and the instructions of the first call of
            :data:`COUNTED`, 0 if it is never called.

        Raises:
            FaultError: if it faults.
        """
        uc, registers = self._uc, self._registers
        counted = self._image.symbol(COUNTED)
        instructions = 0
        self._run_until(self._reset, counted)
        if self._exit_code is None:
            back = uc.reg_read(registers.UC_ARM_REG_LR) & ~1
            instructions = self._count(counted, back)
            self._run_until(back | 1, _NOWHERE)
        if self._exit_code is None:
            raise FaultError("the firmware ended without an exit code")
        return self._exit_code, instructions

    def _run_until(self, start: int, until: int) -> None:
        uc = self._uc
        try:
            uc.emu_start(start | 1, until)
        except self._unicorn.UcError as error:
            pc = uc.reg_read(self._registers.UC_ARM_REG_PC)
            raise FaultError(self._fault or f"pc={pc:#010x} {error}") from None
        if self._fault:
            raise FaultError(self._fault)

    def _count(self, start: int, until: int) -> int:
        """Run from ``start`` to ``until`` and count the instructions."""
        uc = self._uc
        blocks: Counter[tuple[int, int]] = Counter()

        def block(uc: Any, address: int, size: int, user: Any) -> None:
            blocks[address, size] += 1

        # Code that was translated before calls no new hook.
        uc.ctl_flush_tb()
        hook = uc.hook_add(self._unicorn.UC_HOOK_BLOCK, block)
        self._run_until(start, until)
        uc.hook_del(hook)
        uc.ctl_flush_tb()
        return sum(
            times * instructions_in(bytes(uc.mem_read(address, size)))
            for (address, size), times in blocks.items()
        )

    def _outside(
        self, uc: Any, access: int, address: int, size: int, value: int, user: Any
    ) -> bool:
        unicorn = self._unicorn
        verb = {
            unicorn.UC_MEM_WRITE: "write",
            unicorn.UC_MEM_WRITE_UNMAPPED: "write",
            unicorn.UC_MEM_WRITE_PROT: "write",
            unicorn.UC_MEM_FETCH_UNMAPPED: "fetch",
            unicorn.UC_MEM_FETCH_PROT: "fetch",
        }.get(access, "read")
        pc = uc.reg_read(self._registers.UC_ARM_REG_PC)
        self._fault = f"pc={pc:#010x} {verb} of {size} bytes at address={address:#010x}"
        uc.emu_stop()
        return False

    def _exception(self, uc: Any, number: int, user: Any) -> None:
        registers = self._registers
        pc = uc.reg_read(registers.UC_ARM_REG_PC)
        if number != _BREAKPOINT_EXCEPTION or bytes(uc.mem_read(pc, 2)) != _SEMIHOSTING:
            name = _EXCEPTIONS.get(number, f"exception {number}")
            self._fault = f"pc={pc:#010x} {name}"
            uc.emu_stop()
            return
        operation = uc.reg_read(registers.UC_ARM_REG_R0)
        argument = uc.reg_read(registers.UC_ARM_REG_R1)
        uc.reg_write(registers.UC_ARM_REG_R0, self._semihosting(operation, argument) & 0xFFFFFFFF)
        uc.reg_write(registers.UC_ARM_REG_PC, (pc + 2) | 1)
        if self._exit_code is not None:
            uc.emu_stop()

    def _semihosting(self, operation: int, argument: int) -> int:
        """Do what the firmware asks for; the operations and their arguments are Arm's."""

        def words(count: int) -> tuple[int, ...]:
            return struct.unpack(f"<{count}I", self._uc.mem_read(argument, 4 * count))

        result = 0
        match operation:
            case 0x01:  # SYS_OPEN
                address, mode, length = words(3)
                name = bytes(self._uc.mem_read(address, length)).decode()
                result = self._open(name, "wb" if mode & 4 else "rb")
            case 0x02:  # SYS_CLOSE
                self._files.pop(words(1)[0]).close()
            case 0x04:  # SYS_WRITE0
                print(self._text(argument), end="", flush=True)
            case 0x05:  # SYS_WRITE
                number, address, length = words(3)
                self._files[number].write(self._uc.mem_read(address, length))
            case 0x06:  # SYS_READ
                number, address, length = words(3)
                content = self._files[number].read(length)
                self._uc.mem_write(address, content)
                result = length - len(content)
            case 0x20:  # SYS_EXIT_EXTENDED
                self._exit_code = words(2)[1]
            case _:
                self._fault = f"semihosting operation {operation:#x}, which is not supported"
                self._uc.emu_stop()
        return result

    def _open(self, name: str, mode: str) -> int:
        try:
            # Unbuffered: whoever started this sees the outputs grow. No path leaves the folder.
            file = (self._folder / Path(name).name).open(mode, buffering=0)
        except OSError:
            return -1
        self._opened += 1
        self._files[self._opened] = file
        return self._opened

    def _text(self, address: int) -> str:
        text = bytearray()
        while (byte := self._uc.mem_read(address + len(text), 1)) != b"\0":
            text += byte
        return text.decode(errors="replace")


def instructions_in(code: bytes) -> int:
    """Thumb instructions in ``code``.

    One has four bytes if its first halfword begins with 0b11101, 0b11110 or 0b11111 (Armv7-M
    Architecture Reference Manual, A5.1), two otherwise.
    """
    position = count = 0
    while position < len(code):
        position += 4 if code[position + 1] >> 3 in (0b11101, 0b11110, 0b11111) else 2
        count += 1
    return count


def main(arguments: list[str]) -> int:
    """Run firmware; returns the exit code."""
    from mcu_nas_moo.deployment.firmware.elf import read_firmware_image
    from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap

    elf, core, *sizes = arguments
    folder = Path.cwd()
    memory = MemoryMap(**dict(zip(MemoryMap.model_fields, map(int, sizes), strict=True)))
    try:
        machine = Machine(read_firmware_image(Path(elf)), core, memory, folder)
        code, instructions = machine.run()
    except FaultError as fault:
        print(f"fault {fault}", flush=True)
        return FAULT
    except ValueError as error:
        print(error, flush=True)
        return REFUSED
    (folder / COUNTS).write_text(json.dumps({"instructions": instructions}), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
