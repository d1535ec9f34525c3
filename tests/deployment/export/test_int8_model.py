from __future__ import annotations

import hashlib
import re

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mcu_nas_moo.deployment.export.int8_model import (
    METADATA_KEY,
    read_int8_model,
    session,
    write_int8_model,
)


@pytest.fixture(scope="module")
def int8(int8_file):
    return read_int8_model(int8_file)


@pytest.fixture(scope="module")
def int8_inputs(int8, pixels):
    """Images, noise and the extremes, as the network takes them."""
    rng = np.random.default_rng(3)
    noise = rng.integers(-128, 128, (4, *int8.input_shape), dtype=np.int8)
    noise[0], noise[1] = -128, 127
    return np.concatenate([int8.preprocessing(pixels[:20]), noise])


@pytest.fixture(scope="module")
def tensors(int8, int8_inputs):
    """Every tensor of the network for each input, by name."""
    visible = onnx.ModelProto()
    visible.CopyFrom(int8.model)
    names = [info.name for info in int8.model.graph.value_info]
    visible.graph.output.extend(int8.model.graph.value_info)
    run = session(visible)
    found = [run.run([*names, "logits"], {"image": row[None]}) for row in int8_inputs]
    stacked = {
        name: np.concatenate([row[place] for row in found])
        for place, name in enumerate([*names, "logits"])
    }
    return stacked | {"image": int8_inputs}


def test_run_equals_the_complete_model(int8, int8_file, int8_inputs):
    complete = session(onnx.load(int8_file))
    preprocessing = int8.preprocessing
    floats = np.float32(preprocessing.scale) * (
        int8_inputs.astype(np.float32) - preprocessing.zero_point
    )
    (logits,) = complete.run(None, {"image": floats})
    back = np.rint(logits / np.float32(int8.output_scale)) + int8.output_zero_point
    outputs = int8.run(int8_inputs)
    assert outputs.dtype == np.int8
    np.testing.assert_array_equal(outputs, back)
    assert len(np.unique(outputs)) > 10


def test_convolutions_equal_integer_arithmetic(int8, tensors, values):
    arrays, checked = values(int8.model), 0
    for node in int8.model.graph.node:
        if node.op_type != "QLinearConv":
            continue
        x_scale, x_zero, w, w_scale, _, y_scale, y_zero, bias = (
            arrays[name] for name in node.input[1:]
        )
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        (kernel, _), (stride, _), group = given["kernel_shape"], given["strides"], given["group"]
        pad = given["pads"][0]
        x = tensors[node.input[0]].astype(np.int64) - int(x_zero)
        x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
        windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))
        windows = windows[:, :, ::stride, ::stride]
        n, c, rows, columns = windows.shape[:4]
        windows = windows.reshape(n, group, c // group, rows, columns, kernel, kernel)
        weights = w.astype(np.int64).reshape(group, -1, c // group, kernel, kernel)
        total = np.einsum("ngcxykl,gockl->ngoxy", windows, weights)
        total = total.reshape(n, -1, rows, columns) + bias[:, None, None]
        factor = (x_scale * w_scale / y_scale).astype(np.float32)[:, None, None]
        y = np.rint(total.astype(np.float32) * factor) + y_zero
        np.testing.assert_array_equal(np.clip(y, -128, 127), tensors[node.output[0]])
        checked += 1
    assert checked > 10


def test_classifier_equals_integer_arithmetic_per_channel(int8, tensors, values):
    node = int8.model.graph.node[-1]
    assert node.op_type == "QGemm"
    arrays = values(int8.model)
    x_scale, x_zero, w, w_scale, _, bias, y_scale, y_zero = (
        arrays[name] for name in node.input[1:]
    )
    assert w_scale.shape == (2,)
    assert w_scale[0] != w_scale[1]
    total = (tensors[node.input[0]].astype(np.int64) - int(x_zero)) @ w.astype(np.int64).T + bias
    factor = (x_scale * w_scale / y_scale).astype(np.float32)
    y = np.rint(total.astype(np.float32) * factor) + y_zero
    np.testing.assert_array_equal(np.clip(y, -128, 127), tensors["logits"])


def test_every_tensor_has_type_and_shape_for_one_image(int8, tensors):
    graph = int8.model.graph
    onnx.checker.check_model(int8.model)
    known = {
        info.name: (
            info.type.tensor_type.elem_type,
            tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim),
        )
        for info in (*graph.input, *graph.value_info, *graph.output)
    }
    produced = {name for node in graph.node for name in node.output}
    assert set(known) == produced | {"image"}
    for name, (kind, shape) in known.items():
        assert kind == onnx.TensorProto.INT8
        assert shape == (1, *tensors[name].shape[1:])
    layers = int8.subnet.layers()
    assert known["image"][1] == (1, layers[0].in_channels, *layers[0].in_size)
    assert known["logits"][1] == (1, 2)


def test_nothing_of_the_outer_quantisation_is_left(int8):
    graph = int8.model.graph
    assert not {node.op_type for node in graph.node} & {"QuantizeLinear", "DequantizeLinear"}
    read = {name for node in graph.node for name in node.input}
    assert {tensor.name for tensor in graph.initializer} <= read
    assert {opset.domain for opset in int8.model.opset_import} == {"", "com.microsoft"}


def test_facts_are_those_of_the_file(int8, int8_file, quantised, values, retrained):
    arrays = values(quantised)
    assert int8.preprocessing.scale == arrays["image_scale"]
    assert int8.preprocessing.zero_point == arrays["image_zero_point"]
    assert (int8.preprocessing.mean, int8.preprocessing.std) == (
        retrained.normalise.mean,
        retrained.normalise.std,
    )
    assert int8.output_scale == arrays["logits_scale"]
    assert int8.output_zero_point == arrays["logits_zero_point"]
    assert int8.subnet == retrained.subnet
    assert int8.class_names == ("blue", "red")
    assert int8.weights == "retrained"
    assert int8.sha256 == hashlib.sha256(int8_file.read_bytes()).hexdigest()


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (3, 24, 24), (1, 1, 24, 24)])
def test_other_inputs_are_refused(int8, shape):
    with pytest.raises(ValueError, match="expected int8 inputs"):
        int8.run(np.zeros(shape, dtype=np.int8))
    with pytest.raises(ValueError, match="float32"):
        int8.run(np.zeros((1, *int8.input_shape), dtype=np.float32))


def test_missing_file_names_the_command(tmp_path):
    with pytest.raises(ValueError, match=r"no int8 model .*gone.onnx; `mcu-nas export`"):
        read_int8_model(tmp_path / "gone.onnx")


def changed(model, change):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(copy)
    return copy.SerializeToString()


def foreign_metadata(text):
    def change(model):
        del model.metadata_props[:]
        if text is not None:
            helper.set_model_props(model, {METADATA_KEY: text})

    return change


def drop_weights(model):
    del model.graph.initializer[5:]


def add_float_node(model):
    model.graph.node.append(helper.make_node("Relu", ["logits"], ["more"], "more"))


def unsigned(model):
    for tensor in model.graph.initializer:
        if tensor.name == "image_zero_point":
            tensor.CopyFrom(numpy_helper.from_array(np.array(3, dtype=np.uint8), tensor.name))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (foreign_metadata(None), "lacks the metadata"),
        (foreign_metadata("{}"), "metadata are not valid: subnet"),
        (foreign_metadata("nonsense"), "metadata are not valid"),
        (drop_weights, "not an int8 model"),
        (add_float_node, "operator Relu of node 'more'"),
        (unsigned, "uint8, not int8"),
    ],
)
def test_damaged_and_foreign_files_are_refused(int8_file, tmp_path, change, reason):
    path = tmp_path / "bad.onnx"
    path.write_bytes(changed(onnx.load(int8_file), change))
    with pytest.raises(ValueError, match=reason) as error:
        read_int8_model(path)
    assert str(path) in str(error.value)
    assert "`mcu-nas export`" in str(error.value)


def test_subnet_of_another_shape_is_refused(int8_file, tmp_path):
    def other_resolution(model):
        text = model.metadata_props[0].value
        model.metadata_props[0].value = re.sub(r'"resolution":\d+', '"resolution":32', text)

    before = read_int8_model(int8_file)
    assert before.subnet.genes["resolution"] != 32
    path = tmp_path / "bad.onnx"
    path.write_bytes(changed(onnx.load(int8_file), other_resolution))
    with pytest.raises(ValueError, match="not those of its subnet"):
        read_int8_model(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files_are_refused(int8_file, tmp_path, share):
    content = int8_file.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut.onnx is damaged or not .*`mcu-nas export`"):
        read_int8_model(path)


def test_float_model_is_refused(float_model, description, tmp_path):
    path = tmp_path / "float.onnx"
    write_int8_model(float_model, description, path)
    with pytest.raises(ValueError, match="operator Conv of node 'stem' is not one of an int8"):
        read_int8_model(path)


def test_random_bytes_are_refused(tmp_path):
    path = tmp_path / "noise.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(ValueError, match="damaged or not an int8 model"):
        read_int8_model(path)
