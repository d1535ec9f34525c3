"""Kernels against onnxruntime: at least 200 random shapes and scales of each operator."""

from __future__ import annotations

import numpy as np
import pytest
from operator_networks import OURS, Builder, by_onnxruntime, compile_all, random_bytes

COUNT = 200


def random_shape(rng, most=9):
    """Often odd, sometimes one pixel, sometimes a signal."""
    channels, height, width = rng.integers(1, most, 3).tolist()
    kind = rng.integers(6)
    if kind == 0:
        return 1, channels, 1, 1
    if kind == 1:
        return 1, channels, width
    return 1, channels, height, width


def binary(operator):
    def network(rng):
        b, shape = Builder(), random_shape(rng)
        small = (*shape[:2], *[1] * (len(shape) - 2))
        kind = rng.integers(3)
        first, second = b.input(shape if kind != 1 else small), "y"
        b.input(shape if kind != 2 else small, "y")
        scale = rng.choice([0.02, 0.2])
        inputs = [first, *b.scaled(rng, 0.01, scale), second, *b.scaled(rng, 0.01, scale)]
        low = 0.0002 if operator == "QLinearMul" else 0.01
        b.node(operator, [*inputs, *b.scaled(rng, low, 0.2)], OURS)
        return b

    return network


def global_average(rng):
    b = Builder()
    x = b.input(random_shape(rng, 20))
    b.node("QLinearGlobalAveragePool", [x, *b.scaled(rng), *b.scaled(rng)], OURS)
    return b


def windows(rng, shape):
    rank = len(shape) - 2
    kernel = [int(rng.integers(1, side + 1)) for side in shape[2:]]
    pads = [int(rng.integers(0, size)) for size in kernel] * 2
    if rng.integers(2):
        pads[rank:] = [int(rng.integers(0, size)) for size in kernel]
    strides = rng.integers(1, 4, rank).tolist()
    return {"kernel_shape": kernel, "pads": pads, "strides": strides}


def max_pool(rng):
    b, shape = Builder(), random_shape(rng, 12)
    ceil = int(rng.integers(2))
    window = windows(rng, shape)
    if ceil:
        window["pads"] = [0] * len(window["pads"])
        window["strides"] = [
            min(s, k) for s, k in zip(window["strides"], window["kernel_shape"], strict=True)
        ]
    b.node("MaxPool", [b.input(shape)], **window, ceil_mode=ceil)
    return b


def average_pool(rng):
    b, shape = Builder(), random_shape(rng, 12)
    inputs = [b.input(shape), *b.scaled(rng), *b.scaled(rng)]
    window, ceil = windows(rng, shape), int(rng.integers(2))
    if ceil:
        window["pads"] = [0] * len(window["pads"])
        window["strides"] = [
            min(s, k) for s, k in zip(window["strides"], window["kernel_shape"], strict=True)
        ]
    pad = int(rng.integers(2))
    b.node("QLinearAveragePool", inputs, OURS, **window, ceil_mode=ceil, count_include_pad=pad)
    return b


def concat(rng):
    b, shape = Builder(), random_shape(rng)
    output = b.scaled(rng)
    inputs = []
    for number in range(rng.integers(1, 4)):
        channels = int(rng.integers(1, 6))
        name = b.input((1, channels, *shape[2:]), f"x{number}")
        inputs += [name, *(output if rng.integers(2) else b.scaled(rng))]
    b.node("QLinearConcat", [*output, *inputs], OURS, axis=1)
    return b


def resize(mode):
    def network(rng):
        b, shape = Builder(), random_shape(rng, 12)
        if mode == "linear" and len(shape) == 3:
            shape = (*shape[:2], 1, shape[2])
        sides = rng.integers(1, 20, len(shape) - 2).tolist()
        coordinates = ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"]
        attributes = {
            "mode": mode,
            "coordinate_transformation_mode": coordinates[rng.integers(4)],
        }
        if mode == "nearest":
            nearest = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
            attributes["nearest_mode"] = nearest[rng.integers(4)]
        if rng.integers(2):
            scales = np.array([1, 1, *rng.choice([0.5, 1, 1.5, 2, 3], len(sides))], np.float32)
            scales[2:] = np.maximum(scales[2:], 1 / np.array(shape[2:]))
            b.node("Resize", [b.input(shape), "", b.constant(scales)], **attributes)
        else:
            sizes = b.constant(np.array([*shape[:2], *sides], np.int64))
            b.node("Resize", [b.input(shape), "", "", sizes], **attributes)
        return b

    return network


def pad(rng):
    b, shape = Builder(), random_shape(rng)
    sides = len(shape) - 2
    pads = np.array([0, 0, *rng.integers(0, 4, sides), 0, 0, *rng.integers(0, 4, sides)])
    value = b.constant(np.int8(rng.integers(-128, 128)))
    b.node("Pad", [b.input(shape), b.constant(pads.astype(np.int64)), value])
    return b


def some_channels(rng):
    b, shape = Builder(), random_shape(rng)
    first = int(rng.integers(shape[1]))
    last = int(rng.integers(first + 1, shape[1] + 1))
    bounds = [np.array([first - shape[1] * int(rng.integers(2))]), np.array([last]), np.array([1])]
    b.node("Slice", [b.input(shape), *(b.constant(v.astype(np.int64)) for v in bounds)])
    return b


def transpose(rng):
    b, shape = Builder(), random_shape(rng)
    b.node("Transpose", [b.input(shape)], perm=rng.permutation(len(shape)).tolist())
    return b


def softmax(rng):
    b, shape = Builder(), random_shape(rng, 20)
    if rng.integers(2):
        shape = shape[:2]
    axis = int(rng.choice([1, -1]))
    output = b.constant(np.float32(1 / 256)), b.constant(np.int8(-128))
    inputs = [b.input(shape), *b.scaled(rng, 0.005, 0.3), *output]
    b.node("QLinearSoftmax", inputs, OURS, axis=axis, opset=17)
    return b


NETWORKS = {
    "add": binary("QLinearAdd"),
    "mul": binary("QLinearMul"),
    "global average": global_average,
    "max pool": max_pool,
    "average pool": average_pool,
    "concat": concat,
    "nearest": resize("nearest"),
    "linear": resize("linear"),
    "pad": pad,
    "channels": some_channels,
    "transpose": transpose,
}


def compared(make, folder):
    """Inputs, found and expected outputs of COUNT random networks, three inputs each."""
    rng = np.random.default_rng(0)
    models = [make(rng).model() for _ in range(COUNT)]
    for model, run in zip(models, compile_all(models, folder), strict=True):
        for _ in range(3):
            inputs = random_bytes(model, rng)
            yield model, inputs, run(inputs), by_onnxruntime(model, inputs)


@pytest.mark.parametrize("operator", NETWORKS)
def test_outputs_are_those_of_onnxruntime(operator, tmp_path):
    different = 0
    for model, _, found, expected in compared(NETWORKS[operator], tmp_path):
        np.testing.assert_array_equal(found, expected, str(model.graph.node))
        different += len(np.unique(expected)) > 2
    assert different > COUNT / 4


def test_softmax_keeps_the_order_and_is_within_one_step(tmp_path):
    exact = total = 0
    for model, inputs, found, expected in compared(softmax, tmp_path):
        (axis,) = (a.i for a in model.graph.node[0].attribute if a.name == "axis")
        order = np.argsort(inputs["x"], axis=axis)
        assert (np.diff(np.take_along_axis(found, order, axis).astype(int), axis=axis) >= 0).all()
        # onnxruntime lets 1.0, which is 128, wrap around to -128.
        whole = (found == 127) & (expected == -128)
        distance = np.abs(found.astype(int) - expected)[~whole]
        assert (distance <= 1).all(), str(model.graph.node)
        exact, total = exact + (distance == 0).sum(), total + distance.size
    assert exact / total > 0.99
