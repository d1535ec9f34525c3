import shutil
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_firmware import CHIP

from mcu_nas_moo.common.errors import DamagedFileError
from mcu_nas_moo.deployment.firmware.elf import read_firmware_image
from mcu_nas_moo.deployment.firmware.memory_map import STACK_RESERVE


@pytest.fixture(scope="module")
def elf(build):
    return build("cortex-m7")


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_sizes_are_those_of_binutils(build, toolchain):
    if shutil.which("arm-none-eabi-size") is None:
        pytest.skip("arm-none-eabi-size is not installed")
    path = build("cortex-m7", CHIP, toolchain)
    said = subprocess.run(
        ["arm-none-eabi-size", path], capture_output=True, text=True, check=True
    ).stdout
    text, data, bss = map(int, said.splitlines()[1].split()[:3])
    image = read_firmware_image(path)
    assert image.flash_bytes == text + data
    # Binutils counts the room for the stack, which firmware need not use, as data.
    assert image.ram_bytes == data + bss - STACK_RESERVE


def test_sections_and_symbols(elf):
    image = read_firmware_image(elf)
    assert set(image.ram_sections) == {".data", ".bss"}
    assert {".text", ".data"} <= set(image.flash_sections)
    assert ".bss" not in image.flash_sections
    assert image.sizes["sums"] == 12
    assert image.sizes["outputs"] == 3
    assert image.symbol("_stack_top") == CHIP.ram_origin + CHIP.ram_bytes
    assert image.entry == image.symbol("Reset_Handler")


def test_flash_holds_vectors_and_initial_data(elf):
    image = read_firmware_image(elf)
    first = min(image.segments, key=lambda segment: segment.address)
    assert first.address == CHIP.flash_origin
    stack, reset = struct.unpack("<2I", first.content[:8])
    assert (stack, reset) == (image.symbol("_stack_top"), image.entry | 1)
    # The initial value of `offset`, where start-up takes it from.
    place = image.symbol("_sidata") + image.symbol("offset") - image.symbol("_sdata")
    (data,) = (s for s in image.segments if s.address <= place < s.address + len(s.content))
    assert struct.unpack_from("<i", data.content, place - data.address) == (70007,)


def test_unknown_symbol(elf):
    with pytest.raises(ValueError, match=r"no symbol nothing; build it again with `mcu-nas firm"):
        read_firmware_image(elf).symbol("nothing")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no firmware .*; `mcu-nas firmware` builds it"),
        (b"", "is damaged or not firmware of this program"),
        (b"not an ELF file", "is damaged or not firmware of this program"),
    ],
)
def test_other_files(tmp_path, content, problem):
    path = tmp_path / "firmware.elf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        read_firmware_image(path)


def test_program_of_the_host():
    with pytest.raises(ValueError, match=r"build it again with `mcu-nas firmware`"):
        read_firmware_image(Path(sys.executable).resolve())


def test_object_file(elf):
    with pytest.raises(ValueError, match=r"it is not linked"):
        read_firmware_image(elf.parent / "model.o")


def test_file_that_ends_early(elf, tmp_path):
    path = tmp_path / "firmware.elf"
    content = elf.read_bytes()
    for size in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"is damaged or not firmware of this program"):
            read_firmware_image(path)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        *(("sh_type", value, "its section .symtab is no table of symbols") for value in (1, 8)),
        ("sh_entsize", 1, "its section .symtab is no table of symbols"),
        ("sh_entsize", 0, ".*"),
        *(("sh_offset", value, ".*") for value in (2**31, 2**32 - 1)),
        *(("sh_link", value, ".*") for value in (0, 1, 2**16)),
    ],
)
def test_damaged_tables_of_symbols_are_told_in_one_line(elf, tmp_path, field, value, reason):
    """The fields of a section header are those of ELF32: words in this order."""
    fields = ("sh_name", "sh_type", "sh_flags", "sh_addr", "sh_offset", "sh_size", "sh_link")
    fields += ("sh_info", "sh_addralign", "sh_entsize")
    content = bytearray(elf.read_bytes())
    with elf.open("rb") as file:
        read = ELFFile(file)
        header = read["e_shoff"] + read.get_section_index(".symtab") * read["e_shentsize"]
    struct.pack_into("<I", content, header + 4 * fields.index(field), value)
    path = tmp_path / "firmware.elf"
    path.write_bytes(content)
    expected = rf"^\S+ is damaged or not firmware of this program \({reason}\); build it again .*$"
    with pytest.raises(DamagedFileError, match=expected) as error:
        read_firmware_image(path)
    assert "\n" not in str(error.value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), header=st.booleans())
def test_damage_raises_nothing_but_value_errors(elf, tmp_path, place, value, header):
    content = bytearray(elf.read_bytes())
    content[int(place * (52 if header else len(content)))] = value
    path = tmp_path / "firmware.elf"
    path.write_bytes(content)
    # Damage to code or names is not seen; whatever is seen is told as bad input.
    with suppress(ValueError):
        read_firmware_image(path)
