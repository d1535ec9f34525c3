"""ONNX files that point outside their folder or call themselves."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.onnx_reader import read_onnx


def model(op="Relu", domain="", initializer=(), functions=()):
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    node = helper.make_node(op, ["x"], ["y"], domain=domain)
    graph = helper.make_graph([node], "g", shapes[:1], shapes[1:], initializer)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link"])
def test_weights_outside_the_folder_are_refused(tmp_path, location):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(16))
    (folder / "link").symlink_to(tmp_path / "secret")
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    onnx.save(model(initializer=[tensor]), folder / "a.onnx")
    with pytest.raises(InputError, match=r"a\.onnx: its weights would lie outside its folder"):
        read_onnx(folder / "a.onnx")


def test_functions_that_call_themselves_are_refused(tmp_path):
    node = helper.make_node("F", ["x"], ["y"], domain="d")
    function = helper.make_function(
        "d", "F", ["x"], ["y"], [node], [helper.make_opsetid("d", 1)], []
    )
    onnx.save(model("F", "d", functions=[function]), tmp_path / "a.onnx")
    with pytest.raises(InputError, match=r"a\.onnx: damaged, or not valid ONNX"):
        read_onnx(tmp_path / "a.onnx")
