"""What becomes part of the layer before it, and what does not."""

import numpy as np
import pytest
from onnx_files import (
    CONV,
    FLOAT,
    WEIGHTS,
    node,
    ops,
    save,
    summary,
)

from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx_reader import read_onnx
from mcu_nas_moo.networks.operators import operator_of

NORM = {"s": (4,), "t": (4,), "m": (4,), "v": (4,)}
PER_CHANNEL = {"k": (4, 1, 1)}
FUSED = {
    "relu": ([node("Relu", "c", "y")], {}, True),
    "clip": ([node("Clip", "c lo hi", "y")], {"lo": np.float32(0), "hi": np.float32(6)}, True),
    "relu and min": (
        [node("Relu", "c", "r"), node("Min", "r k", "y")],
        {"k": np.float32(6)},
        True,
    ),
    "norm": ([node("BatchNormalization", "c s t m v", "y")], NORM, False),
    "norm and relu": (
        [node("BatchNormalization", "c s t m v", "n"), node("Relu", "n", "y")],
        NORM,
        True,
    ),
    "per-channel mul": ([node("Mul", "c k", "y")], PER_CHANNEL, False),
    "constant first": ([node("Mul", "k c", "y")], PER_CHANNEL, False),
    "scalar div and sub": (
        [node("Div", "c k", "d"), node("Sub", "l d", "y")],
        {"k": np.float32(2), "l": np.float32(1)},
        False,
    ),
    "through free nodes": (
        [
            node("Identity", "c", "i"),
            node("Cast", "i", "j", to=FLOAT),
            node("Dropout", "j", "d"),
            node("Relu", "d", "y"),
        ],
        {},
        True,
    ),
}


@pytest.mark.parametrize("case", FUSED)
def test_fused_into_the_convolution(read, case):
    nodes, constants, relu = FUSED[case]
    (layer,) = read([CONV, *nodes], constants=WEIGHTS | constants)
    assert (layer.name, layer.op, bool(layer.activation)) == ("conv", Op.CONV, relu)


UNFUSED = {
    "leaky relu": ([node("LeakyRelu", "c", "y")], {}),
    "hard swish": ([node("HardSwish", "c", "y")], {}),
    "softmax": ([node("Softmax", "c", "y")], {}),
    "prelu": ([node("PRelu", "c k", "y")], PER_CHANNEL),
    "power": ([node("Pow", "c k", "y")], {"k": np.float32(2)}),
    "reciprocal": ([node("Div", "k c", "y")], PER_CHANNEL),
    "varies over the image": ([node("Add", "c k", "y")], {"k": (4, 8, 8)}),
    "varies over rows": ([node("Mul", "c k", "y")], {"k": (8, 1)}),
    "min per channel": ([node("Min", "c k", "y")], PER_CHANNEL),
    "gelu of onnxruntime": ([node("Gelu", "c", "y", domain="com.microsoft")], {}),
}


@pytest.mark.parametrize("case", UNFUSED)
def test_elementwise_layers(read, case):
    nodes, constants = UNFUSED[case]
    conv, layer = read([CONV, *nodes], constants=WEIGHTS | constants)
    assert not conv.activation
    assert operator_of(layer.op).kernel_kind == "elementwise"
    assert (layer.inputs, layer.activation) == ((1,), "")
    assert layer.in_size == layer.out_size == (8, 8)
    assert layer.in_channels == layer.out_channels == 4


@pytest.mark.parametrize(
    ("nodes", "constants", "expected"),
    [
        # Another reader, or the application, needs the value from before.
        ([node("Relu", "c", "r"), node("Add", "c r", "y")], {}, [Op.CONV, Op.RELU, Op.ADD]),
        (
            [node("BatchNormalization", "c s t m v", "n"), node("Add", "n c", "y")],
            NORM,
            [Op.CONV, Op.DEPTHWISE, Op.ADD],
        ),
        # Normalised after the activation.
        (
            [node("Relu", "c", "r"), node("BatchNormalization", "r s t m v", "y")],
            NORM,
            [Op.CONV, Op.DEPTHWISE],
        ),
        ([node("Relu", "c", "r"), node("Mul", "r k", "y")], PER_CHANNEL, [Op.CONV, Op.ELEMENTWISE]),
    ],
)
def test_what_cannot_be_fused(read, nodes, constants, expected):
    assert ops(read([CONV, *nodes], constants=WEIGHTS | constants)) == expected


def test_an_output_of_the_network_is_not_fused_away(tmp_path):
    path = save(
        tmp_path / "n.onnx", [CONV, node("Relu", "c", "y")], constants=WEIGHTS, outputs=["c", "y"]
    )
    table = read_onnx(path)
    assert ops(table.layers()) == [Op.CONV, Op.RELU]
    assert table.topology.outputs == (1, 2)


def test_norm_of_an_image_is_a_depthwise_convolution(tmp_path):
    norm = dict.fromkeys("stmv", (3,))
    table = read_onnx(
        save(
            tmp_path / "n.onnx",
            [node("BatchNormalization", "x s t m v", "n"), node("Relu", "n", "y")],
            constants=norm,
        )
    )
    (layer,) = table.layers()
    assert summary(layer) == (Op.DEPTHWISE, (8, 8, 3), (8, 8, 3), (1, 1), (1, 1))
    assert layer.activation
    assert (table.weights.sum(), table.biases.sum()) == (3, 3)


@pytest.mark.parametrize(
    ("nodes", "op"),
    [
        ([node("Add", "x x", "a"), node("Relu", "a", "y")], Op.ADD),
        ([node("MaxPool", "x", "a", kernel_shape=[2, 2]), node("Relu", "a", "y")], Op.POOL),
        ([node("GlobalAveragePool", "x", "a"), node("Relu", "a", "y")], Op.GLOBAL_POOL),
    ],
)
def test_clamps_fuse_into_what_computes(read, nodes, op):
    (layer,) = read(nodes)
    assert (layer.op, bool(layer.activation)) == (op, True)


def test_clamps_do_not_fuse_into_what_only_moves(read):
    nodes = [node("Concat", "x x", "a", axis=1), node("Relu", "a", "y")]
    assert ops(read(nodes)) == [Op.CONCAT, Op.RELU]
    assert ops(read([node("Relu", "x", "y")])) == [Op.RELU]


def test_decomposed_activations_are_one_layer(read):
    """Hard swish as PyTorch wrote it before ONNX had it: x * clip(x + 3, 0, 6) / 6."""
    nodes = [
        CONV,
        node("Add", "c three", "a"),
        node("Clip", "a zero six", "d"),
        node("Mul", "c d", "e"),
        node("Div", "e six", "y"),
    ]
    numbers = {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)}
    layers = read(nodes, constants=WEIGHTS | numbers)
    assert [(layer.op, layer.inputs) for layer in layers] == [
        (Op.CONV, (0,)),
        (Op.ELEMENTWISE, (1,)),
    ]


def test_a_product_with_a_function_that_others_read_stays_a_product(read):
    nodes = [
        CONV,
        node("Sigmoid", "c", "s"),
        node("Mul", "c s", "m"),
        node("Add", "m s", "y"),
    ]
    layers = read(nodes, constants=WEIGHTS)
    assert ops(layers) == [Op.CONV, Op.SIGMOID, Op.MUL, Op.ADD]


def test_a_clamp_after_a_swish_joins_it(read):
    nodes = [CONV, node("Sigmoid", "c", "s"), node("Mul", "s c", "m"), node("Relu", "m", "y")]
    layers = read(nodes, constants=WEIGHTS)
    assert ops(layers) == [Op.CONV, Op.ELEMENTWISE]
    assert layers[-1].activation


def test_swish(read):
    layers = read([CONV, node("Sigmoid", "c", "s"), node("Mul", "c s", "y")], constants=WEIGHTS)
    assert [(layer.op, layer.inputs) for layer in layers] == [
        (Op.CONV, (0,)),
        (Op.ELEMENTWISE, (1,)),
    ]


def test_squeeze_and_excitation(read):
    nodes = [
        CONV,
        node("ReduceMean", "c", "g", axes=[2, 3], keepdims=1),
        node("Conv", "g w1", "h", "squeeze"),
        node("Relu", "h", "i"),
        node("Conv", "i w2", "j", "excite"),
        node("Sigmoid", "j", "k"),
        node("Mul", "k c", "y", "scale"),
    ]
    layers = read(nodes, constants=WEIGHTS | {"w1": (2, 4, 1, 1), "w2": (4, 2, 1, 1)})
    assert ops(layers) == [Op.CONV, Op.GLOBAL_POOL, Op.CONV, Op.CONV, Op.SIGMOID, Op.MUL]
    assert layers[2].activation
    # The image comes first, whichever way the file has it.
    assert layers[-1].inputs == (1, 5)
    assert summary(layers[-1])[:3] == (Op.MUL, (8, 8, 4), (8, 8, 4))
