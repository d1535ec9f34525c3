from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.data.images import Normalisation
from mcu_nas_moo.networks.torch_module import SubnetModule
from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.spaces.subnet_file import SubnetFile, write_subnet
from mcu_nas_moo.training.subnet.weights import RetrainedSubnet

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def subnet():
    space = load_space("mbconv-block")
    genes = dict(space.decode(space.smallest)[0].values)
    return SubnetFile(name="tiny", space=space.name, genes=genes, classes=2)


@pytest.fixture
def here(subnet, tmp_path, monkeypatch):
    """A current folder with a subnet file and retrained weights where export looks for them."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    module = SubnetModule(subnet.layers()).eval()
    normalise = Normalisation((120.0,) * 3, (60.0,) * 3)
    retrained = RetrainedSubnet(subnet, module, normalise, ("blue", "red"), None, {})
    retrained.save(tmp_path / "deploy" / "tiny" / "retrained" / "weights.safetensors")
    write_subnet(subnet, tmp_path / "tiny.yaml")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def test_export_shows_and_writes_the_report(here, image_folder):
    result = run("tiny.yaml", "--data", image_folder, "--calibration-images", 40)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 100 for line in result.output.splitlines())
    assert "tiny: retrained weights, ranges from calibration images, on 40 test" in result.output
    assert "files: deploy/tiny/export\nNext: mcu-nas firmware tiny.yaml\n" in result.output
    for network in ("torch", "float.onnx", "int8.onnx"):
        assert len(re.findall(rf"^ *{network} .*%", result.output, re.MULTILINE)) == 1
    assert sorted(path.name for path in (here / "deploy/tiny/export").iterdir()) == [
        "float.onnx",
        "int8.onnx",
        "report.json",
    ]


def test_other_folder_and_weights(here, image_folder):
    weights = here / "deploy/tiny/retrained/weights.safetensors"
    result = run(
        "tiny.yaml", "--data", image_folder, "--calibration-images", 40, "--out", "there",
        "--subnet-weights", weights,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Next: mcu-nas firmware tiny.yaml --out there\n" in result.output
    assert (here / "there/export/int8.onnx").is_file()
    assert not (here / "deploy/tiny/export").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["tiny.yaml", "--calibration-images", "8"], "8 calibration images are too few"),
        (["tiny.yaml"], "too few for 256 calibration images"),
        (["tiny.yaml", "--shared", "--calibration-images", "40"], "the images have 2"),
        (
            ["tiny.yaml", "--supernet", "shipped", "--calibration-images", "40"],
            "give --supernet of one that was trained on these images, or retrain them",
        ),
        (["tiny.yaml", "--supernet", "gone", "--calibration-images", "40"], "gone is missing"),
        (["tiny.yaml", "--shared", "--subnet-weights", "a"], "and --supernet exclude each other"),
        (
            ["tiny.yaml", "--subnet-weights", "gone", "--calibration-images", "40"],
            "no retrained weights",
        ),
        (["gone.yaml"], "no subnet file gone.yaml"),
    ],
)
def test_bad_input_is_answered_in_one_line(here, image_folder, options, message):
    before = sorted(here.rglob("*"))
    result = run(*options, "--data", image_folder)
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
    assert message in result.output
    assert sorted(here.rglob("*")) == before


def test_a_file_where_the_export_goes(here, image_folder):
    (here / "ro").mkdir()
    (here / "ro" / "export").write_text("mine")
    result = run("tiny.yaml", "--data", image_folder, "--out", "ro")
    assert result.exit_code == 2
    assert "ro/export is a file; remove it, or choose another --out" in result.output
    assert (here / "ro" / "export").read_text() == "mine"


def test_seeds_are_not_negative(here, image_folder):
    result = run("tiny.yaml", "--data", image_folder, "--seed", -1)
    assert result.exit_code == 2
    assert "--seed" in result.output


def test_missing_images(here):
    result = run("tiny.yaml", "--data", "nowhere")
    assert result.exit_code == 2
    assert "no folder nowhere/train" in result.output


def test_missing_packages_name_the_install_command(here, image_folder, monkeypatch):
    result = run("tiny.yaml", "--data", image_folder, "--tflite")
    if importlib.util.find_spec("litert_torch") is None:
        assert result.exit_code == 2
        assert "pip install 'mcu-nas-moo[tflite]'" in result.output
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    result = run("tiny.yaml", "--data", image_folder)
    assert result.exit_code == 2
    assert "pip install 'mcu-nas-moo[export]'" in result.output


def test_shared_is_the_old_name_of_the_shipped_supernet(here, subnet, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(10):
        folder = tmp_path / "ten" / "train" / str(number)
        folder.mkdir(parents=True)
        for picture in range(8):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{picture}.png")
    write_subnet(subnet.model_copy(update={"classes": 10}), here / "tiny.yaml")
    written = []
    for options in (["--shared"], ["--supernet", "shipped"]):
        result = run("tiny.yaml", "--data", "ten", "--calibration-images", 40, *options)
        assert result.exit_code == 0, result.output
        assert "tiny: shared weights" in result.output
        written.append((here / "deploy/tiny/export/int8.onnx").read_bytes())
    assert written[0] == written[1]
