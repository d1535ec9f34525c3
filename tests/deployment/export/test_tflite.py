from __future__ import annotations

import numpy as np
import pytest
import torch

from mcu_nas_moo.deployment.export import tflite
from mcu_nas_moo.deployment.export.subnet_export import ExportSettings, export_subnet
from mcu_nas_moo.deployment.folder import DeploymentFolder


def test_missing_packages_are_known_before_anything_is_done(
    retrained, image_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(tflite, "_PACKAGES", ("no_such_package",))
    folder = DeploymentFolder(tmp_path / "small")
    with pytest.raises(ValueError, match=r"no_such_package.*pip install 'mcu-nas-moo\[tflite\]'"):
        export_subnet(retrained.subnet, image_folder, folder, ExportSettings(tflite=True))
    assert not folder.root.exists()


def test_both_files_compute_what_torch_does(retrained, inputs, tmp_path):
    for package in tflite._PACKAGES:
        pytest.importorskip(package)
    paths = tmp_path / "float.tflite", tmp_path / "int8.tflite"
    floats, ints = tflite.write_tflite(retrained.module, inputs[:40], inputs, *paths)
    with torch.inference_mode():
        truth = retrained.module(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(floats, truth, atol=1e-4)
    assert 0 < np.abs(ints - truth).mean() < 0.05 * np.ptp(truth)
    float_size, int8_size = (path.stat().st_size for path in paths)
    assert int8_size < float_size
    interpreter = tflite._interpreter(paths[1])
    for (details,) in (interpreter.get_input_details(), interpreter.get_output_details()):
        assert details["dtype"] == np.int8


def test_report_lists_them(retrained, image_folder, tmp_path):
    for package in tflite._PACKAGES:
        pytest.importorskip(package)
    folder = DeploymentFolder(tmp_path / "small")
    retrained.save(folder.weights)
    settings = ExportSettings(calibration_images=32, tflite=True)
    report = export_subnet(retrained.subnet, image_folder, folder, settings)
    assert [outcome.network for outcome in report.outcomes] == [
        "torch", "float.onnx", "int8.onnx", "float.tflite", "int8.tflite",
    ]  # fmt: skip
    assert {"float.tflite", "int8.tflite"} < set(report.files)
    assert "litert-torch" in report.versions
