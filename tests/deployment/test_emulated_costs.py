"""Costs by building and running firmware, against a firmware that is built by hand."""

import numpy as np
import pytest

from mcu_nas_moo import Task, load_space
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.emulated_firmware import EmulatedFirmware
from mcu_nas_moo.deployment.firmware.package import build_firmware
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.problem.evaluators.function import FunctionEvaluator

SPACE = """kind: mbconv
granularity: stage
classes: 3
resolution: [8]
stem: [4, 8]
stages: [{stride: 2, depth: [1], kernel: [3], width: [8], expansion: [2]}]
head: [8]
"""
OBJECTIVES = ("error", "flash", "sram", "instructions")


@pytest.fixture
def space(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(SPACE)
    return load_space(tmp_path / "tiny.yaml")


@pytest.fixture
def evaluator():
    return EmulatedFirmware(emulator="unicorn")


def task_of(space, profile, evaluator):
    accuracy = FunctionEvaluator(lambda space, X: X[:, 0] / 10, ["error"])
    return Task(space, profile, OBJECTIVES, evaluators=[evaluator, accuracy])


def test_figures_are_those_of_the_firmware(space, evaluator, monkeypatch):
    reports = []

    def watched(request, folder):
        reports.append(build_firmware(request, folder))
        return reports[-1]

    monkeypatch.setattr("mcu_nas_moo.deployment.emulated_firmware.build_firmware", watched)
    task = task_of(space, "cortex-m4", evaluator)
    X = np.concatenate([space.smallest, space.largest])
    figures = task.metrics(X)
    assert [report.flash_bytes / 1024 for report in reports] == figures["flash_kib"].tolist()
    static = np.array([report.ram_bytes for report in reports])
    stack = 1024 * figures["sram_kib"] - static
    assert ((stack >= 100) & (stack <= 1024) & (stack % 4 == 0)).all()
    macs = np.array([report.macs for report in reports])
    assert (1e6 * figures["instructions_m"] > macs).all()
    assert (np.diff(figures["instructions_m"]) > 0).all()

    again = task_of(space, "cortex-m4", EmulatedFirmware(emulator="unicorn")).metrics(X)
    assert len(reports) == 2  # what it found is kept
    for name, values in figures.items():
        np.testing.assert_array_equal(again[name], values)


def test_a_network_that_does_not_fit_has_a_reason(space, evaluator):
    profile = load_profile("cortex-m0plus")
    device = profile.device.model_copy(update={"flash_kib": 4})
    limits = profile.limits.model_copy(update={"flash_kib": 4})
    tiny = profile.model_copy(update={"device": device, "limits": limits})
    task = task_of(space, tiny, evaluator)
    (x,) = space.smallest
    assert np.isnan(task.metrics(x[None])["flash_kib"]).all()
    assert "exceeds its Flash by" in task.reason(x)


def test_each_device_and_toolchain_has_figures_of_its_own():
    made = [
        EmulatedFirmware(load_profile(profile), toolchain, "unicorn").fingerprint
        for profile in ("cortex-m4", "cortex-m7")
        for toolchain in ("auto", "zig")
    ]
    assert made[0] != made[2]
    assert EmulatedFirmware(load_profile("cortex-m4"), "zig", "unicorn").fingerprint == made[1]


def test_it_needs_a_device(evaluator):
    with pytest.raises(InputError, match="EmulatedFirmware tells figures of a device; give a prof"):
        Task(load_space("mbconv-stage"), None, ("error", "flash"), evaluators=[evaluator])


def test_the_installed_package_announces_it():
    from mcu_nas_moo.common.user_parts import announced

    assert announced("evaluators")["emulator"].load() is EmulatedFirmware
