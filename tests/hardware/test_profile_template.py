"""New profiles: they load as they stand, and their commented part loads once it is taken in."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

import mcu_nas_moo.hardware
from mcu_nas_moo.hardware import list_devices, list_runtimes, load_device, load_runtime
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.device import Device
from mcu_nas_moo.hardware.profile import Limits, list_profiles, load_profile
from mcu_nas_moo.hardware.profile_template import render_profile, write_profile

RUNTIMES = Path(mcu_nas_moo.hardware.__file__).parent / "runtimes"


def own_device(text: str) -> str:
    """What a user does for a board of their own: the shipped name out, the block in."""
    text = re.sub(r"^device: .*\n", "", text, flags=re.MULTILINE)
    start = text.index("# device:\n")
    end = text.index("\n\n", start)
    return text[:start] + re.sub("^# ", "", text[start:end], flags=re.MULTILINE) + text[end:]


@pytest.mark.parametrize("device", list_devices())
def test_loads_as_it_stands(tmp_path, device):
    path = tmp_path / "my-board.yaml"
    write_profile(path, device)
    profile = load_profile(path)
    assert profile.name == "my-board"
    assert profile.device == load_device(device)
    assert profile.runtime in list_runtimes()
    assert profile.limits.flash_kib == profile.device.flash_kib / 2
    assert profile.limits.sram_kib == profile.device.sram_kib / 2
    assert CostModel.of(profile)


@pytest.mark.parametrize("device", list_devices())
def test_block_of_an_own_device_loads(tmp_path, device):
    path = tmp_path / "mine.yaml"
    path.write_text(own_device(render_profile(str(path), device)))
    assert load_profile(path).device == load_device(device)
    path.write_text(path.read_text().replace("clock_mhz: ", "clock_mhz: 1"))
    assert load_profile(path).device.clock_mhz > load_device(device).clock_mhz


def test_plain_numbers_will_do(tmp_path):
    path = tmp_path / "mine.yaml"
    text = own_device(render_profile(str(path)))
    number = r"\1: 2\n"
    text = re.sub(r"(cycles_factor|active_power_mw):\n( {4}.*\n?)+", number, text)
    path.write_text(text)
    device = load_profile(path).device
    assert device.cycles_factor.value == device.active_power_mw.value == 2
    assert device.cycles_factor.basis == "given"


def test_every_field_has_a_comment():
    lines = own_device(render_profile("mine.yaml")).splitlines()
    commented = {
        line.split(":")[0].strip()
        for before, line in pairwise(lines)
        if before.lstrip().startswith("#") and not line.lstrip().startswith("#")
    }
    fields = {"name", "description", "device", "runtime", "limits"}
    assert commented >= fields | Device.model_fields.keys() | Limits.model_fields.keys()
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", list_profiles())
def test_from_a_profile(tmp_path, name):
    path = tmp_path / "mine.yaml"
    write_profile(path, start=name)
    assert load_profile(path) == load_profile(name).model_copy(update={"name": "mine"})


def test_from_a_profile_with_an_own_device_and_runtime(tmp_path):
    """A runtime file is seen from where the profile lies, in every folder."""
    first = tmp_path / "boards" / "first.yaml"
    runtime = tmp_path / "fits" / "runtime.yaml"
    runtime.parent.mkdir()
    shutil.copy(RUNTIMES / "tinyengine.yaml", runtime)
    write_profile(first, "nucleo-l4r5zi", str(runtime))
    first.write_text(own_device(first.read_text()).replace("board: NUCLEO-L4R5ZI", "board: mine"))
    second = tmp_path / "second.yml"
    write_profile(second, start=first)
    profile = load_profile(second)
    assert profile.device == load_device("nucleo-l4r5zi").model_copy(update={"board": "mine"})
    assert yaml.safe_load(first.read_text())["runtime"] == "../fits/runtime.yaml"
    assert yaml.safe_load(second.read_text())["runtime"] == "fits/runtime.yaml"
    assert load_runtime(profile.runtime) == load_runtime("tinyengine")


@pytest.mark.parametrize("name", ["123.yaml", "no.yaml", "a: b #c.yaml", "été.yaml"])
def test_odd_names_stay_names(tmp_path, name):
    write_profile(tmp_path / name)
    assert load_profile(tmp_path / name).name == Path(name).stem


def test_nothing_is_written_over(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("keep me")
    with pytest.raises(ValueError, match=r"mine\.yaml is there already; .*--force"):
        write_profile(path)
    assert path.read_text() == "keep me"
    write_profile(path, overwrite=True)
    assert load_profile(path).name == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "nucleo"}, "unknown device 'nucleo'"),
        ({"runtime": "tinyengin"}, "unknown runtime 'tinyengin'; did you mean 'tinyengine'"),
        ({"runtime": "gone.yaml"}, r"gone\.yaml: expected a runtime file, as mcu-nas calibrate"),
        ({"start": "cortex-m77"}, "unknown profile 'cortex-m77'; did you mean 'cortex-m7'"),
        ({"start": "gone.yaml"}, r"gone\.yaml: expected a profile file"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_profile(tmp_path / "mine.yaml", **arguments)
    assert not list(tmp_path.iterdir())


def test_limits_above_the_device_name_the_remedy(tmp_path):
    large = tmp_path / "large.yaml"
    write_profile(large, "nucleo-h7a3zi-q")
    message = r"leaves 1024 KiB to the network, but NUCLEO-G0B1RE has .*; leave --from out"
    with pytest.raises(ValueError, match=message):
        write_profile(tmp_path / "small.yaml", "nucleo-g0b1re", start=large)
    assert not (tmp_path / "small.yaml").exists()


def test_the_ending_is_yaml(tmp_path):
    with pytest.raises(ValueError, match=r"mine: expected a name that ends in \.yaml"):
        write_profile(tmp_path / "mine")
