"""Whole networks against published figures, and the time it takes to read them."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx_files import (
    mobilenet_v1,
    save,
)

from mcu_nas_moo.networks.onnx_reader import read_onnx


def test_mobilenet_v1(tmp_path):
    nodes, constants, macs, parameters = mobilenet_v1()
    table = read_onnx(save(tmp_path / "n.onnx", nodes, (1, 3, 96, 96), constants))
    assert len(table.layers()) == 1 + 13 * 2 + 2
    assert table.macs.sum() == macs
    assert (table.weights + table.biases).sum() == parameters
    # The published figures of MobileNetV1 0.25 at 128 pixels with 1000 classes: 14 M MACs and
    # 0.47 M parameters (tensorflow/models, research/slim/nets/mobilenet_v1.md).
    nodes, constants, *_ = mobilenet_v1(0.25, 128, 1000)
    table = read_onnx(save(tmp_path / "m.onnx", nodes, (1, 3, 128, 128), constants))
    assert round(table.macs.sum() / 1e6) == 14
    assert round((table.weights + table.biases).sum() / 1e6, 2) == 0.47


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # Parameters as torchvision counts them. It counts scale and shift of each batch norm and
        # convolutions without bias; folded, there is one bias for each of the 26560 channels.
        ("resnet50", 25_557_032 - 26_560),
        ("squeezenet", 1_235_496),
        ("vgg19", 143_667_240),
    ],
)
def test_networks_that_come_with_onnx(name, parameters):
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    table = read_onnx(folder / f"light_{name}.onnx")
    assert (table.weights + table.biases).sum() == parameters


def test_reading_is_fast_and_onnx_comes_late(tmp_path):
    """Time spent by the processor, so that a busy machine does not matter."""
    nodes, constants, *_ = mobilenet_v1(1.0, 224, 1000)
    path = save(tmp_path / "n.onnx", nodes, (1, 3, 224, 224), constants)
    program = f"""
import sys, time
import mcu_nas_moo.networks.onnx_reader as module
assert "onnx" not in sys.modules and "torch" not in sys.modules
start = time.process_time()
module.read_onnx({str(path)!r})
print(time.process_time() - start)
"""
    # The first run warms the disk.
    times = [
        float(
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        )
        for _ in range(2)
    ]
    assert min(times) < 0.5
