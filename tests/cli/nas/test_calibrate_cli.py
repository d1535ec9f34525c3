"""The command mcu-nas calibrate, from the shell's side."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mcu_nas_moo import estimate_cost
from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.hardware import list_runtimes, load_runtime
from mcu_nas_moo.hardware.calibration.measurements import shipped_networks
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.hardware.runtime import shipped_runtimes

OWN = """network,latency_ms
mobilenetv1_a025_96x3_5,61
mlperf_ic,52
st_mnist_v1_28_tfs,6.6
fdmobilenet_025_128_tfs,35
squeezenet_v11_128_v100,420
"""
IN_MICROSECONDS = """network,latency_ms
mobilenetv1_a025_96x3_5,61000
mlperf_ic,52000
st_mnist_v1_28_tfs,6600
"""


def run(*arguments):
    return CliRunner().invoke(main, ["calibrate", *map(str, arguments)])


def test_remakes_the_shipped_runtime_files_byte_for_byte(tmp_path):
    result = run("--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert {file.stem for file in tmp_path.iterdir()} == set(list_runtimes())
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (shipped_runtimes() / file.name).read_bytes()
    assert all(name in result.output for name in list_runtimes())
    assert max(map(len, result.output.splitlines()[:-1])) <= 100
    assert "…" not in result.output


def test_the_documentation_shows_what_it_prints(tmp_path):
    printed = run("--out", tmp_path).output.splitlines()[:-1]
    shown = (Path(__file__).parents[3] / "docs" / "cost-model.md").read_text()
    for line in printed:
        assert line.rstrip() in shown


def test_the_documentation_shows_the_devices():
    printed = CliRunner().invoke(main, ["profile", "devices"]).output.partition("Sources:")[0]
    shown = (Path(__file__).parents[3] / "docs" / "cost-model.md").read_text()
    for line in printed.splitlines():
        assert line.rstrip() in shown


def test_draws_predictions_against_measurements(tmp_path):
    picture = tmp_path / "fit.png"
    assert run("--out", tmp_path / "runtimes", "--plot", picture).exit_code == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_own_board(tmp_path):
    table, out = tmp_path / "my.csv", tmp_path / "my-runtime.yaml"
    table.write_text(OWN)
    result = run(table, "--base", "stm32cube-ai-10", "--out", out)
    assert result.exit_code == 0, result.output
    assert "all cycles by one factor" in result.output
    assert "Kept as in the base" in result.output
    base, fitted = load_runtime("stm32cube-ai-10"), load_runtime(out)
    assert fitted.flash == base.flash
    assert fitted.latency.cycles.conv_mac > base.latency.cycles.conv_mac
    # A profile refers to it by its path.
    profile = tmp_path / "profile.yaml"
    arguments = ["profile", "new", str(profile), "--runtime", str(out)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert load_runtime(load_profile(profile).runtime) == fitted
    # What it costs there is what was measured, within the error of the fit.
    measured = {line.split(",")[0]: float(line.split(",")[1]) for line in OWN.split()[1:]}
    for name, latency_ms in measured.items():
        estimate = estimate_cost(shipped_networks()[name], load_profile(profile))
        assert estimate.latency_ms == pytest.approx(latency_ms, rel=0.25)
        assert any("figures of my.csv" in note for note in estimate.notes)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (None, (), "there is no such table"),
        ("network;latency_ms\nmlperf_ic;4\n", (), "expected the column network"),
        (OWN.replace(",52", ",-52"), (), "line 3: latency_ms must be a number above 0"),
        (OWN.replace(",52", ",fast"), (), "line 3: latency_ms must be a number above 0"),
        ("network,latency_ms\nmlperf_ic,\n", (), "empty in all rows"),
        ("network,latency_ms\n", (), "no rows"),
        (OWN.replace("mlperf_ic", "mlperf"), (), "unknown"),
        (OWN.replace("mlperf_ic", "missing.onnx"), (), "missing.onnx"),
        ("\n".join(OWN.splitlines()[:3]) + "\n", (), "at least 3 networks"),
        (IN_MICROSECONDS, (), "another unit"),
        (OWN.replace(",52", ","), (), "line 3: the row holds no measurement"),
        (OWN.replace(",52", ",0.052"), (), "line 3: latency_ms of mlperf_ic is"),
        (OWN, ("--base", "tensorflow"), "unknown runtime"),
    ],
)
def test_bad_input(tmp_path, table, options, message):
    file, out = tmp_path / "my.csv", tmp_path / "out" / "mine.yaml"
    if table is not None:
        file.write_text(table)
    result = run(file, "--base", "stm32cube-ai-10", "--out", out, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not out.parent.exists()


@pytest.mark.parametrize("name", ["my.csv", "my-runtime", "other.yaml"])
def test_files_that_are_not_its_own_are_never_overwritten(tmp_path, name):
    table, out = tmp_path / "my.csv", tmp_path / name
    table.write_text(OWN)
    (tmp_path / "other.yaml").write_text("name: a profile\n")
    before = {file: file.read_text() for file in tmp_path.iterdir()}
    result = run(table, "--base", "tinyengine", "--out", out)
    assert result.exit_code == 2
    assert {file: file.read_text() for file in tmp_path.iterdir()} == before


def test_its_own_files_are_written_anew(tmp_path):
    table, out = tmp_path / "my.csv", tmp_path / "mine.yaml"
    table.write_text(OWN)
    assert run(table, "--base", "tinyengine", "--out", out).exit_code == 0
    assert run(table, "--base", "stm32cube-ai-7.3", "--out", out).exit_code == 0
    assert "STM32Cube.AI" in load_runtime(out).description


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--base", "tinyengine"), "name its CSV file"),
        (("my.csv", "--base", "tinyengine"), "--out"),
        (("my.csv", "--out", "x.yaml"), "--base"),
    ],
)
def test_options_that_do_not_go_together(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
