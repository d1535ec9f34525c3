from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner
from int8_networks import subnet_of, write_int8_model

from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.deployment.firmware.firmware_report import read_report
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.spaces.subnet_file import write_subnet


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """A subnet file in the current folder, and its exported network where commands look for it."""
    monkeypatch.chdir(tmp_path)
    subnet = subnet_of("mbconv-stage", "smallest")
    write_subnet(subnet, tmp_path / "subnet.yaml")
    folder = tmp_path / "deploy" / subnet.name / "export"
    folder.mkdir(parents=True)
    write_int8_model(folder, "mbconv-stage", "smallest")
    return folder.parent


def run(*arguments):
    return CliRunner().invoke(main, ["firmware", *arguments])


def test_a_firmware_is_built_where_the_next_command_finds_it(exported):
    result = run("subnet.yaml", "--profile", "cortex-m4")
    assert result.exit_code == 0, result.output
    report = read_report(exported / "firmware" / "cortex-m4")
    assert f"{report.flash_bytes:,}" in result.output
    assert "mcu-nas verify subnet.yaml --profile cortex-m4" in result.output
    assert all(len(line) <= 100 for line in result.output.splitlines() if "│" in line)


def fails(result, *parts, code=2):
    assert result.exit_code == code, result.output
    error = result.output.strip().splitlines()[-1]
    for part in ("Error: ", *parts):
        assert part in error


def test_a_subnet_that_was_not_exported_names_the_command(exported):
    (exported / "export" / "int8.onnx").unlink()
    fails(run("subnet.yaml"), "int8.onnx", "mcu-nas export")
    assert not (exported / "firmware").exists()


def test_another_subnet_in_the_folder_is_noticed(exported):
    other = subnet_of("mbconv-stage", 1).model_copy(update={"name": "other"})
    write_subnet(other, exported.parent / "other.yaml")
    fails(
        run(str(exported.parent / "other.yaml"), "--out", str(exported)),
        "is the network mbconv-stage-smallest, not that of",
        "mcu-nas export",
    )


def test_a_damaged_model_is_named(exported):
    path = exported / "export" / "int8.onnx"
    path.write_bytes(path.read_bytes()[:3000])
    fails(run("subnet.yaml"), "int8.onnx", "mcu-nas export")
    assert not (exported / "firmware").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["missing.yaml"], "missing.yaml"),
        (["subnet.yaml", "--profile", "cortex-m99"], "cortex-m99"),
        (["subnet.yaml", "--memory-map", "none.yaml"], "none.yaml"),
    ],
)
def test_bad_input_ends_with_one_line(exported, arguments, part):
    fails(run(*arguments), part)


def test_a_network_too_large_for_the_chip_ends_with_code_1(exported, tmp_path):
    profile = load_profile("cortex-m7")
    text = (
        f"device: {profile.device.model_dump(mode='json') | {'sram_kib': 4.0}}\n"
        f"runtime: {profile.runtime}\n"
        "limits: {flash_kib: 256, sram_kib: 4, latency_ms: 30}\n"
    )
    (tmp_path / "tiny.yaml").write_text(text)
    fails(run("subnet.yaml", "--profile", "tiny.yaml"), "RAM by", "fullest in layer", code=1)
    assert not list((exported / "firmware").glob("*"))


def test_a_profile_whose_name_is_a_path_has_its_folder_beside_the_others(exported, tmp_path):
    profile = load_profile("cortex-m7").model_dump(mode="json") | {"name": "../export"}
    profile["device"]["chip"] = '*/ evil ${EVIL} */ "; \\'
    (tmp_path / "evil.yaml").write_text(json.dumps(profile))
    (tmp_path / "map.yaml").write_text(
        "{flash_origin: 0x08000000, ram_origin: 0x20000000, ram_kib: 128}"
    )
    result = run("subnet.yaml", "--profile", "evil.yaml", "--memory-map", "map.yaml")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (exported / "firmware").iterdir()] == ["%2E.%2Fexport"]
    assert (exported / "export" / "int8.onnx").is_file()


def test_limits_of_the_profile_are_told_though_the_chip_has_more(exported, tmp_path):
    profile = load_profile("cortex-m7").model_dump(mode="json")
    profile["limits"] |= {"flash_kib": 16, "sram_kib": 5}
    (tmp_path / "tight.yaml").write_text(json.dumps(profile))
    result = run("subnet.yaml", "--profile", "tight.yaml")
    assert result.exit_code == 0, result.output
    for memory in ("Flash", "RAM"):
        assert f"{memory} exceeds the limit of cortex-m7 by" in result.output


def test_a_compiler_that_fails_ends_with_code_1(exported, tmp_path, monkeypatch):
    compiler = tmp_path / "bin" / "arm-none-eabi-gcc"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\nif [ $1 = -dumpfullversion ]; then echo 1; else exit 1; fi\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{compiler.parent}:/usr/bin:/bin")
    fails(run("subnet.yaml", "--toolchain", "gcc"), "gcc 1", code=1)
    compiler.write_text("#!/bin/sh\nexit 1\n")
    fails(run("subnet.yaml", "--toolchain", "gcc"), "does not run")
    assert not (exported / "firmware").exists()


def test_the_profile_is_the_one_that_the_subnet_was_searched_for(exported, tmp_path):
    subnet = subnet_of("mbconv-stage", "smallest").model_copy(update={"profile": "cortex-m33"})
    write_subnet(subnet, tmp_path / "subnet.yaml")
    assert run("subnet.yaml").exit_code == 0
    assert read_report(exported / "firmware" / "cortex-m33").core == "cortex-m33"


@pytest.mark.parametrize("package", ["onnxruntime", "elftools", "jinja2"])
def test_missing_packages_name_one_command(exported, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    fails(run("subnet.yaml"), f"needs {package}", "pip install 'mcu-nas-moo[firmware]'")
