from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from int8_networks import int8_model

from mcu_nas_moo.deployment.firmware import package
from mcu_nas_moo.deployment.firmware.firmware_report import read_report
from mcu_nas_moo.deployment.firmware.package import FirmwareRequest, build_firmware
from mcu_nas_moo.deployment.firmware.toolchain import DoesNotFitError, Toolchain
from mcu_nas_moo.hardware.profile import load_profile


@pytest.fixture(scope="module")
def request_for(toolchain, tmp_path_factory):
    model = int8_model(tmp_path_factory.mktemp("model"), "mbconv-stage", "smallest")
    return lambda profile: FirmwareRequest(model, load_profile(profile), toolchain)


@pytest.fixture(scope="module")
def built(request_for, tmp_path_factory):
    folder = tmp_path_factory.mktemp("firmware") / "cortex-m7"
    return build_firmware(request_for("cortex-m7"), folder), folder


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "report.json"  # holds the seconds it took
    }


def test_the_folder_holds_what_a_user_needs(built):
    report, folder = built
    assert {path.name for path in folder.iterdir()} == {
        *("CMakeLists.txt", "toolchain.cmake", "chip.ld", "emulation", "firmware.elf"),
        *("kernels", "main.c", "mcu_nas.c", "mcu_nas.h", "mcu_nas_model.c"),
        *("mcu_nas_model_data.c", "memory.c", "report.json", "startup.c"),
    }
    assert read_report(folder) == report
    header = (folder / "mcu_nas.h").read_text()
    assert "#define MCU_NAS_INPUT_HEIGHT 16" in header
    assert f"one static block of {report.arena_bytes} bytes" in header


def test_building_again_gives_the_same_bytes(built, request_for, tmp_path):
    build_firmware(request_for("cortex-m7"), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(built[1])


def test_sizes_are_those_that_binutils_tell(built):
    size = shutil.which("arm-none-eabi-size") or shutil.which("size")
    if size is None:
        pytest.skip("no size of binutils")
    report, folder = built
    command = [size, "-A", str(folder / "firmware.elf")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    rows = [line.split() for line in lines if line.startswith(".")]
    sections = {row[0]: int(row[1]) for row in rows}
    flash = (".text", ".ARM.exidx", ".ARM.extab", ".data")
    assert report.flash_bytes == sum(sections.get(name, 0) for name in flash)
    assert report.ram_bytes == sections.get(".data", 0) + sections[".bss"]
    assert report.arena_bytes < report.ram_bytes < report.arena_bytes + 200
    assert report.arena_bytes <= 1.05 * report.arena_bound_bytes


def test_nothing_of_this_machine_is_in_the_images(built):
    for name, content in contents(built[1]).items():
        assert b"/tmp/" not in content, name
        assert str(built[1]).encode() not in content, name


@pytest.mark.parametrize("memory", ["flash_kib", "sram_kib"])
def test_a_chip_too_small_is_told_in_bytes_and_nothing_is_left(memory, request_for, tmp_path):
    request = request_for("cortex-m7")
    report = build_firmware(request, tmp_path / "fits")
    before = contents(tmp_path / "fits")
    needed = report.flash_bytes if memory == "flash_kib" else report.ram_bytes + 1024
    device = request.profile.device.model_copy(update={memory: (needed - 100) / 1024})
    small = FirmwareRequest(
        request.model,
        request.profile.model_copy(update={"device": device}),
        request.toolchain,
    )
    with pytest.raises(DoesNotFitError) as raised:
        build_firmware(small, tmp_path / "fits")
    assert abs(raised.value.excess["RAM" if memory == "sram_kib" else "FLASH"] - 100) <= 8
    message = str(raised.value)
    assert "does not fit STM32H7A3ZIT6Q" in message
    assert (f"fullest in layer {report.peak_layer}" in message) == (memory == "sram_kib")
    assert [path.name for path in tmp_path.iterdir()] == ["fits"]
    assert contents(tmp_path / "fits") == before


def test_a_compiler_without_the_dsp_extension_is_said(request_for, tmp_path, monkeypatch):
    monkeypatch.setattr(Toolchain, "has_simd", lambda *_: False)
    said = []
    arena = build_firmware(request_for("cortex-m7"), tmp_path / "m7", said.append).arena_bytes
    assert any("no DSP extension for cortex-m7" in line for line in said)
    monkeypatch.undo()
    said.clear()
    build = build_firmware(request_for("cortex-m7"), tmp_path / "m7", said.append)
    assert not any("DSP" in line for line in said)
    assert build.arena_bytes >= arena
    said.clear()
    build_firmware(request_for("cortex-m0plus"), tmp_path / "m0", said.append)
    assert not any("DSP" in line for line in said)  # these cores have none


def test_a_failure_half_way_leaves_nothing(request_for, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(package, "write_report", fail)
    with pytest.raises(OSError, match="disk full"):
        build_firmware(request_for("cortex-m7"), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_firmware_is_not_replaced(kind, request_for, tmp_path):
    place = tmp_path / "mine"
    own = place if kind == "file" else place / "notes.txt"
    own.parent.mkdir(exist_ok=True)
    own.write_text("keep")
    with pytest.raises(ValueError, match=r"mine is there and is no firmware folder"):
        build_firmware(request_for("cortex-m7"), place)
    assert own.read_text() == "keep"


def test_an_interrupted_replacement_keeps_the_old_folder(request_for, tmp_path, monkeypatch):
    folder = tmp_path / "firmware"
    build_firmware(request_for("cortex-m7"), folder)
    before = contents(folder)
    rename = Path.rename

    def interrupted(self, target):
        if Path(target) == folder and not self.name.endswith(".old"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_firmware(request_for("cortex-m7"), folder)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["firmware"]


def test_folders_made_for_a_failed_build_go_again(request_for, tmp_path):
    request = request_for("cortex-m7")
    device = request.profile.device.model_copy(update={"sram_kib": 1})
    small = FirmwareRequest(
        request.model, request.profile.model_copy(update={"device": device}), request.toolchain
    )
    with pytest.raises(DoesNotFitError):
        build_firmware(small, tmp_path / "a" / "b" / "firmware")
    assert list(tmp_path.iterdir()) == []


def test_the_cmake_project_builds_the_same_program(built, tmp_path):
    if not shutil.which("cmake") or not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("no cmake or no arm-none-eabi-gcc")
    report, folder = built
    if report.toolchain.name != "gcc":
        pytest.skip("the project is for gcc")
    configure = ["cmake", "-S", str(folder), "-B", str(tmp_path)]
    configure.append(f"-DCMAKE_TOOLCHAIN_FILE={folder / 'toolchain.cmake'}")
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(tmp_path)], check=True, capture_output=True)
    from mcu_nas_moo.deployment.firmware.elf import read_firmware_image

    image = read_firmware_image(tmp_path / "firmware.elf")
    assert (image.flash_bytes, image.ram_bytes) == (report.flash_bytes, report.ram_bytes)
