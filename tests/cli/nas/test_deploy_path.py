"""The whole path as a user goes it: search, pick, retrain, export, firmware, verify."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("emx_onnx_cgen")

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
    run("search", "--profile", "cortex-m4", "--algo", "random", "--trials", "40", "--out", "found")
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
