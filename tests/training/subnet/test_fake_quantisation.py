"""Simulated int8 against ONNX's definition, and against onnxruntime's int8 network."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mcu_nas_moo.data.images import resize
from mcu_nas_moo.deployment.export.quantise import quantise
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.torch_layers import folded
from mcu_nas_moo.networks.torch_module import SubnetModule
from mcu_nas_moo.training.subnet.fake_quantisation import (
    Int8Simulation,
    calibrated,
    fake_quantise,
    fake_quantise_weights,
    image_range,
    scale_and_zero_point,
)
from mcu_nas_moo.training.supernet.supernet import recalibrate


def there_and_back(x, scale, zero_point, axis=0):
    """``x`` after ONNX's QuantizeLinear and DequantizeLinear, computed by onnxruntime."""
    parameters = ["scale", "zero_point"]
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", *parameters], ["q"], axis=axis),
            helper.make_node("DequantizeLinear", ["q", *parameters], ["y"], axis=axis),
        ],
        "there_and_back",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)],
        [
            numpy_helper.from_array(np.asarray(scale, dtype=np.float32), "scale"),
            numpy_helper.from_array(np.asarray(zero_point, dtype=np.int8), "zero_point"),
        ],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": x})[0]


def away_from_ties(rng, size, scale):
    """Values that no rounding error of a division carries over the border between two steps."""
    steps = rng.integers(-200, 200, size) + rng.uniform(-0.49, 0.49, size)
    return (steps * scale).astype(np.float32)


@given(low=st.floats(-20, 3), width=st.floats(0.01, 40), seed=st.integers(0, 2**16))
def test_activations_are_those_of_quantize_linear(low, width, seed):
    scale, zero_point = scale_and_zero_point(low, low + width)
    x = away_from_ties(np.random.default_rng(seed), 500, scale)
    expected = there_and_back(x, scale, zero_point)
    actual = fake_quantise(torch.from_numpy(x), low, low + width).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_weights_are_those_of_quantize_linear_per_channel(rng):
    weights = rng.normal(size=(6, 4, 3, 3)).astype(np.float32) * np.geomspace(
        0.01, 10, 6, dtype=np.float32
    ).reshape(-1, 1, 1, 1)
    weights[3] = 0
    scale = np.abs(weights).max(axis=(1, 2, 3)) / 127
    scale[3] = 1
    expected = there_and_back(weights, scale, np.zeros(6))
    actual = fake_quantise_weights(torch.from_numpy(weights)).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    assert (actual[3] == 0).all()


def test_scale_and_zero_point_by_hand():
    assert scale_and_zero_point(0.0, 25.5) == (pytest.approx(0.1), -128)
    assert scale_and_zero_point(-12.8, 12.7) == (pytest.approx(0.1), 0)
    assert scale_and_zero_point(5.0, 25.5)[1] == -128  # widened to hold 0
    assert scale_and_zero_point(-25.5, -5.0)[1] == 127
    assert scale_and_zero_point(0.0, 0.0) == (1.0, 0)


def test_gradients_pass_inside_the_range_and_stop_outside():
    x = torch.tensor([-3.0, -0.99, 0.0, 0.301, 1.99, 2.5], requires_grad=True)
    fake_quantise(x, -1.0, 2.0).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 0]


def test_gradients_of_weights_pass():
    weights = torch.tensor([[1.0, -0.3, 0.004]], requires_grad=True)
    (fake_quantise_weights(weights) * torch.tensor([[1.0, 2.0, 3.0]])).sum().backward()
    assert weights.grad.tolist() == [[1.0, 2.0, 3.0]]


@pytest.fixture
def network(subnet, images, supernet):
    """A network with weights that are far from special, batch norms set."""
    torch.manual_seed(1)
    module = SubnetModule(subnet.layers())
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.5, 2)
            torch.nn.init.uniform_(part.bias, -1, 1)
    recalibrate(module, images.train, supernet.normalise)
    return module


def test_folding_leaves_the_function_as_it_is(network):
    for layer in network.layers[:-2]:
        if layer.name.endswith("add"):
            continue
        part = network.module_of(layer)
        x = torch.randn(2, layer.in_channels, *layer.in_size)
        weights, bias = folded(part)
        conv = part.conv
        out = torch.nn.functional.conv2d(
            x, weights, bias, conv.stride, conv.padding, groups=conv.groups
        )
        torch.testing.assert_close(out, part(x), rtol=1e-4, atol=1e-4)


def test_gradients_reach_all_weights(network, images, supernet):
    simulation = calibrated(network, images.train, supernet.normalise)
    x = resize(supernet.normalise(images.train.pixels), 16)
    torch.nn.functional.cross_entropy(simulation(x), images.train.targets).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_training_leaves_batch_norm_statistics_alone(network, images, supernet):
    simulation = calibrated(network, images.train, supernet.normalise).train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    simulation(resize(supernet.normalise(images.train.pixels), 16))
    for name, value in network.named_buffers():
        assert torch.equal(value, before[name])


def test_calibration_covers_every_tensor(network, images, supernet):
    ranges = calibrated(network, images.train, supernet.normalise).ranges
    assert set(ranges) == {"image", *(layer.name for layer in network.layers)}
    assert all(low <= 0 <= high and low < high for low, high in ranges.values())
    assert all(ranges[layer.name][0] == 0 for layer in network.layers if layer.activation)
    pixels = torch.zeros(2, 3, 32, 32)
    pixels[1] = 255
    low, high = image_range(supernet.normalise)
    normalised = supernet.normalise(pixels)
    assert float(normalised.min()) == pytest.approx(low, rel=1e-5)
    assert float(normalised.max()) == pytest.approx(high, rel=1e-5)


def test_ranges_move_by_their_momentum(network, images, supernet):
    stem = network.layers[0]
    simulation = Int8Simulation(network, {"image": image_range(supernet.normalise)})
    simulation.training = True
    simulation.momentum = 0.25
    greatest = []
    for batch in (images.train[:20], images.train[20:60]):
        x = resize(supernet.normalise(batch.pixels), 16)
        weights, bias = folded(network.module_of(stem))
        out = torch.nn.functional.conv2d(
            fake_quantise(x, *simulation.ranges["image"]),
            fake_quantise_weights(weights),
            bias,
            stem.stride,
            1,
        )
        greatest.append(float(out.detach().max()))
        simulation(x)
    low, high = simulation.ranges["stem"]
    assert low == 0
    assert high == pytest.approx(0.75 * greatest[0] + 0.25 * greatest[1])


def test_each_layer_equals_that_of_onnxruntime(network, images, supernet):
    """Given the same int8 inputs; up to rare ties, and biases that are no int32 here."""
    simulation = calibrated(network, images.train, supernet.normalise)
    x = resize(supernet.normalise(images.validation.pixels), 16).contiguous()
    model = quantise(to_onnx(network), x.numpy(), simulation.ranges)
    operators = {"QuantizeLinear": "image"} | {
        f"{layer.name}_quant": layer.name for layer in network.layers
    }
    # By layer, for the flattening after the pooling is none.
    names = {
        operators[key]: node.output[0]
        for node in model.graph.node
        for key in (node.name, node.op_type)
        if key in operators
    }
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names.values())
    session = onnxruntime.InferenceSession(model.SerializeToString())
    steps = dict(zip(names, session.run(list(names.values()), {"image": x.numpy()}), strict=True))
    assert set(steps) == {"image", *(layer.name for layer in network.layers)}
    tensors = {}
    for name, number in [("image", 0), *((layer.name, layer.output) for layer in network.layers)]:
        scale, zero_point = scale_and_zero_point(*simulation.ranges[name])
        values = torch.from_numpy(steps[name].astype(np.float32) - zero_point) * scale
        tensors[number] = values.flatten(1) if name == "pool" else values
    for layer in network.layers:
        with torch.no_grad():
            actual = simulation.run(layer, *[tensors[tensor] for tensor in layer.inputs])
        scale = scale_and_zero_point(*simulation.ranges[layer.name])[0]
        differences = ((actual - tensors[layer.output]) / scale).round().abs()
        assert differences.max() <= 1, layer.name
        assert (differences == 0).float().mean() > 0.98, layer.name
