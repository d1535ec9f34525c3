"""ONNX files as layer tables: one small file for each rule."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from onnx_files import (
    CONV,
    FLOAT,
    SAME,
    WEIGHTS,
    node,
    ops,
    pads,
    save,
    summary,
)

from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx_reader import read_onnx
from mcu_nas_moo.networks.operators import onnx_readers


@pytest.mark.parametrize(
    ("x", "weights", "attributes", "expected", "n_weights"),
    [
        ((1, 3, 8, 8), (4, 3, 3, 3), SAME, (Op.CONV, (8, 8, 3), (8, 8, 4), (3, 3), (1, 1)), 108),
        (
            (1, 3, 9, 7),
            (4, 3, 5, 3),
            {"strides": [2, 1]},
            (Op.CONV, (9, 7, 3), (3, 5, 4), (5, 3), (2, 1)),
            4 * 3 * 15,
        ),
        (
            (1, 8, 8, 8),
            (4, 2, 1, 1),
            {"group": 4},
            (Op.CONV, (8, 8, 8), (8, 8, 4), (1, 1), (1, 1)),
            8,
        ),
        (
            (1, 4, 8, 8),
            (4, 1, 3, 3),
            SAME | {"group": 4, "strides": [2, 2]},
            (Op.DEPTHWISE, (8, 8, 4), (4, 4, 4), (3, 3), (2, 2)),
            36,
        ),
        (
            (1, 4, 8, 8),
            (12, 1, 3, 3),
            SAME | {"group": 4},
            (Op.DEPTHWISE, (8, 8, 4), (8, 8, 12), (3, 3), (1, 1)),
            108,
        ),
        # One channel in one group is a full convolution.
        ((1, 1, 8, 8), (4, 1, 3, 3), SAME, (Op.CONV, (8, 8, 1), (8, 8, 4), (3, 3), (1, 1)), 36),
        # Dilation spreads the kernel, it has no more weights.
        (
            (1, 3, 8, 8),
            (4, 3, 3, 3),
            {"dilations": [2, 2]},
            (Op.CONV, (8, 8, 3), (4, 4, 4), (3, 3), (1, 1)),
            108,
        ),
        # A sequence is an image of height 1.
        (
            (1, 40, 98),
            (16, 40, 9),
            {"strides": [2]},
            (Op.CONV, (1, 98, 40), (1, 45, 16), (1, 9), (1, 2)),
            16 * 40 * 9,
        ),
        (
            (1, 6, 20),
            (6, 1, 3),
            {"group": 6, "auto_pad": "SAME_UPPER"},
            (Op.DEPTHWISE, (1, 20, 6), (1, 20, 6), (1, 3), (1, 1)),
            18,
        ),
    ],
)
def test_convolutions(tmp_path, x, weights, attributes, expected, n_weights):
    nodes = [node("Conv", "x w", "c", "conv", **attributes)]
    table = read_onnx(save(tmp_path / "n.onnx", nodes, x, {"w": weights}))
    (layer,) = table.layers()
    assert summary(layer) == expected
    assert (layer.name, layer.inputs, bool(layer.activation)) == ("conv", (0,), False)
    height, width, channels = expected[2]
    assert table.weights.sum() == n_weights
    assert table.biases.sum() == channels
    assert table.macs.sum() == n_weights * height * width


@pytest.mark.parametrize(
    ("x", "nodes", "constants", "before", "after"),
    [
        ((1, 6), [node("Gemm", "x w b", "y", transB=1)], {"w": (4, 6), "b": (4,)}, 1, 1),
        ((1, 6), [node("Gemm", "x w", "y")], {"w": (6, 4)}, 1, 1),
        (
            (1, 6),
            [node("MatMul", "x w", "m"), node("Add", "m b", "y")],
            {"w": (6, 4), "b": (4,)},
            1,
            1,
        ),
        (
            (1, 6),
            [node("MatMul", "x w", "m"), node("Add", "b m", "y")],
            {"w": (6, 4), "b": (4,)},
            1,
            1,
        ),
        ((1, 7, 6), [node("MatMul", "x w", "y")], {"w": (6, 4)}, 7, 7),
        ((1, 5, 7, 6), [node("MatMul", "x w", "y")], {"w": (6, 4)}, 35, 35),
        (
            (1, 7, 6),
            [node("Reshape", "x s", "r"), node("Gemm", "r w", "y")],
            {"w": (6, 4), "s": np.array([-1, 6])},
            7,
            7,
        ),
    ],
)
def test_dense(tmp_path, x, nodes, constants, before, after):
    table = read_onnx(save(tmp_path / "n.onnx", nodes, x, constants))
    (layer,) = table.layers()
    assert (layer.op, layer.in_channels, layer.out_channels) == (Op.DENSE, 6, 4)
    assert np.prod(layer.in_size) == before
    assert np.prod(layer.out_size) == after
    assert table.macs.sum() == 24 * after


def test_flattened_image_into_dense(read):
    layers = read(
        [CONV, node("Flatten", "c", "f"), node("Gemm", "f v", "y", "fc")],
        constants=WEIGHTS | {"v": (4 * 8 * 8, 10)},
    )
    assert summary(layers[1]) == (Op.DENSE, (1, 1, 256), (1, 1, 10), (1, 1), (1, 1))


def test_residual_and_sums(read):
    layers = read([CONV, node("Add", "x3 c", "y")], constants=WEIGHTS | {"x3": (1, 4, 8, 8)})
    assert ops(layers) == [Op.CONV, Op.ELEMENTWISE]
    relu = node("LeakyRelu", "x", "r")
    layers = read([relu, node("Sum", "x r x r", "y", "sum")])
    assert [(layer.op, layer.inputs, layer.output) for layer in layers] == [
        (Op.ELEMENTWISE, (0,), 1),
        (Op.ADD, (0, 1), 2),
        (Op.ADD, (2, 0), 3),
        (Op.ADD, (3, 1), 4),
    ]
    assert len({layer.name for layer in layers}) == 4
    for op, expected in (("Sub", Op.ADD), ("Max", Op.ADD)):
        assert ops(read([relu, node(op, "x r", "y")])) == [Op.ELEMENTWISE, expected]
    other = node("MaxPool", "x", "r", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    assert ops(read([other, node("Div", "x r", "y")])) == [Op.POOL, Op.MUL]


def test_concat(read):
    nodes = [CONV, node("Concat", "x c x", "y", "cat", axis=1)]
    layer = read(nodes, constants=WEIGHTS)[-1]
    assert (layer.op, layer.inputs, layer.out_channels) == (Op.CONCAT, (0, 1, 0), 10)
    (alone,) = read([CONV, node("Concat", "c", "y", axis=1)], constants=WEIGHTS)
    assert alone.op == Op.CONV


def test_split_gives_a_copy_for_each_output_that_is_used(read):
    nodes = [
        CONV,
        node("Split", "c", "p q", "split", axis=1),
        node("LeakyRelu", "p", "r"),
        node("Concat", "r q", "y", axis=1),
    ]
    layers = read(nodes, constants=WEIGHTS)
    assert [(layer.op, layer.inputs, layer.out_channels) for layer in layers[1:]] == [
        (Op.COPY, (1,), 2),
        (Op.COPY, (1,), 2),
        (Op.ELEMENTWISE, (2,), 2),
        (Op.CONCAT, (4, 3), 4),
    ]


def test_several_outputs_live_to_the_end(tmp_path):
    nodes = [CONV, node("Sigmoid", "c", "scores"), node("Tanh", "c", "boxes")]
    path = save(tmp_path / "n.onnx", nodes, constants=WEIGHTS, outputs=["scores", "boxes"])
    table = read_onnx(path)
    assert table.topology.outputs == (2, 3)
    assert table.topology.last_use.tolist() == [0, 2, 3, 3]


PAD = node("Pad", "x p", "q", "pad")
PADDED_CONV = [PAD, node("Conv", "q w", "y", "conv", strides=[2, 2])]


def test_zero_padding_is_part_of_the_window(read):
    (layer,) = read(PADDED_CONV, constants=WEIGHTS | pads(0, 0, 0, 0, 0, 0, 1, 1))
    assert summary(layer) == (Op.CONV, (8, 8, 3), (4, 4, 4), (3, 3), (2, 2))
    assert layer.inputs == (0,)
    pool = node("MaxPool", "q", "y", kernel_shape=[3, 3], strides=[2, 2])
    (layer,) = read([PAD, pool], constants=pads(0, 0, 1, 1, 0, 0, 1, 1))
    assert summary(layer) == (Op.POOL, (8, 8, 3), (4, 4, 3), (3, 3), (2, 2))


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Pad", "x p one", "q"), PADDED_CONV[1]], {"one": np.float32(1)}),
        ([node("Pad", "x p", "q", mode="reflect"), PADDED_CONV[1]], {}),
        ([*PADDED_CONV, node("Sigmoid", "q", "z")], {}),
        ([PAD, node("Sigmoid", "q", "y")], {}),
    ],
)
def test_other_padding_is_a_layer(tmp_path, nodes, constants):
    path = save(
        tmp_path / "n.onnx",
        nodes,
        constants=WEIGHTS | constants | pads(0, 0, 0, 0, 0, 0, 1, 1),
        outputs=[nodes[-1].output[0]] + (["y"] if len(nodes) == 3 else []),
    )
    layers = read_onnx(path).layers()
    assert summary(layers[0]) == (Op.PAD, (8, 8, 3), (9, 9, 3), (1, 1), (1, 1))
    assert layers[1].in_size == (9, 9)


def test_padding_of_channels_is_a_layer(read):
    nodes = [PAD, node("Conv", "q w", "y", "conv")]
    layers = read(nodes, constants={"w": (4, 5, 3, 3)} | pads(0, 1, 0, 0, 0, 1, 0, 0))
    assert ops(layers) == [Op.PAD, Op.CONV]


def test_padding_computed_by_the_graph(read):
    """PyTorch builds the padding from a list in its own order of axes."""
    nodes = [
        node("Constant", "", "mine", value_ints=[1, 1, 1, 1]),
        node("Constant", "", "zeros", value_ints=[0, 0, 0, 0]),
        node("Concat", "mine zeros", "all", axis=0),
        node("Reshape", "all two", "pairs"),
        node("Slice", "pairs start end axis step", "turned"),
        node("Transpose", "turned", "t", perm=[1, 0]),
        node("Reshape", "t flat", "p"),
        *PADDED_CONV,
    ]
    numbers = {
        "two": np.array([-1, 2]),
        "start": np.array([-1]),
        "end": np.array([-100]),
        "axis": np.array([0]),
        "step": np.array([-1]),
        "flat": np.array([-1]),
    }
    (layer,) = read(nodes, constants=WEIGHTS | numbers)
    assert summary(layer) == (Op.CONV, (8, 8, 3), (4, 4, 4), (3, 3), (2, 2))


def test_padding_as_an_attribute_of_old_operator_sets(read):
    nodes = [node("Pad", "x", "q", pads=[0, 0, 1, 1, 0, 0, 1, 1]), PADDED_CONV[1]]
    (layer,) = read(nodes, constants=WEIGHTS, opset=9)
    assert summary(layer)[1:3] == ((8, 8, 3), (4, 4, 4))


@pytest.mark.parametrize(
    ("x", "nodes", "expected"),
    [
        (
            (1, 3, 8, 8),
            [node("AveragePool", "x", "y", kernel_shape=[2, 4], strides=[2, 4])],
            (Op.POOL, (8, 8, 3), (4, 2, 3), (2, 4), (2, 4)),
        ),
        (
            (1, 3, 8),
            [node("MaxPool", "x", "y", kernel_shape=[2], strides=[2])],
            (Op.POOL, (1, 8, 3), (1, 4, 3), (1, 2), (1, 2)),
        ),
        (
            (1, 3, 8, 6),
            [node("GlobalMaxPool", "x", "y")],
            (Op.GLOBAL_POOL, (8, 6, 3), (1, 1, 3), (1, 1), (1, 1)),
        ),
        # A window over the whole image is a global pool by another name.
        (
            (1, 3, 8, 6),
            [node("AveragePool", "x", "y", kernel_shape=[8, 6])],
            (Op.GLOBAL_POOL, (8, 6, 3), (1, 1, 3), (1, 1), (1, 1)),
        ),
        (
            (1, 3, 8, 6),
            [node("ReduceMax", "x", "y", axes=[-1, -2], keepdims=0)],
            (Op.GLOBAL_POOL, (8, 6, 3), (1, 1, 3), (1, 1), (1, 1)),
        ),
        (
            (1, 3, 8),
            [node("ReduceMean", "x", "y", axes=[2])],
            (Op.GLOBAL_POOL, (1, 8, 3), (1, 1, 3), (1, 1), (1, 1)),
        ),
        # Over the frequencies of a spectrogram alone.
        (
            (1, 3, 8, 6),
            [node("ReduceMean", "x", "y", axes=[2], keepdims=0)],
            (Op.POOL, (8, 6, 3), (1, 6, 3), (8, 1), (8, 1)),
        ),
        (
            (1, 3, 8, 6),
            [node("ReduceMean", "x", "y", axes=[1])],
            (Op.ELEMENTWISE, (8, 6, 3), (8, 6, 1), (1, 1), (1, 1)),
        ),
        (
            (1, 3, 8, 6),
            [node("Resize", "x _ s", "y")],
            (Op.RESIZE, (8, 6, 3), (16, 12, 3), (1, 1), (1, 1)),
        ),
        (
            (1, 4, 8, 6),
            [node("DepthToSpace", "x", "y", blocksize=2)],
            (Op.COPY, (8, 6, 4), (16, 12, 1), (1, 1), (1, 1)),
        ),
        (
            (1, 4, 8, 6),
            [node("Tile", "x r", "y")],
            (Op.COPY, (8, 6, 4), (8, 12, 4), (1, 1), (1, 1)),
        ),
        (
            (1, 4, 8, 6),
            [node("Gather", "x i", "y", axis=1)],
            (Op.COPY, (8, 6, 4), (8, 6, 2), (1, 1), (1, 1)),
        ),
        (
            (1, 4, 8, 6),
            [node("Slice", "x i j a", "y")],
            (Op.COPY, (8, 6, 4), (8, 2, 4), (1, 1), (1, 1)),
        ),
    ],
)
def test_pools_and_copies(read, x, nodes, expected):
    constants = {
        "s": np.array([1, 1, 2, 2], np.float32),
        "r": np.array([1, 1, 1, 2]),
        "i": np.array([0, 1]),
        "j": np.array([8, 3]),
        "a": np.array([2, 3]),
    }
    (layer,) = read(nodes, x, constants)
    assert summary(layer) == expected


def test_axes_as_an_input_of_new_operator_sets(read):
    nodes = [node("ReduceMean", "x a", "y", keepdims=0)]
    (layer,) = read(nodes, constants={"a": np.array([2, 3])}, opset=18)
    assert layer.op == Op.GLOBAL_POOL


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Slice", "c zero eight two", "y")],
        [node("Split", "c", "y", axis=1)],
        [node("Tile", "c ones", "y")],
        [node("Expand", "c ones", "y")],
        [node("Pad", "c nil", "y")],
        [node("Resize", "c _ scale", "y")],
        [node("ReduceMean", "c", "y", axes=[0])],
        [node("Unsqueeze", "c two", "u"), node("Squeeze", "u two", "y")],
        [node("Shape", "c", "s"), node("Reshape", "c s", "y")],
    ],
)
def test_nothing_to_do_costs_nothing(read, nodes):
    constants = {
        "zero": np.array([0]),
        "eight": np.array([8]),
        "two": np.array([2]),
        "ones": np.array([1, 1, 1, 1]),
        "nil": np.zeros(8, np.int64),
        "scale": np.ones(4, np.float32),
    }
    assert ops(read([CONV, *nodes], constants=WEIGHTS | constants)) == [Op.CONV]


def test_reversal_is_no_idle_slice(read):
    numbers = {"i": np.array([-1]), "j": np.array([-100]), "a": np.array([3]), "k": np.array([-1])}
    assert ops(read([node("Slice", "x i j a k", "y")], constants=numbers)) == [Op.COPY]


def test_shape_arithmetic_is_evaluated(read):
    """Sizes of an upsampling computed as floats: shape inference alone does not follow that."""
    nodes = [
        CONV,
        node("Shape", "c", "s"),
        node("Slice", "s two four", "hw"),
        node("Cast", "hw", "f", to=FLOAT),
        node("Mul", "f half", "g"),
        node("Floor", "g", "h"),
        node("Cast", "h", "i", to=TensorProto.INT64),
        node("Slice", "s zero two", "nc"),
        node("Concat", "nc i", "sizes", axis=0),
        node("Resize", "c _ _ sizes", "r"),
        node("Shape", "r", "t"),
        node("Gather", "t zero0", "n", axis=0),
        node("Unsqueeze", "n zero", "n1"),
        node("Concat", "n1 minus", "flat", axis=0),
        node("Reshape", "r flat", "v"),
        node("Gemm", "v fc", "y"),
    ]
    numbers = {
        "two": np.array([2]),
        "four": np.array([4]),
        "zero": np.array([0]),
        "zero0": np.array(0),
        "minus": np.array([-1]),
        "half": np.float32([1.5]),
        "fc": (4 * 12 * 12, 7),
    }
    layers = read(nodes, constants=WEIGHTS | numbers)
    assert ops(layers) == [Op.CONV, Op.RESIZE, Op.DENSE]
    assert layers[1].out_size == (12, 12)


def test_dead_nodes_are_dropped(read):
    dead = node("LSTM", "c", "nowhere")
    layers = read([CONV, dead, node("Relu", "c", "y")], constants=WEIGHTS)
    assert ops(layers) == [Op.CONV]


def test_the_documentation_lists_the_operators():
    page = (Path(__file__).parents[3] / "docs" / "cost-model.md").read_text()
    listed = page.partition("## Operators")[2].partition(":")[2].rstrip(".\n")
    assert {name.strip() for name in listed.split(",")} == set(onnx_readers())
