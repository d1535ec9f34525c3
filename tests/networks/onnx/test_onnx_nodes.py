"""Quantised files read like the float ones that they stand for."""

import numpy as np
from onnx_files import (
    FLOAT,
    SAME,
    WEIGHTS,
    node,
    ops,
    pads,
)

from mcu_nas_moo.networks.layer import Op


def test_qdq_equals_float(read):
    qdq = []

    def wrap(source, target):
        qdq.append(node("QuantizeLinear", f"{source} scale zero", f"{target}_q"))
        qdq.append(node("DequantizeLinear", f"{target}_q scale zero", target))

    wrap("x", "x1")
    qdq.append(node("DequantizeLinear", "w_q scales zeros", "w", axis=0))
    qdq.append(node("DequantizeLinear", "b_q scales izeros", "b", axis=0))
    qdq.append(node("Conv", "x1 w b", "c", "conv", **SAME))
    wrap("c", "c1")
    qdq.append(node("Relu", "c1", "r"))
    wrap("r", "r1")
    qdq.append(node("Add", "r1 r1", "a", "add"))
    wrap("a", "a1")
    qdq.append(node("GlobalAveragePool", "a1", "g", "pool"))
    wrap("g", "g1")
    qdq.append(node("Flatten", "g1", "f"))
    qdq.append(node("DequantizeLinear", "v_q scale zero", "v"))
    qdq.append(node("Gemm", "f v", "y", "fc", transB=1))
    wrap("y", "logits")
    constants = {
        "scale": np.float32(0.1),
        "zero": np.int8(0),
        "scales": np.ones(4, np.float32),
        "zeros": np.zeros(4, np.int8),
        "izeros": np.zeros(4, np.int32),
        "w_q": np.zeros((4, 3, 3, 3), np.int8),
        "b_q": np.zeros(4, np.int32),
        "v_q": np.zeros((10, 4), np.int8),
    }
    plain = [
        node("Conv", "x w b", "c", "conv", **SAME),
        node("Relu", "c", "r"),
        node("Add", "r r", "a", "add"),
        node("GlobalAveragePool", "a", "g", "pool"),
        node("Flatten", "g", "f"),
        node("Gemm", "f v", "y", "fc", transB=1),
    ]
    layers = read(qdq, constants=constants)
    assert layers == read(plain, constants=WEIGHTS | {"v": (10, 4)})
    assert ops(layers) == [Op.CONV, Op.ADD, Op.GLOBAL_POOL, Op.DENSE]


def test_qoperator_format(read):
    ms = {"domain": "com.microsoft"}
    q = "s z"
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("QLinearConv", f"q {q} w {q} {q} b", "c", "conv", **SAME),
        node("QLinearLeakyRelu", f"c {q} {q}", "l", "leaky", **ms),
        node("QLinearAdd", f"c {q} l {q} {q}", "a", "add", **ms),
        node("QLinearMul", f"a {q} l {q} {q}", "m", "mul", **ms),
        node("QLinearConcat", f"{q} a {q} m {q}", "k", "concat", axis=1, **ms),
        node("QLinearAveragePool", f"k {q} {q}", "p", "pool", kernel_shape=[2, 2], **ms),
        node("QLinearSigmoid", f"p {q} {q}", "i", "sigmoid", **ms),
        node("QLinearGlobalAveragePool", f"i {q} {q}", "g", "mean", **ms),
        node("Flatten", "g", "f"),
        node("QLinearMatMul", f"f {q} v {q} {q}", "n", "matmul"),
        node("QGemm", f"n {q} u {q} b5 {q}", "o", "gemm", transB=1, **ms),
        node("QLinearSoftmax", f"o {q} {q}", "e", "softmax", axis=1, opset=13, **ms),
        node("DequantizeLinear", "e s z", "y"),
    ]
    constants = {
        "s": np.float32(1),
        "z": np.int8(0),
        "w": np.zeros((4, 3, 3, 3), np.int8),
        "b": np.zeros(4, np.int32),
        "v": np.zeros((8, 6), np.int8),
        "u": np.zeros((5, 6), np.int8),
        "b5": np.zeros(5, np.int32),
    }
    layers = read(nodes, constants=constants)
    assert [(layer.name, layer.op, layer.inputs, layer.out_channels) for layer in layers] == [
        ("conv", Op.CONV, (0,), 4),
        ("leaky", Op.ELEMENTWISE, (1,), 4),
        ("add", Op.ADD, (1, 2), 4),
        ("mul", Op.MUL, (3, 2), 4),
        ("concat", Op.CONCAT, (3, 4), 8),
        ("pool", Op.POOL, (5,), 8),
        ("sigmoid", Op.SIGMOID, (6,), 8),
        ("mean", Op.GLOBAL_POOL, (7,), 8),
        ("matmul", Op.DENSE, (8,), 6),
        ("gemm", Op.DENSE, (9,), 5),
        ("softmax", Op.SOFTMAX, (10,), 5),
    ]


def test_quantised_padding_fills_with_the_zero_point(read):
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("Pad", "q p z", "r"),
        node("QLinearConv", "r s z w s z s z", "c", "conv"),
    ]
    constants = {"s": np.float32(1), "z": np.int8(-7), "w": np.zeros((4, 3, 3, 3), np.int8)}
    (layer,) = read(nodes, constants=constants | pads(0, 0, 1, 1, 0, 0, 1, 1))
    assert (layer.op, layer.in_size, layer.out_size) == (Op.CONV, (8, 8), (8, 8))


def test_dynamically_quantised_files(read):
    """Scales measured while running become constants in int8, and fold into the convolution."""
    nodes = [
        node("DynamicQuantizeLinear", "x", "q xs xz"),
        node("ConvInteger", "q w xz wz", "c", "conv", **SAME),
        node("Cast", "c", "f", to=FLOAT),
        node("Mul", "xs ws", "scale"),
        node("Mul", "f scale", "m"),
        node("Relu", "m", "y"),
    ]
    constants = {
        "w": np.zeros((4, 3, 3, 3), np.int8),
        "wz": np.int8(0),
        "ws": np.float32(1),
    }
    (layer,) = read(nodes, constants=constants)
    assert (layer.name, layer.op, bool(layer.activation)) == ("conv", Op.CONV, True)
