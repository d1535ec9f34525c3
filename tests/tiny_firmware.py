"""Tiny firmware for tests: what the generated network is to a real one, its `run` is to it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from mcu_nas_moo.deployment.firmware.firmware_report import file_sums, read_report, write_report
from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap, board_of
from mcu_nas_moo.deployment.firmware.toolchain import find_toolchain

SIZE, CHANNELS, OUTPUTS = 4, 3, 3
#: Flash where STM32 chips have it; RAM that ends within a page of 4 KiB.
CHIP = MemoryMap(
    flash_origin=0x08000000, flash_bytes=64 * 1024, ram_origin=0x20000000, ram_bytes=9 * 1024 + 512
)
HEADER = f"""
#include <stdint.h>
#define MCU_NAS_INPUT_HEIGHT {SIZE}
#define MCU_NAS_INPUT_WIDTH {SIZE}
#define MCU_NAS_INPUT_CHANNELS {CHANNELS}
#define MCU_NAS_INPUT_SIZE {SIZE * SIZE * CHANNELS}
#define MCU_NAS_OUTPUT_SIZE {OUTPUTS}
void mcu_nas_init(void);
void mcu_nas_set_row(int y, const uint8_t *rgb);
const int8_t *mcu_nas_run(void);
"""
#: Outputs: a weighted sum of each channel. The first two bytes of an image may ask for more.
SOURCE = """
#include "mcu_nas.h"
extern uint32_t _stack_top[];
extern void *const vectors[16];
static float half = 0.5f;
int32_t offset = 70007;
static int32_t sums[3], wanted, amount;
static int8_t outputs[3];

void mcu_nas_init(void) { outputs[0] = 1; }

void mcu_nas_set_row(int y, const uint8_t *rgb) {
    if (y == 0) { wanted = rgb[0]; amount = rgb[1]; }
    for (int c = 0; c < 3; c++) {
        if (y == 0) sums[c] = 0;
        for (int x = 0; x < MCU_NAS_INPUT_WIDTH; x++) sums[c] += (x + 2 * y + 1) * rgb[3 * x + c];
    }
}

static __attribute__((noinline)) void use_stack(int bytes) {
    volatile uint8_t block[bytes];
    for (int i = 0; i < bytes; i++) block[i] = 1;
}

static __attribute__((noinline)) void spin(uint32_t loops) {
    __asm volatile(".syntax unified\\n1: subs %0, #1\\n bne 1b" : "+l"(loops) : : "cc");
}

const int8_t *mcu_nas_run(void) {
    switch (wanted) {
    case 200: *(volatile uint32_t *)0x90000000; break;
    case 201: *((volatile uint32_t *)_stack_top + amount) = 1; break;
    case 202: *(volatile uint32_t *)&vectors[0] = 1; break;
    case 203: for (;;) { __asm volatile(""); }
    case 204: use_stack(100 * amount); break;
    case 205: spin(amount * 100u); break;
    case 206: spin(amount * 10000000u); break;
    case 207: __asm volatile("ldr r3, [%0, #0]" : : "l"((char *)sums + 1) : "r3"); break;
    case 208: __asm volatile(".syntax unified\\nudf #1"); break;
    default: break;
    }
    for (int c = 0; c < 3; c++) {
        outputs[c] = (int8_t)(uint8_t)(int)((float)(sums[c] + offset) * half);
    }
    return outputs;
}
"""
FAR, BEHIND_RAM, TO_FLASH, HANG, STACK, SPIN, SPIN_LONG, UNALIGNED, UNDEFINED = range(200, 209)


def plain_images(count=3):
    """Images that ask for nothing."""
    shape = (count, SIZE, SIZE, CHANNELS)
    return np.random.default_rng(0).integers(0, 200, shape, dtype=np.uint8)


def asking(what, amount=0):
    """One image that asks for something."""
    image = plain_images(1)
    image[0, 0, 0, :2] = what, amount
    return image


def expected(images):
    """Outputs of the tiny firmware."""
    y, x = np.mgrid[:SIZE, :SIZE]
    sums = (images.astype(int) * (x + 2 * y + 1)[None, :, :, None]).sum(axis=(1, 2)) + 70007
    return np.trunc(sums * 0.5).astype(np.int64).astype(np.int8)


def board_map(core):
    """CHIP's sizes at the addresses of the board of a core."""
    return board_of(core).memory_map(CHIP)


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
        shipped = Path(str(files("mcu_nas_moo.deployment.firmware") / "sources"))
        sources = [
            folder / "model.c",
            shipped / "verify_main.c",
            shipped / "startup.c",
            shipped / "memory.c",
        ]
        objects = tools.compile(core, sources, [folder], folder)
        tools.link(core, list(objects.values()), folder / "memory.ld", folder / "firmware.elf")
        return folder / "firmware.elf"

    return built


def as_built(folder: Path) -> None:
    """Let a firmware folder that was tampered with pass for one that was built like that."""
    report = read_report(folder)
    write_report(report.model_copy(update={"files": file_sums(folder)}), folder)
