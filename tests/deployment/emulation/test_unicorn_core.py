"""The machine by itself, with code written by hand."""

import struct

import pytest
from tiny_firmware import CHIP

from mcu_nas_moo.deployment.emulation.unicorn_core import FaultError, Machine, instructions_in
from mcu_nas_moo.deployment.firmware.elf import FirmwareImage, Segment

START, RUN = 0x40, 0x60
# Encodings: Armv7-M Architecture Reference Manual, A7.7.
BKPT_AB, BX_LR, NOP = 0xBEAB, 0x4770, 0xBF00
SUBS_R0_1, BNE_BACK = 0x3801, 0xD1FD


def bl(at, to):
    """BL, encoding T1, for short distances."""
    distance = (to - at - 4) >> 1
    return (0xF000 | (0x3FF if distance < 0 else 0), 0xF800 | (distance & 0x7FF))


def machine(run, tmp_path, start=None, core="cortex-m7"):
    """Start calls RUN twice, then exits with code 5."""
    place = START
    code = []
    for _ in range(2):
        code += bl(CHIP.flash_origin + place + 2 * len(code), CHIP.flash_origin + RUN)
    code += [0x2020, 0x4902, BKPT_AB, NOP]  # movs r0,#0x20; ldr r1,[pc,#8]; bkpt
    content = bytearray(b"\0" * 0x100)
    content[:8] = struct.pack(
        "<2I", CHIP.ram_origin + CHIP.ram_bytes, CHIP.flash_origin + START | 1
    )
    content[START : START + 2 * len(code)] = struct.pack(f"<{len(code)}H", *code)
    # The literal of ldr: pc is its address + 4, aligned down to 4.
    literal = ((START + 2 * 5 + 4) & ~3) + 8
    content[literal : literal + 4] = struct.pack("<I", CHIP.flash_origin + 0xF0)
    content[0xF0:0xF8] = struct.pack("<2I", 0x20026, 5)
    content[RUN : RUN + 2 * len(run)] = struct.pack(f"<{len(run)}H", *run)
    image = FirmwareImage(
        flash_sections={},
        ram_sections={},
        entry=CHIP.flash_origin + START,
        symbols={"mcu_nas_run": CHIP.flash_origin + RUN},
        sizes={},
        segments=(Segment(CHIP.flash_origin, bytes(content)),),
    )
    pytest.importorskip("unicorn")
    return Machine(image, core, CHIP, tmp_path)


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33"])
def test_count_of_code_by_hand(tmp_path, core):
    # movs r0, #200; 200 times subs and bne; bx lr. The second call is not counted.
    run = [0x20C8, SUBS_R0_1, BNE_BACK, BX_LR]
    assert machine(run, tmp_path, core=core).run() == (5, 1 + 200 * 2 + 1)


def test_long_instructions_count_once(tmp_path):
    # mov.w r0, #3 (two halfwords), nop, bx lr
    assert machine([0xF04F, 0x0003, NOP, BX_LR], tmp_path).run() == (5, 3)


def test_supervisor_call_is_named(tmp_path):
    with pytest.raises(FaultError, match=r"supervisor call"):
        machine([0xDF00, BX_LR], tmp_path).run()


def test_other_breakpoint(tmp_path):
    with pytest.raises(FaultError, match=r"breakpoint"):
        machine([0xBE00, BX_LR], tmp_path).run()


def test_unknown_semihosting_operation(tmp_path):
    with pytest.raises(FaultError, match=r"operation 0x77, which is not supported"):
        machine([0x2077, BKPT_AB, BX_LR], tmp_path).run()


def test_bytes_outside_the_flash(tmp_path):
    image = FirmwareImage({}, {}, 0, {}, {}, (Segment(CHIP.ram_origin, b"1234"),))
    pytest.importorskip("unicorn")
    with pytest.raises(ValueError, match=r"0x20000000 to 0x20000004, outside the Flash"):
        Machine(image, "cortex-m7", CHIP, tmp_path)


@pytest.mark.parametrize(
    ("halfwords", "count"),
    [
        ([], 0),
        ([NOP], 1),
        ([0xE7FE], 1),  # 0b11100: a branch of two bytes
        ([0xE92D, 0x4FF0], 1),  # 0b11101: push.w
        ([0xF8D2, 0x3D88], 1),  # 0b11111: ldr.w
        ([0xF04F, 0xBF00, NOP, 0xF000, 0xF800], 3),  # a second half that looks like a NOP
    ],
)
def test_lengths_of_instructions(halfwords, count):
    assert instructions_in(struct.pack(f"<{len(halfwords)}H", *halfwords)) == count
