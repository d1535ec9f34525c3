"""Functions in float between int8 tensors, and operators that quantisation leaves in float."""

from __future__ import annotations

import numpy as np
import pytest
from operator_networks import OURS, Builder, by_onnxruntime, compile_all, random_bytes

from mcu_nas_moo.deployment.firmware.lowering import lower

#: Networks of each function; the kernel is the same for all of them.
COUNT = 60


def operators(model):
    return [node.op_type for node in lower(model).graph.node]


def constant(b, value):
    return b.constant(np.float32(value))


def hard_swish_by_parts(b, x):
    return b.node("Mul", [x, b.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5)])


def gelu_by_parts(b, x):
    erf = b.node("Erf", [b.node("Div", [x, constant(b, np.sqrt(2))])])
    half = b.node("Mul", [x, b.node("Add", [erf, constant(b, 1)])])
    return b.node("Mul", [half, constant(b, 0.5)])


FUNCTIONS = {
    **{
        name: lambda b, x, name=name: b.node(name, [x])
        for name in ("Relu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Gelu", "LeakyRelu")
    },
    "Clip": lambda b, x: b.node("Clip", [x, constant(b, 0), constant(b, 6)]),
    "parts of hard swish": hard_swish_by_parts,
    "parts of gelu": gelu_by_parts,
    "requantisation": lambda b, x: x,
    "zero": lambda b, x: b.node("Mul", [x, constant(b, 0)]),
}


def in_float(b, x, rng, function, low=0.01, high=0.1):
    value = b.node("DequantizeLinear", [x, *b.scaled(rng, low, high)])
    return b.node("QuantizeLinear", [function(b, value), *b.scaled(rng)])


def shape_of(rng):
    return 1, *rng.integers(1, 9, 3).tolist()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_one_tensor_are_one_table_each(name, tmp_path):
    rng = np.random.default_rng(0)
    models = []
    for _ in range(COUNT):
        b = Builder()
        in_float(b, b.input(shape_of(rng)), rng, FUNCTIONS[name])
        models.append(b.model())
    check(models, tmp_path)
    assert {tuple(operators(model)) for model in models} == {("Table",)}


@pytest.mark.parametrize("operator", ["QLinearSigmoid", "QLinearLeakyRelu"])
def test_int8_functions_are_one_table_each(operator, tmp_path):
    rng = np.random.default_rng(0)
    models = []
    for _ in range(COUNT):
        b = Builder()
        inputs = [b.input(shape_of(rng)), *b.scaled(rng), *b.scaled(rng)]
        b.node(operator, inputs, OURS)
        models.append(b.model())
    check(models, tmp_path)
    assert {tuple(operators(model)) for model in models} == {("Table",)}


def check(models, folder):
    rng = np.random.default_rng(1)
    for model, run in zip(models, compile_all(models, folder), strict=True):
        inputs = random_bytes(model, rng)
        expected = by_onnxruntime(model, inputs)
        np.testing.assert_array_equal(run(inputs), expected, str(model.graph.node))


def test_a_gated_tensor_is_a_table_and_a_product(tmp_path):
    """Squeeze-and-excite: the gate has one number per channel."""
    rng = np.random.default_rng(0)
    models = []
    for _ in range(20):
        b = Builder()
        x, scale, middle = b.input(shape_of(rng)), b.scaled(rng), b.scaled(rng)
        mean = b.node("QLinearGlobalAveragePool", [x, *scale, *middle], OURS)
        float_mean = b.node("DequantizeLinear", [mean, *middle])
        gate_scale = b.scaled(rng, 0.003, 0.005)
        gate = b.node("QuantizeLinear", [b.node("HardSigmoid", [float_mean]), *gate_scale])
        b.node("QLinearMul", [x, *scale, gate, *gate_scale, *b.scaled(rng)], OURS)
        models.append(b.model())
    check(models, tmp_path)
    assert operators(models[0]) == ["QLinearGlobalAveragePool", "Table", "QLinearMul"]


def moving(b, rng, shape, kind, filling):
    """A moving operator in float after a function in float, as quantisation leaves it."""
    sizes = b.constant(np.array([*shape[:2], shape[2] * 2, shape[3] + 3], np.int64))
    pads = b.constant(np.array([0, 0, 1, 2, 0, 0, 0, 3], np.int64))
    steps = {
        "Resize": lambda x: b.node(
            "Resize", [x, "", "", sizes], mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
        "MaxPool": lambda x: b.node("MaxPool", [x], kernel_shape=[1, 1], strides=[2, 1]),
        "Pad": lambda x: b.node("Pad", [x, pads, constant(b, filling)]),
        "Flatten": lambda x: b.node("Flatten", [x]),
        "Concat": lambda x: b.node("Concat", [x, b.node("Neg", [x])], axis=1),
    }  # fmt: skip
    return steps[kind]


@pytest.mark.parametrize("kind", ["Resize", "MaxPool", "Pad", "Flatten", "Concat"])
@pytest.mark.parametrize("order", ["moved last", "moved first"])
def test_moving_operators_in_float_move_int8_numbers(kind, order, tmp_path):
    rng = np.random.default_rng(0)
    models = []
    for _ in range(30):
        b, shape = Builder(), shape_of(rng)
        filling = rng.uniform(-1, 1) if order == "moved last" else 0
        move = moving(b, rng, shape, kind, filling)
        x = b.node("DequantizeLinear", [b.input(shape), *b.scaled(rng)])
        if order == "moved last":
            x = move(b.node("HardSwish", [x]))
        elif kind == "Concat":
            continue
        else:
            x = b.node("HardSwish", [move(x)])
        b.node("QuantizeLinear", [x, *b.scaled(rng)])
        models.append(b.model())
    if models:
        check(models, tmp_path)


@pytest.mark.parametrize("kind", ["Add", "Mul", "AveragePool", "GlobalAveragePool"])
def test_operators_between_dequantised_tensors_have_an_int8_twin(kind, tmp_path):
    rng = np.random.default_rng(0)
    models = []
    for _ in range(COUNT):
        b, shape = Builder(), shape_of(rng)
        tensors = [b.input(shape), *([b.input(shape, "y")] if kind in ("Add", "Mul") else [])]
        floats = [b.node("DequantizeLinear", [name, *b.scaled(rng)]) for name in tensors]
        window = {"kernel_shape": [1, 1]} if kind == "AveragePool" else {}
        b.node("QuantizeLinear", [b.node(kind, floats, **window), *b.scaled(rng)])
        models.append(b.model())
    check(models, tmp_path)
    assert operators(models[0]) == [f"QLinear{kind}"]


def test_a_border_of_a_value_between_two_int8_numbers_is_refused():
    b = Builder()
    scale = b.constant(np.float32(0.5)), b.constant(np.int8(3))
    x = b.node("DequantizeLinear", [b.input((1, 4, 3, 3)), *scale])
    pads = b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    y = b.node("HardSwish", [b.node("Pad", [x, pads, constant(b, 0.7)])])
    b.node("QuantizeLinear", [y, *scale])
    with pytest.raises(ValueError, match=r"Pad t1.*of floats has no kernel"):
        lower(b.model())


def test_an_operator_without_int8_meaning_is_refused_by_name():
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.node("DequantizeLinear", [b.input((1, 4, 3, 3)), *b.scaled(rng)])
    scale, bias = b.constant(np.ones(4, np.float32)), b.constant(np.ones(4, np.float32))
    y = b.node("InstanceNormalization", [x, scale, bias])
    b.node("QuantizeLinear", [y, *b.scaled(rng)])
    with pytest.raises(ValueError, match=r"InstanceNormalization t1.*of floats has no kernel"):
        lower(b.model())


@pytest.mark.parametrize(
    ("operator", "weights", "instead"),
    [
        ("LayerNormalization", (4, 3, 3), "batch normalisation"),
        ("ConvTranspose", (4, 2, 2, 2), "a resize and a convolution"),
        ("MatMul", (1, 4, 3, 3), "pointwise convolutions, and squeeze-and-excite"),
    ],
)
def test_operators_without_a_kernel_name_what_replaces_them(operator, weights, instead):
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.node("DequantizeLinear", [b.input((1, 4, 3, 3)), *b.scaled(rng)])
    more = {"axis": 1} if operator == "LayerNormalization" else {}
    y = b.node(operator, [x, b.constant(np.ones(weights, np.float32))], **more)
    b.node("QuantizeLinear", [y, *b.scaled(rng)])
    with pytest.raises(ValueError, match=f"{operator} t1.* has no kernel; use {instead}"):
        lower(b.model())
