"""Fixtures of the tests of ONNX files."""

import pytest
from onnx_files import save

from mcu_nas_moo.networks.onnx_reader import read_onnx


@pytest.fixture
def read(tmp_path):
    """Layers of a small file."""

    def read(nodes, x=(1, 3, 8, 8), constants=None, input_shape=None, **facts):
        path = save(tmp_path / "net.onnx", nodes, x, constants, **facts)
        return read_onnx(path, input_shape).layers()

    return read
