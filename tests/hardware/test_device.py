"""The shipped devices: every core there is, sizes, and the table that shows them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import mcu_nas_moo.hardware
from mcu_nas_moo.common.yaml_files import validate
from mcu_nas_moo.hardware import Device, list_devices, load_device, load_runtime
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.device import device_table
from mcu_nas_moo.spaces import load_space

CHIPS = Path(mcu_nas_moo.hardware.__file__).parent / "calibration" / "published" / "chips.csv"

GOOD = {
    "board": "mine",
    "chip": "STM32F401",
    "core": "cortex-m4",
    "clock_mhz": 84,
    "flash_kib": 512,
    "sram_kib": 96,
    "cycles_factor": 1.8,
    "active_power_mw": 60,
}


def test_every_core_and_clock_has_a_device():
    devices = [load_device(name) for name in list_devices()]
    # No cycles of a Cortex-M55 were found; users bring a factor of their own.
    assert {device.core for device in devices} | {"cortex-m55"} == set(
        get_args(Device.model_fields["core"].annotation)
    )
    clocks = {device.clock_mhz for device in devices if device.core == "cortex-m7"}
    assert clocks == {216, 280, 400, 480}


@pytest.mark.parametrize("name", list_devices())
def test_a_device_is_called_after_its_board(name):
    assert load_device(name).board.lower() == name


def test_memory_is_that_of_the_chip():
    """Tightly coupled memory counts only where it continues the SRAM, on the F7."""
    devices = {load_device(name).chip: load_device(name) for name in list_devices()}
    compared = 0
    for row in csv.DictReader(CHIPS.read_text().splitlines()):
        for chip, device in devices.items():
            # R7FA8D1A and R7FA8D1B differ in their display interface alone.
            if chip.replace("D1A", "D1B").startswith(row["chip"]):
                coupled = int(row["tightly_coupled_kib"]) if row["chip"] == "STM32F769NI" else 0
                assert device.flash_kib == int(row["flash_kib"])
                assert device.sram_kib == int(row["sram_kib"]) + coupled
                compared += 1
    assert compared == 7


@pytest.mark.parametrize("field", ["cycles_factor", "active_power_mw"])
@pytest.mark.parametrize("value", [0, -1, "fast", True, float("inf"), {"value": 1}])
def test_wrong_figures_are_refused(field, value):
    with pytest.raises(ValueError, match=rf"^mine: {field}"):
        validate(Device, GOOD | {field: value}, "mine")


def test_unknown_core_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"core: input should be 'cortex-m0plus'.*'cortex-m85'"):
        validate(Device, GOOD | {"core": "cortex-a53"}, "mine")


def test_the_faster_core_needs_less_time_at_the_same_clock():
    space = load_space("mbconv-stage")
    network = space.network(space.sample(3, np.random.default_rng(0)))
    runtime = load_runtime("tflm-cmsis-nn")
    per_megahertz = {}
    for name in list_devices():
        device = load_device(name)
        latency = CostModel(device, runtime).evaluate(network).latency_ms
        per_megahertz[device.core] = (latency * device.clock_mhz).tolist()
    order = ("cortex-m85", "cortex-m7", "cortex-m33", "cortex-m4", "cortex-m0plus")
    assert [per_megahertz[core] for core in order] == sorted(per_megahertz.values())


def test_device_table_has_a_row_per_device_with_every_source():
    lines = device_table().splitlines()
    assert len(lines) == 2 + len(list_devices())
    assert len({line.count("|") for line in lines}) == 1
    for name, line in zip(list_devices(), lines[2:], strict=True):
        device = load_device(name)
        assert line.startswith(f"| `{name}` | {device.chip} | {device.core} |")
        for figure in (device.cycles_factor, device.active_power_mw):
            assert f"{figure.value:g} ({figure.basis})" in line
            assert figure.source.rstrip(".") in line
