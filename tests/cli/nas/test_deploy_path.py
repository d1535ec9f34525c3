"""The whole path as a user goes it: search, pick, retrain, export, firmware, verify."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.deployment.emulation.verification import Verification

CLASSES = ("ant", "bee", "wasp")


@pytest.fixture
def images(tmp_path):
    """Three classes, where the supernet has ten, told apart by their colour."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 46), ("test", 10)):
        for number, name in enumerate(CLASSES):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for image in range(count):
                pixels = rng.integers(0, 120, (32, 32, 3)) + np.array([40, 20, -30]) * number
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
                    folder / f"{image}.png"
                )
    return "images"


def run(*arguments):
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 100 for line in result.output.splitlines() if "│" in line)
    return result.output


def test_a_subnet_goes_from_the_search_to_verified_firmware(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("search", "--profile", "cortex-m4", "--algo", "random", "--budget", "40", "--out", "found")
    run("front", "pick", "--from", "found", "--best", "latency", "--out", "chosen.json")
    name = json.loads((tmp_path / "chosen.json").read_text())["name"]
    folder = tmp_path / "deploy" / name

    few = ("--epochs", "1", "--qat-epochs", "1", "--batch-size", "16", "--no-distil")
    run("retrain", "chosen.json", "--data", images, *few)
    run("export", "chosen.json", "--data", images, "--calibration-images", "64")
    exported = json.loads((folder / "export" / "report.json").read_text())
    assert exported["calibration"]["ranges"] == "quantisation-aware training"

    for profile in ("cortex-m4", "cortex-m33"):
        run("firmware", "chosen.json", "--profile", profile)
        output = run("verify", "chosen.json", "--profile", profile, "--data", images, "-n", "30")
        text = (folder / "verified" / f"{profile}.json").read_text()
        verified = Verification.model_validate_json(text)
        assert verified.problems == []
        assert verified.execution.outputs.values == 90
        accuracy = f"{100 * verified.execution.outputs.accuracy:.1f}"
        assert accuracy.rstrip("0").rstrip(".") in output
    assert not list(tmp_path.rglob(".*partial*"))


SMALL = """kind: mbconv
granularity: stage
classes: 3
resolution: [12, 16]
stem: [4, 8]
stages: [{stride: 2, depth: [1, 2], kernel: [3], width: [4, 8], expansion: [1, 2]}]
head: [8, 16]
"""


def test_pictures_of_ones_own_go_from_the_supernet_to_verified_firmware(
    images, tmp_path, monkeypatch
):
    """With shared weights alone: nothing is retrained, and each command is told by the last."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "small.yaml").write_text(SMALL)
    weights, few = "supernet/supernet.safetensors", ("--epochs", "3", "--batch-size", "16")
    told = run("supernet", "train", "--data", images, "--space", "small.yaml", *few)
    assert f"Next: mcu-nas supernet label --data {images} --supernet {weights}" in told
    label = ("--data", images, "--supernet", weights, "--subnets", "20", "--out", "labels.csv")
    told = run("supernet", "label", *label)
    assert f"Next: mcu-nas predictor fit --labels labels.csv --supernet {weights}" in told
    run(
        "predictor",
        "fit",
        "--labels",
        "labels.csv",
        "--supernet",
        weights,
        "--out",
        "p.safetensors",
    )

    search = ("--space", "small.yaml", "--profile", "cortex-m4", "--algo", "random")
    ways = {
        "predicted": ("--accuracy", "p.safetensors", "--budget", "20"),
        "measured": ("--supernet", weights, "--data", images, "--budget", "5"),
    }
    for folder, options in ways.items():
        run("search", *search, *options, "--out", folder)
    told = run("front", "pick", "--from", "predicted", "--best", "error", "--out", "chosen.yaml")
    assert "mcu-nas export chosen.yaml --data DIR --supernet FILE" in told
    export = ("--data", images, "--supernet", weights, "--calibration-images", "64")
    told = run("export", "chosen.yaml", *export)
    assert "shared weights" in told
    assert "Next: mcu-nas firmware chosen.yaml\n" in told
    told = run("firmware", "chosen.yaml")
    assert "Next: mcu-nas verify chosen.yaml --profile cortex-m4 --data DIR" in told
    run("verify", "chosen.yaml", "--profile", "cortex-m4", "--data", images, "-n", "10")
    (verified,) = tmp_path.glob("deploy/*/verified/cortex-m4.json")
    assert Verification.model_validate_json(verified.read_text()).problems == []
