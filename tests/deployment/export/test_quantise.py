from __future__ import annotations

import copy

import numpy as np
import onnx
import pytest
import torch

from mcu_nas_moo.deployment.export.quantise import check_operators, quantise
from mcu_nas_moo.deployment.export.subnet_export import onnx_logits
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.torch_layers import ConvNorm
from mcu_nas_moo.networks.torch_module import run_layers


def scale_of(low, high):
    return (max(high, 0) - min(low, 0)) / 255


@pytest.fixture(scope="module")
def extremes(retrained, inputs):
    """Lowest and highest value of each layer's output in torch, by the layer's name."""
    module, found = retrained.module, {}

    def run(layer, *inputs):
        out = module.run(layer, *inputs)
        found[layer.name] = (float(out.min()), float(out.max()))
        return out

    with torch.inference_mode():
        run_layers(module.layers, torch.from_numpy(inputs), run)
    return found


def test_every_layer_is_one_int8_operator(quantised, retrained):
    inner = [node for node in quantised.graph.node if not node.op_type.endswith("eLinear")]
    assert [node.name.removesuffix("_quant") for node in inner if node.op_type != "Flatten"] == [
        layer.name for layer in retrained.module.layers
    ]
    kinds = {node.op_type for node in inner}
    assert kinds == {"QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm", "Flatten"}


def test_weights_have_a_symmetric_scale_per_channel(quantised, float_model, values):
    floats, ints = values(float_model), values(quantised)
    names = [name for name in floats if name.endswith(".weight")]
    assert len(names) > 10
    for name in names:
        rows = np.abs(floats[name]).reshape(len(floats[name]), -1)
        scales = ints[f"{name}_scale"]
        np.testing.assert_allclose(scales, rows.max(axis=1) / 127, rtol=1e-6)
        assert (ints[f"{name}_zero_point"] == 0).all()
        back = ints[f"{name}_quantized"].reshape(rows.shape) * scales[:, None]
        errors = np.abs(back - floats[name].reshape(rows.shape))
        assert (errors <= scales[:, None] * 0.5001).all()


def test_activations_have_the_range_seen_on_the_calibration_images(
    quantised, extremes, values, inputs
):
    ints = values(quantised)
    assert len(extremes) > 10
    for layer, (low, high) in extremes.items():
        tensor = "logits" if layer == "classifier" else f"{layer}.inner"
        if f"{tensor}_scale" not in ints:
            tensor = f"{layer}.output"
        assert ints[f"{tensor}_scale"] == pytest.approx(scale_of(low, high), rel=1e-4)
        assert ints[f"{tensor}_zero_point"] == pytest.approx(
            -128 - min(low, 0) / scale_of(low, high), abs=0.51
        )
    assert ints["image_scale"] == pytest.approx(scale_of(inputs.min(), inputs.max()), rel=1e-5)


def test_given_ranges_become_the_scales(float_model, retrained, inputs, values):
    ranges = {"image": (-2.5, 2.6)}
    for number, layer in enumerate(retrained.module.layers):
        # The first range of a layer with ReLU begins below 0, which must not undo the ReLU.
        ranges[layer.name] = (-0.5 - number, 3.0 + number)
    ints = values(quantise(float_model, inputs, ranges))
    assert ints["image_scale"] == pytest.approx(5.1 / 255)
    checked = 0
    for number, layer in enumerate(retrained.module.layers):
        low = 0 if layer.activation else -0.5 - number
        scale = (3.0 + number - low) / 255
        name = {"classifier": "logits", "pool": "pool.inner"}.get(layer.name, f"{layer.name}.inner")
        name = name if f"{name}_scale" in ints else f"{layer.name}.output"
        assert ints[f"{name}_scale"] == pytest.approx(scale, rel=1e-6)
        assert ints[f"{name}_zero_point"] == round(-128 - low / scale)
        checked += 1
    assert checked == len(retrained.module.layers)


def test_layers_without_a_given_range_are_calibrated(float_model, quantised, inputs, values):
    before, after = values(quantised), values(quantise(float_model, inputs, {"stem": (0.0, 9.0)}))
    assert after["stem.inner_scale"] == pytest.approx(9 / 255)
    assert after["logits_scale"] == before["logits_scale"]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"stage9.block1.add": (0.0, 1.0)}, "layers that do not exist"),
        ({"stem": (2.0, 1.0)}, "impossible range"),
        ({"stem": (0.0, float("nan"))}, "impossible range"),
    ],
)
def test_bad_ranges_are_refused(float_model, inputs, ranges, message):
    with pytest.raises(ValueError, match=message):
        quantise(float_model, inputs, ranges)


def test_the_float_model_is_left_as_it_was(float_model, inputs):
    before = float_model.SerializeToString()
    quantise(float_model, inputs)
    assert float_model.SerializeToString() == before


def test_quantisation_is_repeatable(float_model, quantised, inputs):
    assert quantise(float_model, inputs) == quantised


def test_bias_of_a_channel_whose_weights_nearly_vanish_is_kept(retrained, inputs, values):
    module = copy.deepcopy(retrained.module)
    layer = next(layer for layer in module.layers if layer.name.endswith("project"))
    part = module.module_of(layer)
    assert isinstance(part, ConvNorm)
    with torch.no_grad():
        part.norm.weight[1] = 1e-12
        part.norm.bias[1] = 2.0
        part.norm.weight[2] = 0.0
        part.norm.bias[2] = -1.0
    model = to_onnx(module)
    quantised = quantise(model, inputs)
    ints = values(quantised)
    node = next(node for node in quantised.graph.node if node.name == f"{layer.name}_quant")
    steps = ints[node.input[1]] * ints[f"{layer.name}.weight_scale"].astype(float)
    bias = ints[f"{layer.name}.bias_quantized"]
    np.testing.assert_allclose((bias * steps)[1:3], [2.0, -1.0], rtol=1e-3)
    assert np.abs(bias.astype(np.int64)).max() <= 2**30 * 1.001
    floats = onnx_logits(model, inputs)
    assert np.abs(onnx_logits(quantised, inputs) - floats).mean() < 0.05 * np.ptp(floats)


def test_outputs_are_close_to_those_in_float(quantised, float_model, inputs):
    floats = onnx_logits(float_model, inputs)
    difference = np.abs(onnx_logits(quantised, inputs) - floats)
    # The weights are random: errors of the layers do not average out as in a trained network.
    assert 0 < difference.mean() < 0.05 * np.ptp(floats)


def test_float_operators_are_named(float_model, quantised):
    with pytest.raises(ValueError, match=r"operator Conv of node 'stem'"):
        check_operators(float_model)
    inner = onnx.ModelProto()
    inner.CopyFrom(quantised)
    inner.graph.node.append(
        onnx.helper.make_node("DequantizeLinear", ["logits_quantized"], ["y"], "inner")
    )
    with pytest.raises(ValueError, match="DequantizeLinear of node 'inner'"):
        check_operators(inner)


def test_nothing_unused_is_left(quantised):
    read = {name for node in quantised.graph.node for name in node.input}
    assert {tensor.name for tensor in quantised.graph.initializer} <= read
    assert {opset.domain for opset in quantised.opset_import} == {"", "com.microsoft"}
