"""What an ELF file of firmware says: its memory, its symbols, its machine."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require
from mcu_nas_moo.common.files import parsing, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

#: Most bytes of a firmware image with its debugging information.
_LIMIT = 2**26
# Flags of sections and bytes of a symbol: Tool Interface Standard, ELF specification 1.2.
_SHF_WRITE, _SHF_ALLOC, _SYMBOL_BYTES = 1, 2, 16
#: Section that only keeps room free for the stack.
_STACK = ".stack_reserve"


@dataclass(frozen=True)
class Segment:
    """Bytes that are in Flash when the chip starts, from ``address`` on."""

    address: int
    content: bytes


@dataclass(frozen=True)
class FirmwareImage:
    """A firmware image.

    Attributes:
        flash_bytes: vectors, code, constants, unwinding tables and the image of ``.data``.
        ram_bytes: ``.data`` and ``.bss``; neither stack nor heap.
        flash_sections, ram_sections: bytes of each section in them.
        entry: address of the first instruction, without the Thumb bit.
        symbols: addresses, without the Thumb bit.
        sizes: bytes of functions and objects.
        segments: what is written to Flash.
    """

    flash_sections: dict[str, int]
    ram_sections: dict[str, int]
    entry: int
    symbols: dict[str, int]
    sizes: dict[str, int]
    segments: tuple[Segment, ...]

    @property
    def flash_bytes(self) -> int:
        """Bytes in Flash."""
        return sum(self.flash_sections.values())

    @property
    def ram_bytes(self) -> int:
        """Bytes of static data in RAM."""
        return sum(self.ram_sections.values())

    def symbol(self, name: str) -> int:
        """Address of a symbol.

        Raises:
            InputError: if there is none; it is other firmware then.
        """
        if name not in self.symbols:
            raise InputError(
                f"the firmware has no symbol {name}; build it again with `mcu-nas firmware`"
            )
        return self.symbols[name]


def read_firmware_image(path: Path) -> FirmwareImage:
    """Read an ELF file for a Cortex-M.

    Raises:
        InputError: if it is missing, damaged, no executable, or for another processor, or
            pyelftools is not installed; the message names the remedy.
    """
    elffile = require("elftools.elf.elffile", "firmware")
    if not path.is_file():
        raise InputError(f"no firmware {path}; `mcu-nas firmware` builds it")
    with parsing(path, "build it again with `mcu-nas firmware`", "firmware of this program"):
        return _image(elffile.ELFFile(BytesIO(read_bytes(path, _LIMIT))))


def _image(elf: Any) -> FirmwareImage:
    if elf["e_machine"] != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
        raise InputError(f"it is for {elf.get_machine_arch()}, not for a Cortex-M")
    if elf["e_type"] != "ET_EXEC":
        raise InputError("it is not linked")
    flash, ram = {}, {}
    for section in elf.iter_sections():
        if not section["sh_flags"] & _SHF_ALLOC or not section["sh_size"]:
            continue  # debugging information stays on the host
        if section.name == _STACK:
            continue
        if section["sh_flags"] & _SHF_WRITE:
            ram[section.name] = section["sh_size"]
        if section["sh_type"] != "SHT_NOBITS":  # all others are loaded; .data from its image
            flash[section.name] = section["sh_size"]
    symbols, sizes = {}, {}
    for symbol in _symbols_of(elf):
        kind = symbol["st_info"]["type"]
        if not symbol.name or symbol["st_shndx"] == "SHN_UNDEF" or symbol.name.startswith("$"):
            continue
        symbols[symbol.name] = symbol["st_value"] & (~1 if kind == "STT_FUNC" else ~0)
        if kind in ("STT_FUNC", "STT_OBJECT") and symbol["st_size"]:
            sizes[symbol.name] = symbol["st_size"]
    loaded = [s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
    if not loaded:
        raise InputError("it holds nothing to load")
    segments = tuple(Segment(segment["p_paddr"], segment.data()) for segment in loaded)
    if any(len(s.content) < loaded[i]["p_filesz"] for i, s in enumerate(segments)):
        raise InputError("it ends early")
    return FirmwareImage(flash, ram, elf["e_entry"] & ~1, symbols, sizes, segments)


def _symbols_of(elf: Any) -> Any:
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return ()
    if table["sh_type"] != "SHT_SYMTAB" or table["sh_entsize"] != _SYMBOL_BYTES:
        raise InputError("its section .symtab is no table of symbols")
    return table.iter_symbols()
