"""The report on a retraining against figures computed anew."""

import dataclasses
import io
import json

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from rich.console import Console

from mcu_nas_moo.common.json_files import write_json
from mcu_nas_moo.data.images import resize
from mcu_nas_moo.data.preprocessing import normalise, pixels_at
from mcu_nas_moo.deployment.export import retraining_report as reports
from mcu_nas_moo.deployment.export.export_inputs import ExportData
from mcu_nas_moo.deployment.export.quantise import quantise
from mcu_nas_moo.deployment.export.retraining_report import accuracy_table, report_on
from mcu_nas_moo.deployment.export.subnet_export import ExportSettings, export_subnet
from mcu_nas_moo.deployment.folder import DeploymentFolder
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.training.subnet.fake_quantisation import (
    Int8Simulation,
    image_range,
    scale_and_zero_point,
)
from mcu_nas_moo.training.subnet.settings import RetrainingSettings
from mcu_nas_moo.training.subnet.trainer import Retrainer, retrain
from mcu_nas_moo.training.subnet.weights import shared_weights


@pytest.fixture(scope="module")
def trainer(subnet, images, supernet, tmp_path_factory):
    # So short that not every answer is right.
    settings = RetrainingSettings(epochs=1, qat_epochs=1, batch_size=50, learning_rate=1e-4)
    trainer = Retrainer(subnet, images, settings, tmp_path_factory.mktemp("run"), supernet=supernet)
    retrain(trainer)
    return trainer


@pytest.fixture(scope="module")
def report(trainer, supernet):
    return report_on(trainer, supernet)


def share_correct(logits, images):
    return float((np.asarray(logits).argmax(1) == images.targets.numpy()).mean())


def seen(images, statistics):
    return normalise(pixels_at(images, 16), statistics.mean, statistics.std)


def test_float_accuracies_are_those_of_the_networks(trainer, report, supernet, images):
    shared = shared_weights(trainer.subnet, images.train, images.class_names, supernet)
    result = trainer.result()
    networks = {"shared": shared.module, "float": trainer.float_network(), "qat": result.module}
    assert set(report["accuracy"]) == set(networks)
    for split, part in (("validation", images.validation), ("test", images.test())):
        pixels = trainer.normalise(part.pixels)
        for weights, network in networks.items():
            expected = share_correct(network(resize(pixels, 16)).detach(), part)
            assert report["accuracy"][weights]["float"][split] == pytest.approx(expected)


def test_int8_accuracy_is_that_of_onnxruntime(trainer, report, images):
    result, test = trainer.result(), images.test()
    model = quantise(to_onnx(result.module), seen(images.train, result.normalise), result.ranges)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (logits,) = session.run(None, {"image": seen(test, result.normalise)})
    assert report["accuracy"]["qat"]["int8"]["test"] == share_correct(logits, test)
    assert report["int8"] == "onnxruntime"


def test_int8_accuracy_is_that_of_the_exported_network(subnet, images, supernet, tmp_path):
    """Without learnt ranges, so that they depend on the images that calibrate."""
    settings = RetrainingSettings(epochs=1, qat_epochs=0, batch_size=50, learning_rate=1e-4)
    trainer = Retrainer(subnet, images, settings, tmp_path / "retrained", supernet=supernet)
    folder = DeploymentFolder(tmp_path)
    retrain(trainer).save(folder.weights)
    # Darker images to calibrate on: only the known range of pixels makes up for them.
    dark = dataclasses.replace(images.train, pixels=images.train.pixels // 4)
    for train in (images.train, dark):
        calibration = reports.export_calibration(train)
        model = reports.int8_network(trainer.float_network(), None, calibration, trainer.normalise)
        assert quantisation_of_image(model) == pytest.approx(
            scale_and_zero_point(*image_range(trainer.normalise))
        )
    exported = export_subnet(
        subnet, images.root, folder, ExportSettings(calibration_images=len(images.train))
    )
    int8 = next(outcome for outcome in exported.outcomes if outcome.network == "int8.onnx")
    assert report_on(trainer)["accuracy"]["float"]["int8"]["test"] == int8.accuracy


def quantisation_of_image(model):
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    outer = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    return tuple(float(values[name]) for name in outer.input[1:])


@pytest.mark.parametrize("count", [40, 500])
def test_calibration_images_are_those_of_the_export(images, monkeypatch, count):
    monkeypatch.setattr(reports, "ExportSettings", lambda: ExportSettings(count))
    available = min(count, len(images.train))
    exported = ExportData(images.root).samples(available, 10, 0).calibration
    ours = reports.export_calibration(images.train)
    assert torch.equal(ours.pixels, exported.pixels)
    assert torch.equal(ours.targets, exported.targets)


def test_without_onnxruntime_int8_is_simulated_and_says_so(trainer, images, monkeypatch):
    monkeypatch.setattr(reports, "find_spec", lambda _: None)
    report = report_on(trainer)
    assert report["int8"].startswith("simulation in float32")
    assert "shared" not in report["accuracy"]
    result = trainer.result()
    simulation = Int8Simulation(result.module, result.ranges)
    validation = images.validation
    logits = simulation(resize(result.normalise(validation.pixels), 16)).detach()
    found = report["accuracy"]["qat"]["int8"]["validation"]
    assert found == pytest.approx(share_correct(logits, validation))


def test_the_file_and_the_table_hold_the_figures(report, tmp_path):
    write_json(tmp_path / "report.json", report)
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report))
    assert report["images"] == {"train": 108, "validation": 12, "test": 40}
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(accuracy_table(report))
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 100
    for figures in report["accuracy"].values():
        for shares in figures.values():
            for share in shares.values():
                assert f"{share:.2%}" in text
    assert "40" in text
    assert "by onnxruntime" in text


def test_no_test_images_no_figures_for_them(trainer, monkeypatch):
    monkeypatch.setattr(type(trainer.images), "test", lambda _: None)
    report = report_on(trainer)
    assert set(report["images"]) == {"train", "validation"}
    assert set(report["accuracy"]["float"]["int8"]) == {"validation"}
