from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from int8_networks import CLASSES, subnet_of, write_int8_model
from PIL import Image
from tiny_firmware import as_built

from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.deployment.emulation import emulators
from mcu_nas_moo.deployment.emulation.emulators import QEMU
from mcu_nas_moo.deployment.emulation.verification import Verification
from mcu_nas_moo.deployment.export.int8_model import read_int8_model
from mcu_nas_moo.deployment.firmware.elf import read_firmware_image
from mcu_nas_moo.deployment.firmware.package import FirmwareRequest, build_firmware
from mcu_nas_moo.deployment.firmware.toolchain import find_toolchain
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.spaces.subnet_file import write_subnet


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Three test images of each class of the network."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("ten classes")
    for name in CLASSES:
        folder = root / "test" / name
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A subnet file and its folder with export and firmware, by the packages of PyPI alone."""
    for module in ("onnxruntime", "unicorn", "ziglang"):
        pytest.importorskip(module)
    root = tmp_path_factory.mktemp("built")
    subnet = subnet_of("mbconv-stage", "smallest")
    write_subnet(subnet, root / "subnet.yaml")
    (root / "deploy" / "export").mkdir(parents=True)
    path = write_int8_model(root / "deploy" / "export", "mbconv-stage", "smallest")
    request = FirmwareRequest(
        read_int8_model(path), load_profile("cortex-m7"), find_toolchain("zig")
    )
    build_firmware(request, root / "deploy" / "firmware" / "cortex-m7")
    return root


@pytest.fixture
def folder(built, tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(built, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def run(data):
    def ran(root, *options, images=data):
        arguments = [root / "subnet.yaml", "--out", root / "deploy", "--data", images, *options]
        return CliRunner().invoke(main, ["verify", *map(str, arguments)])

    return ran


def report_of(root):
    text = (root / "deploy" / "verified" / "cortex-m7.json").read_text()
    return Verification.model_validate_json(text)


def fails(result, *parts, code=2):
    assert result.exit_code == code, result.output
    for part in parts:
        assert part in result.output


@pytest.mark.parametrize("emulator", ["unicorn", "qemu"])
def test_a_network_is_verified(folder, run, emulator):
    if emulator == "qemu" and shutil.which(QEMU) is None:
        pytest.skip("QEMU is not installed")
    result = run(folder, "-n", "20", "--emulator", emulator)
    assert result.exit_code == 0, result.output
    assert "bit-exact against onnxruntime" in result.output
    assert "on 20 images (200 values)" in result.output
    assert "not measured: clock cycles, milliseconds and energy" in result.output
    assert "\nVERIFIED: bit-exact on 20 images" in result.output
    assert all(len(line) <= 100 for line in result.output.splitlines() if "report:" not in line)
    report = report_of(folder)
    assert report.problems == []
    image = read_firmware_image(folder / "deploy" / "firmware" / "cortex-m7" / "firmware.elf")
    assert report.flash.used == image.flash_bytes
    assert report.execution.ram.used == image.ram_bytes + report.execution.stack_bytes
    assert f"{report.flash.used:,}" in result.output
    assert report.toolchain.name == "zig"
    assert emulator in report.emulator.lower()


def test_both_emulators_agree(folder, run):
    if shutil.which(QEMU) is None:
        pytest.skip("QEMU is not installed")
    reports = {}
    for emulator in ("unicorn", "qemu"):
        assert run(folder, "-n", "3", "--emulator", emulator).exit_code == 0
        reports[emulator] = report_of(folder).execution
    exact, ticked = reports["unicorn"], reports["qemu"]
    assert abs(exact.instructions - ticked.instructions) <= ticked.instruction_resolution
    assert exact.stack_bytes == ticked.stack_bytes


def test_one_flipped_weight_is_found(folder, run):
    """The negative control: a bit of one weight of the last layer."""
    path = folder / "deploy" / "firmware" / "cortex-m7" / "emulation" / "chip.elf"
    model = read_int8_model(folder / "deploy" / "export" / "int8.onnx")
    (gemm,) = (node for node in model.model.graph.node if node.op_type == "QGemm")
    (weights,) = (t for t in model.model.graph.initializer if t.name == gemm.input[3])
    from onnx import numpy_helper

    stored = numpy_helper.to_array(weights).tobytes()
    content = bytearray(path.read_bytes())
    assert content.count(stored) == 1
    content[content.find(stored)] ^= 0x40
    path.write_bytes(content)
    as_built(folder / "deploy" / "firmware" / "cortex-m7")
    result = run(folder, "-n", "20", "--emulator", "unicorn")
    fails(result, "FAILED: outputs differ from onnxruntime", "first on image", code=1)
    assert "VERIFIED" not in result.output
    outputs = report_of(folder).execution.outputs
    assert outputs.first is not None
    # The first weight belongs to one class, so one output per image at most is another one.
    assert outputs.different_values == outputs.different_images > 0


@pytest.mark.parametrize(
    "name", ["firmware.elf", "emulation/chip.elf", "mcu_nas_model_data.c", "kernels/pool.h"]
)
def test_what_was_changed_after_building_is_not_verified(folder, run, name):
    path = folder / "deploy" / "firmware" / "cortex-m7" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    fails(run(folder), f"{name} was changed since the firmware was built", "mcu-nas firmware")
    assert not (folder / "deploy" / "verified").exists()


def test_users_may_change_the_example(folder, run):
    path = folder / "deploy" / "firmware" / "cortex-m7" / "main.c"
    path.write_text("int main(void) { return 0; }")
    assert run(folder, "-n", "1", "--emulator", "unicorn").exit_code == 0


def test_limits_of_the_profile_decide(folder, run, tmp_path):
    values = load_profile("cortex-m7").model_dump(mode="json")
    values["limits"] |= {"flash_kib": 8, "sram_kib": 2}
    (tmp_path / "tight.yaml").write_text(json.dumps(values))
    result = run(
        folder, "-n", "2", "--emulator", "unicorn", "--profile", str(tmp_path / "tight.yaml")
    )
    fails(result, "FAILED: Flash exceeds", "FAILED: RAM exceeds", "too many", code=1)


def test_fault_ends_with_code_1(folder, run):
    path = folder / "deploy" / "firmware" / "cortex-m7" / "emulation" / "chip.elf"
    image = read_firmware_image(path)
    code = next(s.content for s in image.segments if s.address <= image.symbol("mcu_nas_run"))
    start = image.symbol("mcu_nas_run") - image.segments[0].address
    content = bytearray(path.read_bytes())
    place = content.find(code) + start
    content[place : place + 2] = b"\x00\xde"  # udf #0
    path.write_bytes(content)
    as_built(folder / "deploy" / "firmware" / "cortex-m7")
    fails(run(folder, "-n", "1", "--emulator", "unicorn"), "FAILED: the firmware faulted", code=1)
    assert report_of(folder).execution is None


def test_firmware_of_another_model(folder, run):
    path = folder / "deploy" / "export" / "int8.onnx"
    write_int8_model(path.parent, "mbconv-stage", "smallest")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"class 9", b"class X"))
    fails(run(folder), "another int8.onnx", "mcu-nas firmware")


def test_missing_firmware(folder, run):
    fails(run(folder, "--profile", "cortex-m33"), "no firmware in", "mcu-nas firmware")


def test_missing_model(folder, run):
    (folder / "deploy" / "export" / "int8.onnx").unlink()
    fails(run(folder), "int8.onnx", "mcu-nas export")


def test_another_subnet(folder, run):
    write_subnet(subnet_of("mbconv-stage", 1), folder / "subnet.yaml")
    fails(run(folder), "is the network mbconv-stage-smallest, not that of", "mcu-nas export")


def test_damaged_image_of_the_emulation(folder, run):
    path = folder / "deploy" / "firmware" / "cortex-m7" / "emulation" / "chip.elf"
    path.write_bytes(path.read_bytes()[:100])
    as_built(folder / "deploy" / "firmware" / "cortex-m7")
    fails(
        run(folder, "--emulator", "unicorn"),
        "chip.elf is damaged or not firmware",
        "mcu-nas firmware",
    )
    assert not (folder / "deploy" / "verified").exists()


def test_images_of_other_classes(folder, run, image_folder):
    result = run(folder, images=image_folder)
    fails(result, "the test images are of the classes blue, red, but the network", "class 0")


def test_missing_images(folder, run, tmp_path):
    fails(run(folder, images=tmp_path), "no folder", "test/<class>/<image>")


def test_missing_emulator(folder, run, monkeypatch):
    monkeypatch.setattr(emulators.shutil, "which", lambda name: None)
    result = run(folder, "--emulator", "qemu")
    fails(result, "install it with: apt-get install qemu-system-arm")
    assert len(result.output.strip().splitlines()) == 1


def test_no_images_are_refused(folder, run):
    fails(run(folder, "-n", "0"), "0 is not in the range")


def test_a_chip_of_ones_own_with_another_core(folder, run, tmp_path):
    """A Cortex-M55, which no shipped profile has."""
    if shutil.which(QEMU) is None:
        pytest.skip("QEMU is not installed")
    profile = load_profile("cortex-m33").model_dump(mode="json") | {"name": "mine"}
    profile["device"] |= {"chip": "OWN", "core": "cortex-m55", "flash_kib": 512, "sram_kib": 256}
    (tmp_path / "mine.yaml").write_text(json.dumps(profile))
    (tmp_path / "map.yaml").write_text("{flash_origin: 0, ram_origin: 0x20000000, ram_kib: 200}")
    arguments = [folder / "subnet.yaml", "--out", folder / "deploy", "--toolchain", "zig"]
    arguments += ["--profile", tmp_path / "mine.yaml"]
    built = CliRunner().invoke(main, ["firmware", *map(str, arguments)])
    assert built.exit_code == 2
    assert "where Flash and RAM of OWN lie is not known; give --memory-map" in built.output
    arguments += ["--memory-map", tmp_path / "map.yaml"]
    built = CliRunner().invoke(main, ["firmware", *map(str, arguments)])
    assert built.exit_code == 0, built.output
    result = run(folder, "-n", "5", "--profile", str(tmp_path / "mine.yaml"))
    assert result.exit_code == 0, result.output
    assert "mps3-an547: a cortex-m55" in result.output
