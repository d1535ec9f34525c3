"""Transpositions that only rename axes are free, whatever the exporter."""

import numpy as np
import pytest
from onnx_files import (
    CONV,
    WEIGHTS,
    node,
    ops,
    summary,
)

from mcu_nas_moo.networks.layer import Op


def to_first(source, target):
    return node("Transpose", source, target, perm=[0, 3, 1, 2])


def to_last(source, target):
    return node("Transpose", source, target, perm=[0, 2, 3, 1])


def test_channels_last_files_as_tf2onnx_writes_them(read):
    nodes = [
        node("Mul", "x k", "scaled"),
        to_first("scaled", "t"),
        node("Conv", "t w", "c", "conv", strides=[2, 2]),
        to_last("c", "u"),
        node("Add", "u b", "v"),
        node("Relu", "v", "r"),
        to_first("r", "s"),
        node("MaxPool", "s", "p", kernel_shape=[2, 2], strides=[2, 2]),
        to_last("p", "q"),
        node("Reshape", "q flat", "f"),
        node("MatMul", "f fc", "m"),
        node("Add", "m fb", "n"),
        node("Softmax", "n", "y"),
    ]
    numbers = {
        "k": (3,),
        "w": (4, 3, 3, 3),
        "b": (4,),
        "flat": np.array([-1, 4 * 2 * 4]),
        "fc": (32, 5),
        "fb": (5,),
    }
    layers = read(nodes, (1, 11, 19, 3), numbers)
    assert [summary(layer)[:3] for layer in layers] == [
        (Op.ELEMENTWISE, (11, 19, 3), (11, 19, 3)),
        (Op.CONV, (11, 19, 3), (5, 9, 4)),
        (Op.POOL, (5, 9, 4), (2, 4, 4)),
        (Op.DENSE, (1, 1, 32), (1, 1, 5)),
        (Op.SOFTMAX, (1, 1, 5), (1, 1, 5)),
    ]
    assert layers[1].activation


def test_vectors_become_images_in_the_layout_that_their_reader_wants(read):
    """Keyword spotting: a vector of features is reshaped to (1, height, width, 1)."""
    nodes = [node("Reshape", "x s", "r"), to_first("r", "t"), node("Conv", "t w", "y")]
    layers = read(nodes, (1, 490), {"s": np.array([1, 49, 10, 1]), "w": (8, 1, 10, 4)})
    assert [summary(layer)[:3] for layer in layers] == [(Op.CONV, (49, 10, 1), (40, 7, 8))]


@pytest.mark.parametrize(
    ("x", "perm", "free"),
    [
        ((1, 3, 8, 6), [0, 2, 3, 1], True),
        ((1, 3, 8), [0, 2, 1], True),
        ((1, 4, 1, 1), [0, 3, 2, 1], True),
        ((1, 1, 8, 6), [0, 2, 3, 1], True),
        ((1, 3, 8, 6), [0, 1, 3, 2], False),
        ((1, 3, 8, 6), [0, 3, 2, 1], False),
        ((1, 2, 3, 8, 6), [0, 2, 1, 3, 4], False),
    ],
)
def test_transpositions(read, x, perm, free):
    # The reshape fixes the layout: what comes from a convolution has the channels first.
    conv = node("Conv", "x w", "c", "conv")
    flat = (x[0], int(np.prod(x[1:-2])), *x[-2:]) if len(x) > 3 else x
    nodes = [
        conv,
        node("Reshape", "c s", "r"),
        node("Transpose", "r", "t", perm=perm),
        node("Sigmoid", "t", "y"),
    ]
    kernel = (1,) * (len(flat) - 2)
    layers = read(nodes, flat, {"w": (flat[1], flat[1], *kernel), "s": np.array(x)})
    assert ops(layers) == [Op.CONV, *[Op.COPY] * (not free), Op.SIGMOID]


def test_channel_shuffle_is_one_copy(read):
    nodes = [
        CONV,
        node("Reshape", "c five", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "t four", "s"),
        node("Conv", "s v", "y"),
    ]
    numbers = {"five": np.array([1, 2, 2, 8, 8]), "four": np.array([1, 4, 8, 8])}
    layers = read(nodes, constants=WEIGHTS | numbers | {"v": (4, 4, 1, 1)})
    assert [summary(layer)[:3] for layer in layers[1:]] == [
        (Op.COPY, (8, 8, 4), (8, 8, 4)),
        (Op.CONV, (8, 8, 4), (8, 8, 4)),
    ]


def test_a_detector_head_reshapes_for_free(read):
    nodes = [CONV, to_last("c", "t"), node("Reshape", "t s", "r"), node("Sigmoid", "r", "y")]
    layers = read(nodes, constants=WEIGHTS | {"s": np.array([1, -1, 2])})
    assert [summary(layer)[:3] for layer in layers] == [
        (Op.CONV, (8, 8, 3), (8, 8, 4)),
        (Op.SIGMOID, (1, 128, 2), (1, 128, 2)),
    ]


def test_a_layout_that_the_reader_does_not_want_is_copied(read):
    """A convolution that takes the rows of a channels-last image for channels."""
    nodes = [CONV, to_last("c", "t"), node("Conv", "t v", "y", "odd")]
    layers = read(nodes, constants=WEIGHTS | {"v": (2, 8, 1, 1)})
    assert ops(layers) == [Op.CONV, Op.COPY, Op.CONV]
    assert summary(layers[-1])[:3] == (Op.CONV, (8, 4, 8), (8, 4, 2))
