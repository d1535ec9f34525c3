"""Profiles: the shipped ones, users' files, and what is said about files that are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml

from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.hardware import load_device
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.profile import list_profiles, load_profile
from mcu_nas_moo.spaces import load_space

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "name": "mine",
    "device": "nucleo-l4r5zi",
    "runtime": "tinyengine",
    "limits": {"flash_kib": 200, "sram_kib": 40, "latency_ms": 80},
}


def write(folder: Path, values, name="mine.yaml") -> Path:
    path = folder / name
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return path


def test_shipped_profiles():
    assert list_profiles() == ["cortex-m0plus", "cortex-m33", "cortex-m4", "cortex-m7"]
    for name in list_profiles():
        profile = load_profile(name)
        assert profile.name == name
        assert profile.device.core == name
        assert profile.description
        assert 0 < profile.limits.flash_kib < profile.device.flash_kib
        assert 0 < profile.limits.sram_kib < profile.device.sram_kib


@pytest.mark.parametrize("space_name", ["mbconv-stage", "mbconv-block"])
@pytest.mark.parametrize("name", ["cortex-m0plus", "cortex-m33", "cortex-m4", "cortex-m7"])
def test_each_limit_cuts_and_some_networks_pass(space_name, name):
    space = load_space(space_name)
    profile = load_profile(name)
    X = space.sample(3000, np.random.default_rng(0))
    costs = CostModel.of(profile).evaluate(space.network(X))
    passed = np.array(
        [getattr(costs, metric) <= limit for metric, limit in profile.limits.model_dump().items()]
    )
    assert (passed.mean(axis=1) < 0.9).all()
    assert 0.01 < passed.all(axis=0).mean() < 0.5


def test_user_file_by_path_and_by_string(tmp_path):
    path = write(tmp_path, GOOD)
    profile = load_profile(path)
    assert profile == load_profile(str(path))
    assert profile.device == load_device("nucleo-l4r5zi")
    assert profile.limits.sram_kib == 40


def test_file_without_a_name_is_called_after_the_file(tmp_path):
    values = {key: value for key, value in GOOD.items() if key != "name"}
    assert load_profile(write(tmp_path, values, "doorbell.yaml")).name == "doorbell"


def test_inline_device(tmp_path):
    device = {
        "board": "own board",
        "chip": "STM32F401",
        "core": "cortex-m4",
        "clock_mhz": 84,
        "flash_kib": 512,
        "sram_kib": 96,
        "cycles_factor": 1.8,
        "active_power_mw": {"value": 60, "basis": "measured", "source": "bench, 3.3 V"},
    }
    profile = load_profile(write(tmp_path, GOOD | {"device": device}))
    assert profile.device.cycles_factor.value == 1.8
    assert profile.device.cycles_factor.basis == "given"
    assert profile.device.active_power_mw.basis == "measured"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limits": GOOD["limits"] | {"flash_kib": 0}}, "limits.flash_kib: input should be gr"),
        ({"limits": GOOD["limits"] | {"flash_kib": "much"}}, "limits.flash_kib: input should be a"),
        ({"limits": GOOD["limits"] | {"flash_kib": True}}, "limits.flash_kib: input should be a"),
        ({"limits": GOOD["limits"] | {"sram_kib": float("nan")}}, "limits.sram_kib: "),
        ({"limits": GOOD["limits"] | {"sram": 4}}, "limits.sram: extra inputs are not permitted"),
        ({"limits": {"flash_kib": 1, "sram_kib": 1}}, "limits.latency_ms: field required"),
        ({"limits": None}, "limits: input should be"),
        (
            {"runtime": "tinyengin"},
            "runtime: unknown runtime 'tinyengin'; did you mean 'tinyengine'",
        ),
        ({"device": "nucleo-l4r5z"}, "device: unknown device 'nucleo-l4r5z'; did you mean"),
        ({"device": {"board": "mine"}}, "device.chip: field required; device.core: field required"),
        (
            {"limits": GOOD["limits"] | {"flash_kib": 4096, "sram_kib": 641}},
            "limits.flash_kib: expected at most 2048, the Flash of STM32L4R5ZIT6U, got 4096; "
            "limits.sram_kib: expected at most 640, the SRAM of STM32L4R5ZIT6U, got 641",
        ),
    ],
)
def test_wrong_fields_are_named_on_one_line(tmp_path, change, message):
    path = write(tmp_path, GOOD | change)
    with pytest.raises(ValueError) as error:
        load_profile(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "line 1: expected YAML"),
        ("name: a\nname: b\n", "line 2: expected YAML, but 'name' is given twice"),
        ("limits: {flash_kib: 1, flash_kib: 2}\n", "line 1: expected YAML, but 'flash_kib' is"),
        ("name: 2024-02-31\n", "device: field required"),
        ("", "expected fields and their values"),
        ("- a\n- b\n", "expected fields and their values"),
        ("name: !!python/object:os.system {}\n", "line 1: expected YAML"),
    ],
)
def test_files_that_are_not_profiles(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError) as error:
        load_profile(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.yaml: expected a profile file.*cortex-m7"):
        load_profile(tmp_path / "gone.yaml")
    with pytest.raises(ValueError, match="expected a profile file"):
        load_profile(str(tmp_path / "cortex-m7"))


def test_not_text(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match="expected a readable text file"):
        load_profile(path)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="unknown profile 'cortex-m77'; did you mean 'cortex-m7'"):
        load_profile("cortex-m77")


def test_unknown_name_far_from_all():
    message = str(unknown_name("algorithm", "zzz", ["ga", "ppo"]))
    assert message == "unknown algorithm 'zzz'; choose one of ga, ppo"


def test_with_limits():
    profile = load_profile("cortex-m7")
    other = profile.with_limits(latency_ms=12.5)
    assert other.limits.latency_ms == 12.5
    assert other.limits.sram_kib == profile.limits.sram_kib
    assert other.device == profile.device
    assert profile.with_limits() == profile


def test_with_limits_refuses_what_the_chip_has_not():
    profile = load_profile("cortex-m0plus")
    with pytest.raises(ValueError, match=r"profile 'cortex-m0plus': limits\.sram_kib: expected at"):
        profile.with_limits(sram_kib=200)
    with pytest.raises(ValueError, match=r"limits\.latency_ms: input should be greater than 0"):
        profile.with_limits(latency_ms=0)
