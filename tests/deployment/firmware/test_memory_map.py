from __future__ import annotations

import re

import pytest

from mcu_nas_moo.deployment.firmware.memory_map import memory_map
from mcu_nas_moo.deployment.firmware.toolchain import CORES
from mcu_nas_moo.hardware.device import list_devices, load_device


def served():
    return [name for name in list_devices() if load_device(name).core in CORES]


@pytest.mark.parametrize("name", served())
def test_every_chip_that_code_can_be_made_for_has_a_map(name):
    device = load_device(name)
    found = memory_map(device)
    assert found.flash_bytes == device.flash_kib * 1024
    assert 0 < found.ram_bytes <= device.sram_kib * 1024
    assert found.flash_origin + found.flash_bytes <= found.ram_origin  # Arm's address map
    assert 0x20000000 <= found.ram_origin < 0x40000000


def test_the_linker_script_names_the_memories_of_the_chip():
    script = memory_map(load_device("nucleo-h7a3zi-q")).linker_script()
    lines = re.findall(r"(\w+) +\(\w+\) *: ORIGIN = (\w+), LENGTH = (\d+)", script)
    assert lines == [("FLASH", "0x08000000", "2097152"), ("RAM", "0x24000000", "1048576")]
    assert "@" not in script


def test_a_file_serves_for_an_unknown_chip(tmp_path):
    device = load_device("nucleo-u575zi-q").model_copy(update={"chip": "OWN1"})
    with pytest.raises(ValueError, match="OWN1 lie is not known; give --memory-map"):
        memory_map(device)
    file = tmp_path / "own.yaml"
    file.write_text("flash_origin: 0x0\nram_origin: 0x20000000\nram_kib: 100\n")
    found = memory_map(device, file)
    assert (found.flash_origin, found.ram_bytes) == (0, 100 * 1024)
    file.write_text("flash_origin: 0x0\nram_start: 0x20000000\nram_kib: 0\n")
    with pytest.raises(ValueError, match=r"own.yaml: ram_origin: field required.*ram_kib"):
        memory_map(device, file)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ram_origin": "0x100000"}, "overlap"),
        ({"ram_origin": "0xFFFFFF00"}, "32-bit"),
        ({"ram_origin": "0x20000004"}, "multiple of 8"),
        ({"flash_origin": "-1"}, "flash_origin"),
        ({"flash_origin": "0x08000010"}, "multiple of 1024"),
    ],
)
def test_maps_that_cannot_be_are_refused(changes, problem, tmp_path):
    values = {"flash_origin": "0x0", "ram_origin": "0x20000000", "ram_kib": "100"} | changes
    file = tmp_path / "own.yaml"
    file.write_text("".join(f"{name}: {value}\n" for name, value in values.items()))
    with pytest.raises(ValueError, match=rf"own.yaml: .*{problem}") as raised:
        memory_map(load_device("nucleo-u575zi-q"), file)
    assert "\n" not in str(raised.value)
