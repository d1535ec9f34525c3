"""The commands ``mcu-nas profile``."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.hardware import list_devices, list_runtimes, load_device
from mcu_nas_moo.hardware.device import device_table
from mcu_nas_moo.hardware.profile import list_profiles, load_profile
from mcu_nas_moo.hardware.profile_template import DEFAULT_DEVICE


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(main, ["profile", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    return result.output


def row(output, name):
    """The cells of the table row that starts with ``name``."""
    return next(line.split() for line in output.splitlines() if line.split()[:1] == [name])


def test_list_shows_each_profile_with_its_limits():
    output = run("list")
    for name in list_profiles():
        profile = load_profile(name)
        limits = [f"{limit:g}" for limit in profile.limits.model_dump().values()]
        cells = row(output, name)
        assert cells[1:] == [profile.device.chip, profile.device.core, profile.runtime, *limits]


def test_devices_lists_what_a_profile_can_name():
    output = run("devices")
    for name in list_devices():
        device = load_device(name)
        factor, power = device.cycles_factor, device.active_power_mw
        assert row(output, name)[1:] == [
            device.chip,
            device.core,
            *(f"{value:g}" for value in (device.clock_mhz, device.flash_kib, device.sram_kib)),
            *(f"{factor.value:g}", factor.basis[0], f"{power.value:g}", power.basis[0]),
        ]
    for name in list_runtimes():
        assert row(output, name)


@pytest.mark.parametrize("arguments", [["list"], ["devices"], ["show", "cortex-m0plus"]])
def test_output_fits_100_columns(arguments):
    assert max(map(len, run(*arguments).splitlines())) <= 100


def test_help_names_the_default_device():
    assert f"[default: {DEFAULT_DEVICE}]" in run("new", "--help")


def test_devices_in_markdown():
    assert run("devices", "--markdown") == device_table()


@pytest.mark.parametrize("name", list_profiles())
def test_show_has_every_figure_and_source(name):
    profile = load_profile(name)
    words = " ".join(run("show", name).split())
    for text in (
        profile.description,
        profile.device.board,
        profile.device.cycles_factor.source,
        profile.device.active_power_mw.source,
        profile.runtime,
    ):
        # Long lines are broken at blanks and hyphens.
        assert text.replace(" ", "").replace("-", "") in words.replace(" ", "").replace("-", "")
    assert f"latency {profile.limits.latency_ms:g} ms" in words


def test_new_then_show(tmp_path):
    path = tmp_path / "doorbell.yaml"
    assert str(path) in run("new", path, "--device", "ek-ra8d1", "--runtime", "tflm-cmsis-nn")
    profile = load_profile(path)
    assert profile.device == load_device("ek-ra8d1")
    assert profile.runtime == "tflm-cmsis-nn"
    assert "EK-RA8D1" in run("show", path)


def test_new_from_a_profile(tmp_path):
    path = tmp_path / "mine.yaml"
    run("new", path, "--from", "cortex-m33")
    assert load_profile(path).limits == load_profile("cortex-m33").limits


def test_new_writes_over_a_file_only_by_force(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("keep me")
    output = run("new", path, exit_code=2)
    assert "--force" in output
    assert len(output.strip().splitlines()) == 1
    assert path.read_text() == "keep me"
    run("new", path, "--force")
    assert load_profile(path).name == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "cortex-m77"), "did you mean 'cortex-m7'"),
        (("show", "gone.yaml"), "expected a profile file"),
        (("new", "mine"), "ends in .yaml"),
        (("new", "mine.yaml", "--device", "nucleo"), "unknown device 'nucleo'"),
        (("new", "mine.yaml", "--runtime", "gone.yaml"), "expected a runtime file"),
        (("new", "mine.yaml", "--from", "gone"), "unknown profile 'gone'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["profile", *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_starts_without_the_heavy_libraries():
    code = (
        "import sys; from mcu_nas_moo.cli.nas.main import main\n"
        "try: main(['profile', 'devices'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pymoo', 'optuna', 'pandas', 'scipy', 'matplotlib', 'plotly', 'onnx'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
