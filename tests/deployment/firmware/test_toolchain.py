from __future__ import annotations

import re

import pytest

from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap
from mcu_nas_moo.deployment.firmware.toolchain import (
    CORES,
    CompilerError,
    DoesNotFitError,
    find_toolchain,
    overflow,
)

SMALL = MemoryMap(flash_origin=0, flash_bytes=4096, ram_origin=0x20000000, ram_bytes=4096)


def link(toolchain, folder, code, core="cortex-m7", memory=SMALL):
    source, script = folder / "code.c", folder / "chip.ld"
    source.write_text(code)
    script.write_text(memory.linker_script())
    objects = toolchain.compile(core, [source], [], folder)
    toolchain.link(core, list(objects.values()), script, folder / "image.elf")
    return folder / "image.elf"


@pytest.mark.parametrize("core", list(CORES))
def test_every_core_has_code_of_its_own(toolchain, core, tmp_path):
    elftools = pytest.importorskip("elftools.elf.elffile")
    code = "float scale(float a, float b) { return a * b; }\nvoid Reset_Handler(void) {}\n"
    code += '__attribute__((section(".vectors"), used)) void *const v = (void *)scale;\n'
    with link(toolchain, tmp_path, code, core).open("rb") as file:
        elf = elftools.ELFFile(file)
        assert elf["e_machine"] == "EM_ARM"
        names = {symbol.name for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
    # Without an FPU, the product is a call of the compiler's library.
    assert (core == "cortex-m0plus") == any("fmul" in name or "mulsf" in name for name in names)


@pytest.mark.parametrize(
    ("memory", "code"),
    [
        ("FLASH", "__attribute__((used)) const char much[{size}] = {{1}};"),
        ("RAM", "__attribute__((used)) char much[{size}];"),
    ],
)
def test_what_does_not_fit_is_told_in_bytes(toolchain, memory, code, tmp_path):
    code += "\nvoid Reset_Handler(void) {{}}\n"
    code += '__attribute__((section(".vectors"), used)) void *const v = much;\n'
    with pytest.raises(DoesNotFitError) as raised:
        link(
            toolchain, tmp_path, code.format(size=5000).replace("void *const", "const void *const")
        )
    first = raised.value.excess[memory]
    assert list(raised.value.excess) == [memory]
    with pytest.raises(DoesNotFitError) as raised:
        link(
            toolchain, tmp_path, code.format(size=6000).replace("void *const", "const void *const")
        )
    assert raised.value.excess[memory] == first + 1000


def test_the_stack_reserve_counts(toolchain, tmp_path):
    code = "__attribute__((used)) char much[{}];\nvoid Reset_Handler(void) {{}}\n"
    code += '__attribute__((section(".vectors"), used)) void *const v = much;\n'
    link(toolchain, tmp_path, code.format(4096 - 1024))
    with pytest.raises(DoesNotFitError, match="RAM by 8 bytes"):
        link(toolchain, tmp_path, code.format(4096 - 1024 + 8))


def test_code_that_cannot_be_compiled_is_no_matter_of_fit(toolchain, tmp_path):
    with pytest.raises(CompilerError, match=toolchain.name):
        link(toolchain, tmp_path, "int main(void) { return missing; }")


def test_messages_of_both_linkers_are_understood():
    gnu = "ld: region `RAM' overflowed by 23728 bytes\nld: region `FLASH' overflowed by 4 bytes"
    lld = "ld.lld: error: section '.bss' will not fit in region 'RAM': overflowed by 23728 bytes"
    assert overflow(gnu) == {"RAM": 23728, "FLASH": 4}
    assert overflow(lld) == {"RAM": 23728}
    assert overflow("undefined reference to `main'") == {}


def test_missing_tools_name_the_command_that_installs_them(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="apt-get install gcc-arm-none-eabi"):
        find_toolchain("gcc")
    monkeypatch.setitem(__import__("sys").modules, "ziglang", None)
    for name in ("auto", "zig"):
        with pytest.raises(ValueError, match=re.escape("pip install 'mcu-nas-moo[firmware]'")):
            find_toolchain(name)


def test_unknown_names_are_refused(toolchain):
    with pytest.raises(ValueError, match="choose one of auto, gcc, zig"):
        find_toolchain("keil")
    with pytest.raises(ValueError, match="no code can be made for cortex-a53"):
        toolchain.flags("cortex-a53")
