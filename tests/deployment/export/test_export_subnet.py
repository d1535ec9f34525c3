from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.data.image_folders import read_images
from mcu_nas_moo.data.images import calibration_images, resize, split_validation
from mcu_nas_moo.data.preprocessing import pixels_at
from mcu_nas_moo.deployment.export import host_arithmetic
from mcu_nas_moo.deployment.export.export_report import ExportReport
from mcu_nas_moo.deployment.export.int8_model import read_int8_model, session
from mcu_nas_moo.deployment.export.subnet_export import ExportSettings, check_float, export_subnet
from mcu_nas_moo.deployment.folder import DeploymentFolder
from mcu_nas_moo.training.supernet.supernet import recalibrate

SETTINGS = ExportSettings(calibration_images=32, test_images=1000)


@pytest.fixture
def folder(tmp_path, retrained):
    """A deployment folder with retrained weights."""
    folder = DeploymentFolder(tmp_path / "small")
    retrained.save(folder.weights)
    return folder


def outcome(report, network):
    (found,) = [outcome for outcome in report.outcomes if outcome.network == network]
    return found


def test_report_is_what_the_files_compute(folder, retrained, image_folder):
    report = export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    assert sorted(path.name for path in folder.export.iterdir()) == [
        "float.onnx",
        "int8.onnx",
        "report.json",
    ]
    text = (folder.export / "report.json").read_text()
    assert ExportReport.model_validate_json(text) == report

    # All test images are used, in some order, so the figures are those of the whole split.
    images = read_images(image_folder / "test")
    assert report.test.images == len(images) == 40
    assert report.test.split == "test"
    resolution = retrained.module.layers[0].in_size[0]
    pixels, targets = pixels_at(images, resolution), images.targets.numpy()
    floats = retrained.normalise(torch.from_numpy(pixels)).contiguous()
    with torch.inference_mode():
        truth = retrained.module(floats).numpy()
    (float_logits,) = session(onnx.load(folder.export / "float.onnx")).run(
        None, {"image": floats.numpy()}
    )
    int8 = read_int8_model(folder.int8_onnx)
    outputs = int8.run(int8.preprocessing(pixels)).astype(float)
    int8_logits = int8.output_scale * (outputs - int8.output_zero_point)
    for network, logits in (("float.onnx", float_logits), ("int8.onnx", int8_logits)):
        found = outcome(report, network)
        assert found.accuracy == (logits.argmax(1) == targets).mean()
        assert found.same_class == (logits.argmax(1) == truth.argmax(1)).mean()
        off = np.abs(logits - truth)
        # Sums of floats depend on the batch a little.
        assert found.mean_difference == pytest.approx(off.mean(), rel=1e-3, abs=1e-6)
        assert found.largest_difference == pytest.approx(off.max(), rel=1e-3, abs=1e-5)
    assert outcome(report, "torch").accuracy == (truth.argmax(1) == targets).mean()
    assert outcome(report, "float.onnx").largest_difference < 1e-4

    for name in ("float.onnx", "int8.onnx"):
        content = (folder.export / name).read_bytes()
        assert report.files[name].bytes == len(content)
        assert report.files[name].sha256 == hashlib.sha256(content).hexdigest()
    assert report.input.scale == int8.preprocessing.scale
    assert report.weights == int8.weights == "retrained"
    assert report.training == {"epochs": 1}
    assert report.operators["QLinearConv"] == sum(
        node.op_type == "QLinearConv" for node in int8.model.graph.node
    )
    assert {"onnx", "onnxruntime", "torch", "python"} <= set(report.versions)


def test_input_range_is_that_of_all_possible_pixels(folder, retrained, image_folder):
    report = export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    pairs = list(zip(retrained.normalise.mean, retrained.normalise.std, strict=True))
    low = min((0 - mean) / std for mean, std in pairs)
    high = max((255 - mean) / std for mean, std in pairs)
    assert report.input.scale == pytest.approx((high - low) / 255, rel=1e-6)


def test_ranges_of_the_training_are_used_and_compared(folder, retrained, image_folder, values):
    ranges = {layer.name: (-4.0, 7.0) for layer in retrained.module.layers}
    replace(retrained, ranges=ranges).save(folder.weights)
    report = export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    assert report.calibration.ranges == "quantisation-aware training"
    assert [o.network for o in report.outcomes] == [
        "torch",
        "float.onnx",
        "int8.onnx",
        "int8, ranges of images",
    ]
    assert report.output.scale == pytest.approx(11 / 255)
    # What was tried for comparison is not left behind.
    assert set(report.files) == {"float.onnx", "int8.onnx"}
    assert len(list(folder.export.iterdir())) == 3


def test_calibration_images_are_training_images(folder, retrained, image_folder, monkeypatch):
    from mcu_nas_moo.deployment.export import subnet_export

    seen = []
    real = subnet_export.quantise
    monkeypatch.setattr(
        subnet_export, "quantise", lambda *a, **k: (seen.append(a[1]), real(*a, **k))[1]
    )
    export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    (inputs,) = seen
    assert len(inputs) == 32
    train, _ = split_validation(read_images(image_folder / "train"))
    resolution = retrained.module.layers[0].in_size[0]
    allowed = retrained.normalise(torch.from_numpy(pixels_at(train, resolution))).numpy()
    for image in inputs:
        assert np.isclose(allowed, image, atol=1e-5).all(axis=(1, 2, 3)).any()


def test_without_test_split_the_validation_images_serve(folder, retrained, image_folder, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(image_folder / "train", data / "train")
    report = export_subnet(retrained.subnet, data, folder, SETTINGS)
    assert (report.test.split, report.test.images) == ("validation", 12)
    assert any("no test split" in warning for warning in report.warnings)


def test_a_processor_that_saturates_is_reported(folder, retrained, image_folder, monkeypatch):
    monkeypatch.setattr(host_arithmetic, "inexact_operators", lambda: ("QGemm",))
    report = export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    assert any("saturates in QGemm" in warning for warning in report.warnings)


def test_same_seed_gives_the_same_files(folder, retrained, image_folder, tmp_path):
    other = DeploymentFolder(tmp_path / "other")
    for place in (folder, other):
        export_subnet(retrained.subnet, image_folder, place, SETTINGS, folder.weights)
    for name in ("float.onnx", "int8.onnx", "report.json"):
        assert (folder.export / name).read_bytes() == (other.export / name).read_bytes()


def failing(folder, retrained, image_folder, message, settings=SETTINGS, **options):
    before = sorted(folder.root.rglob("*"))
    with pytest.raises(ValueError, match=message):
        export_subnet(retrained.subnet, image_folder, folder, settings, **options)
    assert sorted(folder.root.rglob("*")) == before
    assert not folder.export.exists()


def test_too_few_calibration_images(folder, retrained, image_folder):
    few = ExportSettings(calibration_images=31)
    failing(folder, retrained, image_folder, "31 calibration images are too few", few)
    many = ExportSettings(calibration_images=109)
    failing(folder, retrained, image_folder, "has 108 images for training, too few for 109", many)


def test_weights_of_other_classes(folder, retrained, image_folder):
    replace(retrained, class_names=("green", "red")).save(folder.weights)
    failing(folder, retrained, image_folder, "classes blue, red, the weights .* green, red")


def test_damaged_weights(folder, retrained, image_folder):
    folder.weights.write_bytes(folder.weights.read_bytes()[:-100])
    failing(folder, retrained, image_folder, "weights.safetensors is damaged")


def test_shared_weights_of_another_number_of_classes(folder, retrained, image_folder):
    failing(
        folder,
        retrained,
        image_folder,
        "10 classes apart, the images have 2",
        supernet=Path("shipped"),
    )


def test_weights_and_shared_exclude_each_other(folder, retrained, image_folder):
    options = {"weights": folder.weights, "supernet": Path("shipped")}
    failing(folder, retrained, image_folder, "exclude each other", **options)


def test_failure_on_the_way_leaves_nothing(folder, retrained, image_folder, monkeypatch):
    def fail(*_, **__):
        raise ValueError("cannot be quantised")

    monkeypatch.setattr("mcu_nas_moo.deployment.export.subnet_export.quantise", fail)
    failing(folder, retrained, image_folder, "cannot be quantised")


def test_failure_keeps_the_earlier_export(folder, retrained, image_folder, monkeypatch):
    export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    (folder.export / "int8.tflite").write_bytes(b"of an earlier export")
    (folder.export / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in folder.export.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("mcu_nas_moo.deployment.export.subnet_export.to_onnx", lambda module: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    assert {path: path.read_bytes() for path in folder.export.iterdir()} == before
    export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    names = {path.name for path in folder.export.iterdir()}
    assert names == {"float.onnx", "int8.onnx", "report.json", "notes.txt"}
    assert sorted(path.name for path in folder.root.iterdir()) == ["export", "retrained"]


def test_float_network_that_computes_something_else_is_noticed():
    truth = np.array([[1.0, 2.0]])
    check_float(truth + 1e-5, truth)
    for wrong in (truth + 0.01, truth * np.nan):
        with pytest.raises(ValueError, match="differs from torch"):
            check_float(wrong, truth)


def test_report_is_plain_json(folder, retrained, image_folder):
    export_subnet(retrained.subnet, image_folder, folder, SETTINGS)
    values = json.loads((folder.export / "report.json").read_text())
    assert values["calibration"] == {"images": 32, "ranges": "calibration images"}
    assert values["class_names"] == ["blue", "red"]


def test_the_weights_of_a_supernet_of_ones_own(subnet, supernet, image_folder, tmp_path):
    supernet.save(tmp_path / "own.safetensors")
    folder = DeploymentFolder(tmp_path / "chosen")
    folder.weights.parent.mkdir(parents=True)
    folder.weights.write_bytes(b"retrained, and not asked for")
    own = tmp_path / "own.safetensors"
    report = export_subnet(subnet, image_folder, folder, SETTINGS, supernet=own)
    assert (report.weights, report.class_names) == ("shared", ("blue", "red"))
    assert report.training["supernet"] == supernet.fingerprint
    model = read_int8_model(folder.int8_onnx)
    assert model.class_names == ("blue", "red")
    assert model.subnet.classes == 2

    # As the supernet itself answers, its batch norms set by the same pictures.
    train, _ = split_validation(read_images(image_folder / "train"))
    module = supernet.supernet.subnet(subnet.layers())
    recalibrate(module, calibration_images(train), supernet.normalise)
    images = read_images(image_folder / "test")
    with torch.no_grad():
        logits = module.eval()(resize(supernet.normalise(images.pixels), 16))
    right = (logits.argmax(1) == images.targets).float().mean().item()
    assert outcome(report, "torch").accuracy == pytest.approx(right)
    assert right > 0.9  # the two classes differ in colour
    assert outcome(report, "int8.onnx").accuracy == pytest.approx(right, abs=0.05)


def test_a_supernet_of_other_pictures(subnet, supernet, image_folder, tmp_path):
    named = replace(supernet, training=supernet.training | {"class_names": ["cat", "dog"]})
    named.save(tmp_path / "own.safetensors")
    folder = DeploymentFolder(tmp_path / "chosen")
    for path, message in (
        (tmp_path / "own.safetensors", "classes blue, red, the supernet tells cat, dog apart"),
        (tmp_path / "gone.safetensors", "gone.safetensors is missing"),
        (Path("shipped"), "the supernet tells 10 classes apart, the images have 2"),
    ):
        with pytest.raises(InputError, match=message):
            export_subnet(subnet, image_folder, folder, SETTINGS, supernet=path)
    assert not folder.export.exists()
