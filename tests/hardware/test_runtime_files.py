"""Runtimes by the path of a file, as ``mcu-nas calibrate`` makes them, alone and in profiles."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

import mcu_nas_moo.hardware
from mcu_nas_moo.hardware import load_runtime
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.profile import load_profile

SHIPPED = Path(mcu_nas_moo.hardware.__file__).parent / "runtimes" / "tinyengine.yaml"

PROFILE = {
    "device": "nucleo-l4r5zi",
    "runtime": "fits/mine.yaml",
    "limits": {"flash_kib": 200, "sram_kib": 40, "latency_ms": 80},
}


@pytest.fixture
def runtime_file(tmp_path):
    """A copy of a shipped runtime in a folder of its own."""
    path = tmp_path / "fits" / "mine.yaml"
    path.parent.mkdir()
    shutil.copy(SHIPPED, path)
    return path


@pytest.fixture
def profile_file(tmp_path, runtime_file):
    path = tmp_path / "board.yaml"
    path.write_text(yaml.safe_dump(PROFILE))
    return path


def test_path_and_string(runtime_file):
    assert load_runtime(runtime_file) == load_runtime(str(runtime_file))
    assert load_runtime(runtime_file) == load_runtime("tinyengine")


def test_a_file_written_anew_is_read_anew(runtime_file):
    before = load_runtime(runtime_file)
    values = yaml.safe_load(runtime_file.read_text()) | {"description": "fitted again"}
    runtime_file.write_text(yaml.safe_dump(values))
    assert load_runtime(runtime_file).description == "fitted again" != before.description


def test_profile_sees_it_from_its_own_folder(profile_file, monkeypatch):
    shipped = CostModel(load_profile("cortex-m4").device, load_runtime("tinyengine"))
    assert CostModel.of(load_profile(profile_file)).fingerprint == shipped.fingerprint
    monkeypatch.chdir(profile_file.parent)
    profile = load_profile("board.yaml")
    assert profile.runtime == str(Path("fits/mine.yaml"))
    assert CostModel.of(profile).runtime == load_runtime("tinyengine")
    assert profile.with_limits(latency_ms=5).runtime == profile.runtime


def test_absolute_path(profile_file, runtime_file, tmp_path):
    other = tmp_path / "elsewhere" / "board.yaml"
    other.parent.mkdir()
    other.write_text(yaml.safe_dump(PROFILE | {"runtime": str(runtime_file)}))
    assert load_profile(other).runtime == str(runtime_file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            "expected a runtime file, as mcu-nas calibrate writes it, but there is none; shipped",
        ),
        ("- a", "expected fields and their values"),
        ("description: x\n", "memory: field required"),
        (b"\xff\xfe", "expected a readable text file"),
    ],
)
def test_wrong_files_are_named_on_one_line(profile_file, runtime_file, content, message):
    runtime_file.unlink()
    if content is not None:
        runtime_file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for load in (lambda: load_runtime(runtime_file), lambda: load_profile(profile_file)):
        with pytest.raises(ValueError) as error:
            load()
        assert message in str(error.value)
        assert str(runtime_file) in str(error.value)
        assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{profile_file}: runtime: ")
