"""Tiny firmware in both emulators: outputs, stack, instructions, faults."""

from shutil import which

import numpy as np
import pytest
from tiny_firmware import (
    BEHIND_RAM,
    CHIP,
    FAR,
    HANG,
    OUTPUTS,
    SPIN,
    SPIN_LONG,
    STACK,
    TO_FLASH,
    UNALIGNED,
    UNDEFINED,
    asking,
    board_map,
    expected,
    plain_images,
)

from mcu_nas_moo.deployment.emulation.emulator import FirmwareError
from mcu_nas_moo.deployment.emulation.emulators import QEMU, Unicorn, choose_emulator
from mcu_nas_moo.deployment.firmware.memory_map import BOARDS

EMULATORS = ("unicorn", "qemu")
CORES_OF_UNICORN = ("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33")


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m0plus"])
def test_outputs_are_those_of_the_program(run, emulator, core):
    images = plain_images(20)
    np.testing.assert_array_equal(run(emulator, images, core).outputs, expected(images))


@pytest.mark.parametrize(
    ("emulator", "core"),
    [*(("unicorn", core) for core in CORES_OF_UNICORN), *(("qemu", b.runs) for b in BOARDS)],
)
def test_every_core_with_gcc(run, emulator, core):
    images = plain_images()
    result = run(emulator, images, core, "gcc")
    np.testing.assert_array_equal(result.outputs, expected(images))
    assert result.statistics.images == len(images)


@pytest.mark.parametrize("emulator", EMULATORS)
def test_progress_adds_up_to_the_images_at_most(build, emulator):
    if emulator == "qemu" and which(QEMU) is None:
        pytest.skip("QEMU is not installed")
    memory = board_map("cortex-m7") if emulator == "qemu" else CHIP
    done = []
    images = np.concatenate([plain_images(1)] + [asking(SPIN_LONG, 5)] * 3)
    choose_emulator("cortex-m7", emulator).run(
        build("cortex-m7", memory), memory, images, OUTPUTS, advance=done.append
    )
    assert 1 <= sum(done) <= 4


@pytest.mark.parametrize("emulator", EMULATORS)
def test_painting_tells_the_stack(run, emulator):
    small, large = (run(emulator, asking(STACK, n)).statistics.stack_bytes for n in (20, 50))
    assert large - small == 3000
    assert 2000 < small < 2200  # the block, and the frames of those who called


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m0plus"])
def test_stack_that_grows_into_data(run, emulator, core):
    with pytest.raises(FirmwareError, match=r"stack of the firmware grew into its data|RAM"):
        run(emulator, asking(STACK, 95), core)


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m0plus"])
def test_instructions_of_a_known_loop(run, emulator, core):
    short, long = (run(emulator, asking(SPIN, n), core) for n in (10, 210))
    # 200 x 100 loops of two instructions more.
    error = (long.instructions.first - short.instructions.first) - 200 * 100 * 2
    assert abs(error) <= (0 if emulator == "unicorn" else long.instructions.resolution)


@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m0plus"])
@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_both_emulators_count_the_same(run, core, toolchain):
    image = asking(SPIN, 97)
    exact = run("unicorn", image, core, toolchain)
    ticked = run("qemu", image, core, toolchain)
    assert exact.instructions.resolution == 1
    assert (
        abs(exact.instructions.first - ticked.instructions.first) <= ticked.instructions.resolution
    )
    assert exact.statistics.stack_bytes == ticked.statistics.stack_bytes


def test_qemu_counts_the_same_in_every_run(run):
    images = np.concatenate([asking(SPIN, n) for n in (3, 250, 77)])
    first, second = run("qemu", images), run("qemu", images)
    assert first.statistics == second.statistics
    assert first.instructions.mean > first.instructions.first


def test_more_instructions_than_the_timer_holds(run):
    """24 bits of ticks at 40 instructions are 671 million."""
    plain = run("qemu", asking(SPIN, 1))
    long = run("qemu", asking(SPIN_LONG, 34))
    assert long.statistics.wraps == 1
    assert abs(long.instructions.first - plain.instructions.first - (680_000_000 - 200)) <= 2 * 40
    # The exception's frame is no part of the firmware's stack.
    assert long.statistics.stack_bytes <= plain.statistics.stack_bytes


@pytest.mark.parametrize("emulator", EMULATORS)
def test_access_to_nowhere_is_named(run, emulator):
    with pytest.raises(FirmwareError, match=r"0x90000000, neither in Flash nor in RAM"):
        run(emulator, asking(FAR))


def test_write_behind_the_ram_is_named(run):
    # Within the last page, and 1 KiB beyond.
    with pytest.raises(FirmwareError, match=r"write of 4 bytes .* 12 bytes behind the end of RAM"):
        run("unicorn", asking(BEHIND_RAM, 3))
    with pytest.raises(FirmwareError, match=r"write of 4 bytes .* 1,016 bytes behind the end of R"):
        run("unicorn", asking(BEHIND_RAM, 254))


def test_write_to_flash_is_a_fault(run):
    with pytest.raises(FirmwareError, match=r"write of 4 bytes at address=0x08000000, in Flash"):
        run("unicorn", asking(TO_FLASH))


@pytest.mark.parametrize("emulator", EMULATORS)
def test_undefined_instruction(run, emulator):
    with pytest.raises(FirmwareError, match=r"the firmware faulted: pc=0x"):
        run(emulator, asking(UNDEFINED))


@pytest.mark.parametrize("emulator", EMULATORS)
def test_small_cores_trap_unaligned_accesses(run, emulator):
    run(emulator, asking(UNALIGNED), "cortex-m7")
    with pytest.raises(FirmwareError, match=r"faulted"):
        run(emulator, asking(UNALIGNED), "cortex-m0plus")


def test_code_of_a_larger_core_is_refused(build):
    elf = build("cortex-m7")
    with pytest.raises(FirmwareError, match=r"Invalid instruction"):
        Unicorn("cortex-m0plus").run(elf, CHIP, plain_images(), OUTPUTS)


@pytest.mark.parametrize("emulator", EMULATORS)
def test_endless_loop_is_stopped(run, emulator):
    images = np.concatenate([plain_images(2), asking(HANG)])
    with pytest.raises(FirmwareError, match=r"did not finish image 3 of 3 within 3 s"):
        run(emulator, images, patience=3)


@pytest.mark.parametrize("emulator", EMULATORS)
def test_images_of_another_size(run, emulator):
    with pytest.raises(FirmwareError, match=r"of another input size"):
        run(emulator, np.zeros((1, 5, 5, 3), dtype=np.uint8))


def test_other_number_of_outputs(build):
    with pytest.raises(FirmwareError, match=r"gave 3 outputs for 3 images, expected 10 for 3"):
        Unicorn("cortex-m7").run(build("cortex-m7"), CHIP, plain_images(), 10)
