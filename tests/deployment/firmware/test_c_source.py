from __future__ import annotations

import numpy as np
import onnx
import pytest
from host_network import HostNetwork
from int8_networks import int8_model, random_inputs
from onnx import helper, numpy_helper

from mcu_nas_moo.deployment.export.int8_model import session
from mcu_nas_moo.deployment.firmware.arena import tensor_blocks
from mcu_nas_moo.deployment.firmware.c_source import generate_c
from mcu_nas_moo.deployment.firmware.network import read_network


@pytest.mark.parametrize(
    ("space", "seed"),
    [("mbconv-stage", "smallest"), ("mbconv-stage", 0), ("mbconv-stage", 3), ("mbconv-block", 1)],
)
def test_the_c_code_computes_what_onnxruntime_does(space, seed, tmp_path):
    model = int8_model(tmp_path, space, seed)
    network = HostNetwork(generate_c(model.model), tmp_path)
    inputs = random_inputs(model, 12)
    expected = model.run(inputs)
    assert len(np.unique(expected)) > 20  # a network that says something
    np.testing.assert_array_equal(network.run(inputs), expected)


def test_runs_do_not_depend_on_what_was_in_the_arena(tmp_path):
    model = int8_model(tmp_path, "mbconv-stage", "smallest")
    network = HostNetwork(generate_c(model.model), tmp_path)
    inputs = random_inputs(model, 2)
    first = network.run(inputs)
    network.arena[:] = 77
    np.testing.assert_array_equal(network.run(inputs), first)


def test_one_flipped_weight_changes_the_outputs(tmp_path):
    model = int8_model(tmp_path, "mbconv-stage", "smallest")
    changed = onnx.ModelProto()
    changed.CopyFrom(model.model)
    weights = next(i for i in changed.graph.initializer if i.name == "stem.weight_quantized")
    values = bytearray(weights.raw_data)
    values[0] ^= 0x40
    weights.raw_data = bytes(values)
    inputs = random_inputs(model, 4)
    outputs = HostNetwork(generate_c(changed), tmp_path).run(inputs)
    assert (outputs != model.run(inputs)).any()


def test_the_same_network_gives_the_same_code(tmp_path):
    model = int8_model(tmp_path, "mbconv-stage", "smallest").model
    assert generate_c(model) == generate_c(model)


@pytest.mark.parametrize("name", ["*/ int evil; /*", "two\nlines", "\u202e"])
def test_a_name_that_would_leave_its_comment_is_refused(tmp_path, name):
    changed = onnx.ModelProto()
    changed.CopyFrom(int8_model(tmp_path, "mbconv-stage", "smallest").model)
    changed.graph.node[3].name = name
    with pytest.raises(ValueError, match="C code cannot hold the name"):
        generate_c(changed)


def test_depthwise_convolutions_and_additions_work_in_place(tmp_path):
    model = int8_model(tmp_path, "mbconv-stage", 0).model
    placed = tensor_blocks(read_network(model))
    blocks = {tensor.name: number for number, b in enumerate(placed) for tensor in b}
    kinds = {"depthwise": 0, "add": 0}
    for node in model.graph.node:
        shares = [blocks[name] == blocks[node.output[0]] for name in node.input if name in blocks]
        for kind in kinds:
            if f".{kind}" in node.name:
                kinds[kind] += any(shares)
    depthwise = [n for n in model.graph.node if ".depthwise" in n.name]
    additions = [n for n in model.graph.node if n.op_type == "QLinearAdd"]
    assert kinds == {"depthwise": len(depthwise), "add": len(additions)}
    assert additions


def changed_convolution(model, **attributes):
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    node = next(node for node in changed.graph.node if node.op_type == "QLinearConv")
    kept = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    del node.attribute[:]
    node.attribute.extend(
        helper.make_attribute(name, value) for name, value in (kept | attributes).items()
    )
    return changed


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"kernel_shape": [3, 1]}, "not that of its weights"),
        ({"auto_pad": "SAME_UPPER"}, "automatic"),
        ({"pads": [1, 1, -1, 1]}, "its padding is negative"),
        ({"pads": [1, 1, 40000, 1]}, "one of its sizes is 32,768 or more"),
        ({"group": 2}, "it has 2 groups for 3 channels"),
    ],
)
def test_convolutions_without_a_kernel_are_refused_by_name(attributes, problem, tmp_path):
    model = int8_model(tmp_path, "mbconv-stage", "smallest").model
    with pytest.raises(ValueError, match=problem) as raised:
        generate_c(changed_convolution(model, **attributes))
    assert "stem" in str(raised.value)


def test_an_attribute_that_is_left_out_has_its_default(tmp_path):
    model = int8_model(tmp_path, "mbconv-stage", 0)
    changed = onnx.ModelProto()
    changed.CopyFrom(model.model)
    for node in changed.graph.node:
        kept = [
            item
            for item in node.attribute
            if set(helper.get_attribute_value(item) if item.type == item.INTS else [9])
            not in ({0}, {1})
            or item.name not in ("pads", "strides", "dilations", "kernel_shape")
            or (item.name == "pads" and set(item.ints) != {0})
        ]
        if node.op_type == "QLinearConv":
            del node.attribute[:]
            node.attribute.extend(kept)
    assert len(changed.SerializeToString()) < len(model.model.SerializeToString())
    inputs = random_inputs(model, 3)
    found = HostNetwork(generate_c(changed), tmp_path).run(inputs)
    np.testing.assert_array_equal(found, model.run(inputs))


@pytest.mark.parametrize("value", [float("nan"), 0.0, -1.0, float("inf")])
def test_scales_that_mean_nothing_are_refused(value, tmp_path):
    model = onnx.ModelProto()
    model.CopyFrom(int8_model(tmp_path, "mbconv-stage", "smallest").model)
    scale = next(i for i in model.graph.initializer if i.name == "stem.inner_scale")
    scale.CopyFrom(numpy_helper.from_array(np.array(value, np.float32), scale.name))
    with pytest.raises(ValueError, match=r"stem.*stem.inner_scale is not finite and above 0"):
        generate_c(model)


def test_padded_pointwise_convolutions_are_padded(tmp_path):
    model = onnx.ModelProto()
    model.CopyFrom(int8_model(tmp_path, "mbconv-stage", "smallest").model)
    node = next(node for node in model.graph.node if node.name.startswith("head"))
    (pads,) = (item for item in node.attribute if item.name == "pads")
    pads.ints[:] = [1, 1, 1, 1]
    for value in model.graph.value_info:
        if value.name == node.output[0]:
            for dim in value.type.tensor_type.shape.dim[2:]:
                dim.dim_value += 2
    inputs = random_inputs(int8_model(tmp_path, "mbconv-stage", "smallest"), 4)
    found = HostNetwork(generate_c(model), tmp_path).run(inputs)
    reference = session(model)
    expected = [reference.run(None, {"image": image[None]})[0][0] for image in inputs]
    np.testing.assert_array_equal(found, expected)


def test_an_operator_without_a_kernel_is_refused_with_those_that_have_one(tmp_path):
    model = onnx.ModelProto()
    model.CopyFrom(int8_model(tmp_path, "mbconv-stage", "smallest").model)
    model.graph.node[-1].op_type = "QLinearSoftmaxOfTomorrow"
    with pytest.raises(ValueError, match=r"OfTomorrow has no kernel; use one of .*QLinearConv"):
        generate_c(model)


@pytest.mark.parametrize("layer", ["stem", "classifier"])
def test_sums_beyond_int32_are_refused_with_the_layer(layer, tmp_path):
    model = onnx.ModelProto()
    model.CopyFrom(int8_model(tmp_path, "mbconv-stage", "smallest").model)
    node = next(node for node in model.graph.node if node.name.startswith(layer))
    bias = node.input[8 if node.op_type == "QLinearConv" else 6]
    stored = next(item for item in model.graph.initializer if item.name == bias)
    values = numpy_helper.to_array(stored).copy()
    values[0] = 2**31 - 1 - 255
    stored.CopyFrom(numpy_helper.from_array(values, bias))
    with pytest.raises(ValueError, match=rf"{layer}.*beyond int32"):
        generate_c(model)


def test_only_kernels_that_are_used_are_in_the_code(tmp_path):
    source = generate_c(int8_model(tmp_path, "mbconv-stage", "smallest").model)
    assert {"kernel.h", "convolution.h", "pool.h"} <= set(source.kernels)
    for name in source.kernels:
        assert f'#include "kernels/{name}"' in source.code
    alone = onnx.ModelProto()
    alone.CopyFrom(int8_model(tmp_path, "mbconv-stage", "smallest").model)
    del alone.graph.node[1:]
    alone.graph.output[0].CopyFrom(
        next(v for v in alone.graph.value_info if v.name == alone.graph.node[0].output[0])
    )
    of_convolutions = {"kernel.h", "simd.h", "convolution.h", "depthwise.h"}
    assert set(generate_c(alone).kernels) == of_convolutions
