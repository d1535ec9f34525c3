"""The report, with tiny firmware in the place of a network's."""

import shutil
import struct
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_firmware import (
    CHIP,
    OUTPUTS,
    SIZE,
    SPIN,
    STACK,
    as_built,
    asking,
    board_map,
    expected,
    plain_images,
)

from mcu_nas_moo.data.images import Images
from mcu_nas_moo.data.preprocessing import Preprocessing
from mcu_nas_moo.deployment.emulation.emulator import Statistics, place
from mcu_nas_moo.deployment.emulation.emulators import Unicorn, choose_emulator
from mcu_nas_moo.deployment.emulation.verification import (
    Verification,
    check_firmware,
    compare_outputs,
    verify,
)
from mcu_nas_moo.deployment.firmware.firmware_report import (
    FirmwareReport,
    ToolchainFacts,
    file_sums,
    write_report,
)
from mcu_nas_moo.hardware.profile import load_profile

MACS = 1000
UNICORN = Unicorn("cortex-m7")
NAMES = ("cat", "dog", "owl")


@pytest.fixture
def profile():
    return load_profile("cortex-m7")


@pytest.fixture
def folder(build, tmp_path, profile):
    """A firmware folder around the tiny firmware."""
    pytest.importorskip("unicorn")
    (tmp_path / "emulation").mkdir()
    for name in ("firmware.elf", "emulation/chip.elf", "emulation/board.elf"):
        memory = board_map("cortex-m7") if "board" in name else CHIP
        shutil.copy(build("cortex-m7", memory), tmp_path / name)
    report = FirmwareReport(
        subnet="tiny",
        space="mbconv-stage",
        genotype=(0,),
        model_sha256="a" * 64,
        weights="shared",
        profile=profile.name,
        core=profile.device.core,
        chip=profile.device.chip,
        generator="by hand",
        toolchain=ToolchainFacts(name="zig", version="1", flags=("-O3",)),
        chip_map=CHIP,
        board="mps2-an500",
        board_map=board_map("cortex-m7"),
        arena_bytes=12,
        arena_bound_bytes=12,
        peak_layer="stem",
        macs=MACS,
        flash_bytes=1,
        ram_bytes=1,
        flash_of_weights=0,
        limits=profile.limits.model_dump(),
        predicted={"flash_kib": 4.0, "sram_kib": 2.0},
        predicted_for="none",
        files=file_sums(tmp_path),
        seconds=0.1,
    )
    write_report(report, tmp_path)
    return tmp_path


@pytest.fixture
def model():
    """What stands for the int8 model: computes what the tiny firmware does."""
    return SimpleNamespace(
        sha256="a" * 64,
        input_shape=(3, SIZE, SIZE),
        class_names=NAMES,
        preprocessing=Preprocessing((128.0,) * 3, (1.0,) * 3, 1.0, 0),
        # Pixels come back from the int8 input, of which they are 128 steps off.
        run=lambda inputs: expected((inputs.astype(int) + 128).transpose(0, 2, 3, 1)),
    )


def labelled(pixels):
    """Images of which each second one is of the class that the firmware finds."""
    classes = expected(pixels).argmax(axis=1)
    classes[1::2] = (classes[1::2] + 1) % OUTPUTS
    return Images(
        torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(classes)
    )


@pytest.mark.parametrize("emulator", ["unicorn", "qemu"])
def test_firmware_that_is_right(folder, model, profile, emulator, tmp_path):
    try:
        emulator = choose_emulator("cortex-m7", emulator)
    except ValueError as error:
        pytest.skip(str(error))
    done = []
    result = verify(folder, model, profile, labelled(plain_images(6)), emulator, done.append)
    assert result.problems == []
    assert result.images == 6
    outputs = result.execution.outputs
    assert outputs.equal
    assert outputs.values == 18
    assert outputs.accuracy == outputs.reference_accuracy == 0.5
    assert result.execution.instructions_per_mac == result.execution.instructions / MACS
    assert result.execution.ram.used == result.static_ram_bytes + result.execution.stack_bytes
    assert result.execution.ram.limit == 48 * 1024
    assert (result.flash.limit, result.flash.predicted) == (256 * 1024, 4096)
    assert result.emulated_core == result.core == "cortex-m7"
    assert any("milliseconds" in what for what in result.not_measured)
    path = tmp_path / "verified" / "cortex-m7.json"
    result.save(path)
    assert Verification.model_validate_json(path.read_text()) == result


def test_first_difference_is_told(folder, model, profile):
    pixels = plain_images(5)

    def almost(inputs):
        outputs = expected((inputs.astype(int) + 128).transpose(0, 2, 3, 1)).copy()
        outputs[2, 1] ^= 1
        outputs[4] ^= 1
        return outputs

    model.run = almost
    result = verify(folder, model, profile, labelled(pixels), UNICORN)
    outputs, right = result.execution.outputs, expected(pixels)
    assert (outputs.different_images, outputs.different_values) == (2, 4)
    first = outputs.first
    assert (first.image, first.output, first.class_name) == (2, 1, "dog")
    assert (first.got, first.expected) == (right[2, 1], right[2, 1] ^ 1)
    (problem,) = result.problems
    assert "on 2 of 5 images (4 of 15 values); first on image 2: output 1 (dog) is" in problem


def test_changed_firmware_is_found(folder, model, profile):
    """A constant of the code is another one, as if a weight had been flipped."""
    path = folder / "emulation" / "chip.elf"
    content = path.read_bytes()
    assert content.count(struct.pack("<i", 70007)) == 1
    path.write_bytes(content.replace(struct.pack("<i", 70007), struct.pack("<i", 70009)))
    as_built(folder)
    result = verify(folder, model, profile, labelled(plain_images(3)), UNICORN)
    assert not result.execution.outputs.equal


def test_limits_of_the_profile(folder, model, profile):
    tight = profile.with_limits(flash_kib=1, sram_kib=1)
    pixels = asking(STACK, 20)
    result = verify(folder, model, tight, labelled(pixels), UNICORN)
    assert result.flash.excess == result.flash.used - 1024 > 0
    assert result.execution.ram.excess == result.execution.ram.used - 1024 > 1000
    assert [problem.split()[0] for problem in result.problems] == ["Flash", "RAM"]
    assert f"by {result.flash.excess:,} bytes" in result.problems[0]


def test_fault_becomes_part_of_the_report(folder, model, profile):
    pixels = np.concatenate([plain_images(1), asking(200)])
    result = verify(folder, model, profile, labelled(pixels), UNICORN)
    assert result.execution is None
    (problem,) = result.problems
    assert "0x90000000" in problem


def test_instructions_are_of_the_first_image(folder, model, profile):
    def instructions(*images):
        images = labelled(np.concatenate(images))
        return verify(folder, model, profile, images, UNICORN).execution.instructions

    assert instructions(asking(SPIN, 5), asking(SPIN, 50)) == instructions(asking(SPIN, 5))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model_sha256": "b" * 64}, r"made from another int8.onnx .*mcu-nas firmware"),
        ({"chip": "STM32F746NGH6"}, r"built for cortex-m7, cortex-m7, STM32F746NGH6, not for"),
        ({"core": "cortex-m4"}, r"built for cortex-m7, cortex-m4"),
        ({"board_map": None}, r"has no image for a board; build it again"),
    ],
)
def test_what_does_not_belong_together(folder, model, profile, change, problem):
    from mcu_nas_moo.deployment.firmware.firmware_report import read_report

    write_report(read_report(folder).model_copy(update=change), folder)
    board = SimpleNamespace(uses_board=True)
    with pytest.raises(ValueError, match=problem):
        verify(folder, model, profile, labelled(plain_images(1)), board)


def test_missing_firmware(tmp_path, model, profile):
    with pytest.raises(ValueError, match=r"no firmware in .*; `mcu-nas firmware` builds it"):
        check_firmware(tmp_path, model, profile)


def test_missing_image(folder, model, profile):
    (folder / "emulation" / "chip.elf").unlink()
    with pytest.raises(
        ValueError, match=r"chip.elf is missing since .* build it again with `mcu-nas firmware`"
    ):
        verify(
            folder,
            model,
            profile,
            labelled(plain_images(1)),
            UNICORN,
        )


@given(st.data())
def test_comparison_by_counting(data):
    shape = data.draw(st.tuples(st.integers(1, 5), st.just(3)))
    numbers = st.lists(st.integers(-2, 2), min_size=shape[0] * 3, max_size=shape[0] * 3)
    got, right = (np.array(data.draw(numbers), dtype=np.int8).reshape(shape) for _ in range(2))
    targets = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(got), max_size=len(got))))
    result = compare_outputs(got, right, targets, NAMES)
    wrong = [
        (image, output)
        for image in range(len(got))
        for output in range(3)
        if got[image, output] != right[image, output]
    ]
    assert result.different_values == len(wrong)
    assert result.different_images == len({image for image, _ in wrong})
    assert result.equal == (not wrong)
    if wrong:
        assert (result.first.image, result.first.output) == wrong[0]
    for accuracy, outputs in ((result.accuracy, got), (result.reference_accuracy, right)):
        hits = [list(row).index(max(row)) for row in outputs] == targets
        assert accuracy == pytest.approx(hits.sum() / len(hits))


def test_statistics_of_another_version():
    with pytest.raises(ValueError, match=r"another version of this program"):
        Statistics.parse(b"\0" * 64)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (0x08000000, "in Flash"),
        (0x0800FFFF, "in Flash"),
        (0x08010000, "0 bytes behind the end of Flash"),
        (0x20000000, "in RAM"),
        (0x20002600, "0 bytes behind the end of RAM"),
        (0x1FFFFFFC, "4 bytes before the start of RAM"),
        (0x40000000, "neither in Flash nor in RAM"),
    ],
)
def test_places_in_words(address, words):
    assert place(address, CHIP) == words
