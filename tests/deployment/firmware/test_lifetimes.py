from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from int8_networks import int8_model
from onnx import TensorProto, helper, numpy_helper

from mcu_nas_moo.deployment.firmware.arena import tensor_blocks
from mcu_nas_moo.deployment.firmware.network import read_network

SHAPE = [1, 4, 6, 6]


def network(*nodes):
    """Nodes given by (operator, inputs, output); every tensor has the same shape."""
    made = []
    for operator, inputs, output in nodes:
        attributes = {"group": 4, "pads": [1] * 4} if operator == "QLinearConv" else {}
        names = [inputs[0], "s", "z", "w", "w_s", "w_z", "s", "z", "b"]
        if operator == "QLinearAdd":
            names = [inputs[0], "s", "z", inputs[1], "s", "z", "s", "z"]
        made.append(helper.make_node(operator, names, [output], f"make {output}", **attributes))
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.INT8, SHAPE)
        for name in ("x", *(output for _, _, output in nodes))
    ]
    constants = {
        "s": np.float32(0.1),
        "z": np.int8(0),
        "w": np.ones((4, 1, 3, 3), np.int8),
        "w_s": np.ones(4, np.float32),
        "w_z": np.zeros(4, np.int8),
        "b": np.zeros(4, np.int32),
    }
    stored = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(made, "g", tensors[:1], tensors[-1:], stored, None, tensors[1:-1])
    return read_network(helper.make_model(graph))


def groups(*nodes):
    """Names that share a place, without scratch memory."""
    blocks = [[tensor.name for tensor in block] for block in tensor_blocks(network(*nodes))]
    return [block for block in blocks if not block[0].endswith("scratch")]


def test_a_depthwise_convolution_overwrites_an_input_that_nothing_else_reads():
    assert groups(("QLinearConv", ["x"], "y"), ("QLinearConv", ["y"], "z")) == [["x", "y", "z"]]


def test_an_input_that_is_read_later_stays():
    residual = [("QLinearConv", ["x"], "y"), ("QLinearAdd", ["y", "x"], "z")]
    assert groups(*residual) == [["x"], ["y", "z"]]
    kept = [
        ("QLinearConv", ["x"], "y"),
        ("QLinearConv", ["y"], "v"),
        ("QLinearAdd", ["v", "y"], "z"),
    ]
    assert groups(*kept) == [["x", "y"], ["v", "z"]]


def test_an_addition_takes_the_input_that_nothing_reads_after_it():
    nodes = [
        ("QLinearConv", ["x"], "y"),
        ("QLinearAdd", ["x", "y"], "z"),
        ("QLinearAdd", ["z", "x"], "w"),
    ]
    assert groups(*nodes) == [["x"], ["y", "z", "w"]]


def test_scratch_memory_is_one_padded_plane_for_one_step():
    blocks = tensor_blocks(network(("QLinearConv", ["x"], "y")))
    (scratch,) = (block[0] for block in blocks if block[0].name.endswith("scratch"))
    assert (scratch.size, scratch.first, scratch.last) == (8 * 8, 0, 0)


@pytest.mark.parametrize("space", ["mbconv-stage", "mbconv-block"])
def test_tensors_of_one_place_follow_one_another(space, tmp_path):
    for block in tensor_blocks(read_network(int8_model(tmp_path, space, 1).model)):
        for earlier, later in pairwise(block):
            assert earlier.last == later.first
            assert later.size <= earlier.size
