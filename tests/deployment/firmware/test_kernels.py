"""Kernels against the operators of onnxruntime, over shapes and scales that subnets do not have."""

from __future__ import annotations

import ctypes
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
from host_network import compile_for_host
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

SOURCE = r"""
#include "kernels/convolution.h"
#include "kernels/add.h"
MCU_NAS_DEPTHWISE(3, 1) MCU_NAS_DEPTHWISE(3, 2) MCU_NAS_DEPTHWISE(5, 1)
MCU_NAS_DEPTHWISE(5, 2) MCU_NAS_DEPTHWISE(7, 1) MCU_NAS_DEPTHWISE(7, 2)

int32_t nearest(float value) { return mcu_nas_round(value); }
float fused(float a, float b, float c) { return mcu_nas_fma(a, b, c); }
void add(const int8_t *a, const int8_t *b, int8_t *out, int count, const float *scales,
         const int32_t *zero_points) {
    mcu_nas_add(a, b, out, count, scales[0], zero_points[0], scales[1], zero_points[1], scales[2],
                zero_points[2]);
}
void dense(const int8_t *in, int8_t *out, int rows, const int8_t *weights, const int32_t *bias,
           const float *scales, const int32_t *zero_points, const float *weight_scales,
           const int32_t *shape) {
    const mcu_nas_quantisation q = {scales[0], weight_scales, scales[1], zero_points[0],
                                    zero_points[1]};
    for (int row = 0; row < rows; ++row) {
        mcu_nas_pointwise(in + row * shape[0], out + row * shape[1], weights, bias, &q, shape[0],
                          shape[1], 1);
    }
}
int8_t requantise(int32_t sum, float multiplier, int32_t zero_point) {
    return mcu_nas_requantise(sum, multiplier, zero_point);
}
void convolve(const int8_t *in, int8_t *out, const int8_t *weights, const int32_t *bias,
              const float *scales, const int32_t *zero_points, const float *weight_scales,
              const int32_t *shape, int8_t *plane) {
    const int channels = shape[0], outputs = shape[1], kernel = shape[2], groups = shape[3];
    const mcu_nas_geometry g = {shape[4], shape[5], shape[6], shape[7], shape[8], shape[9]};
    const mcu_nas_quantisation q = {scales[0], weight_scales, scales[1], zero_points[0],
                                    zero_points[1]};
    if (kernel == 1 && groups == 1) {
        mcu_nas_pointwise(in, out, weights, bias, &q, channels, outputs, shape[4] * shape[5]);
    } else if (groups == 1) {
        mcu_nas_convolution(in, out, weights, bias, &q, channels, outputs, kernel, &g);
    } else {
        switch (kernel * 10 + g.stride) {
        case 31: mcu_nas_depthwise_3x3s1(in, out, weights, bias, &q, channels, &g, plane); break;
        case 32: mcu_nas_depthwise_3x3s2(in, out, weights, bias, &q, channels, &g, plane); break;
        case 51: mcu_nas_depthwise_5x5s1(in, out, weights, bias, &q, channels, &g, plane); break;
        case 52: mcu_nas_depthwise_5x5s2(in, out, weights, bias, &q, channels, &g, plane); break;
        case 71: mcu_nas_depthwise_7x7s1(in, out, weights, bias, &q, channels, &g, plane); break;
        case 72: mcu_nas_depthwise_7x7s2(in, out, weights, bias, &q, channels, &g, plane); break;
        }
    }
}
"""


@pytest.fixture(scope="module", params=["words", "bytes"])
def kernels(request, tmp_path_factory):
    """The kernels, with loads of four pixels at once and without."""
    folder = tmp_path_factory.mktemp("kernels")
    source = folder / "kernels.c"
    source.write_text(SOURCE)
    flags = ("-D__ARM_FEATURE_UNALIGNED=1",) if request.param == "words" else ()
    library = compile_for_host(folder, source, flags=flags)
    library.nearest.argtypes = [ctypes.c_float]
    library.fused.argtypes = [ctypes.c_float] * 3
    library.fused.restype = ctypes.c_float
    library.requantise.argtypes = [ctypes.c_int32, ctypes.c_float, ctypes.c_int32]
    library.requantise.restype = ctypes.c_int8
    return library


class Convolution(NamedTuple):
    channels: int
    outputs: int
    kernel: int
    stride: int
    groups: int
    height: int
    width: int

    @property
    def padding(self):
        return self.kernel // 2

    @property
    def out_size(self):
        return tuple(
            (side + 2 * self.padding - self.kernel) // self.stride + 1
            for side in (self.height, self.width)
        )


CONVOLUTIONS = [
    Convolution(3, 5, 3, 1, 1, 9, 7),
    Convolution(4, 3, 3, 2, 1, 8, 11),
    Convolution(2, 2, 5, 1, 1, 3, 2),
    Convolution(7, 6, 1, 1, 1, 5, 5),
    Convolution(1, 1, 1, 1, 1, 1, 3),
    Convolution(16, 9, 1, 1, 1, 7, 7),
    *(
        Convolution(5, 5, kernel, stride, 5, height, width)
        for kernel in (3, 5, 7)
        for stride in (1, 2)
        for height, width in ((8, 8), (5, 9), (2, 2), (1, 6))
    ),
]


def quantised_convolution(shape, rng):
    """Random parameters; scales such that some outputs saturate and most do not."""
    per_output = shape.channels // shape.groups
    count = per_output * shape.kernel**2
    return {
        "in": rng.integers(-128, 128, (1, shape.channels, shape.height, shape.width)),
        "weights": rng.integers(-127, 128, (shape.outputs, per_output, *[shape.kernel] * 2)),
        "bias": rng.integers(-4000, 4000, shape.outputs),
        "weight_scales": rng.uniform(0.5, 2, shape.outputs) / (60 * np.sqrt(count)),
        "scales": rng.uniform(0.5, 1.5, 2),
        "zero_points": rng.integers(-128, 128, 2),
    }


def by_onnxruntime(shape, p):
    tensors = {
        "x_scale": np.float32(p["scales"][0]),
        "x_zero": np.int8(p["zero_points"][0]),
        "w": p["weights"].astype(np.int8),
        "w_scale": p["weight_scales"].astype(np.float32),
        "w_zero": np.zeros(shape.outputs, np.int8),
        "y_scale": np.float32(p["scales"][1]),
        "y_zero": np.int8(p["zero_points"][1]),
        "b": p["bias"].astype(np.int32),
    }
    node = helper.make_node(
        "QLinearConv",
        ["x", *tensors],
        ["y"],
        kernel_shape=[shape.kernel] * 2,
        strides=[shape.stride] * 2,
        pads=[shape.padding] * 4,
        group=shape.groups,
    )
    return run_node(node, tensors, {"x": p["in"].astype(np.int8)})[0]


def run_node(node, constants, inputs):
    """Output of one operator."""
    graph = helper.make_graph(
        [node],
        "operator",
        [helper.make_tensor_value_info(k, TensorProto.INT8, v.shape) for k, v in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.INT8, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, ir_version=8, opset_imports=domains).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def addresses(*arrays):
    return [ctypes.c_void_p(array.ctypes.data) for array in arrays]


def by_kernels(library, shape, p, in_place=False):
    size = (shape.height + 2 * shape.padding) * (shape.width + 2 * shape.padding)
    out = np.zeros((shape.outputs, *shape.out_size), np.int8)
    source = p["in"].astype(np.int8)
    target = source if in_place else out
    arrays = [
        source,
        target,
        p["weights"].astype(np.int8),
        p["bias"].astype(np.int32),
        p["scales"].astype(np.float32),
        p["zero_points"].astype(np.int32),
        p["weight_scales"].astype(np.float32),
        np.array(
            [
                *(shape.channels, shape.outputs, shape.kernel, shape.groups),
                *(shape.height, shape.width, *shape.out_size, shape.stride, shape.padding),
            ],
            dtype=np.int32,
        ),
        np.zeros(size, np.int8),
    ]
    library.convolve(*addresses(*arrays))
    return target.ravel()[: out.size].reshape(out.shape)


@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=lambda s: "-".join(map(str, s)))
def test_convolutions_equal_those_of_onnxruntime(kernels, shape):
    rng = np.random.default_rng(list(shape))
    for _ in range(5):
        parameters = quantised_convolution(shape, rng)
        expected = by_onnxruntime(shape, parameters)
        np.testing.assert_array_equal(by_kernels(kernels, shape, parameters), expected)


@pytest.mark.parametrize("shape", [s for s in CONVOLUTIONS if s.groups > 1][::3], ids=str)
def test_depthwise_convolutions_may_overwrite_their_input(kernels, shape):
    parameters = quantised_convolution(shape, np.random.default_rng(1))
    apart = by_kernels(kernels, shape, parameters)
    np.testing.assert_array_equal(by_kernels(kernels, shape, parameters, in_place=True), apart)


def test_rounding_is_to_nearest_with_ties_to_even(kernels):
    values = np.concatenate(
        [np.arange(-600, 600) / 2, np.random.default_rng(0).normal(0, 300, 2000), [-0.0]]
    ).astype(np.float32)
    assert [kernels.nearest(v) for v in values] == np.rint(values).astype(int).tolist()


@pytest.mark.parametrize("zero_point", [-128, -3, 0, 127])
def test_sums_of_any_size_saturate(kernels, zero_point):
    sums = np.array([-(2**31), -(2**24) - 1, -300, -1, 0, 1, 300, 2**24 + 1, 2**31 - 1])
    for multiplier in np.array([1e-9, 0.004, 0.5, 1.0, 30.0], dtype=np.float32):
        scaled = sums.astype(np.float32) * multiplier
        expected = np.clip(np.rint(scaled) + np.float32(zero_point), -128, 127).astype(int)
        found = [kernels.requantise(int(s), multiplier, zero_point) for s in sums]
        assert found == expected.tolist()


def additions():
    """Scales and zero points of additions: any, and those with many sums half-way between two."""
    rng = np.random.default_rng(0)
    for number in range(30):
        scales = rng.uniform(0.005, 0.1, 2).astype(np.float32)
        if number % 3 == 0:
            scales[1] = scales[0]
            total = np.float32(2) * scales[0]
        else:
            total = np.float32(rng.uniform(0.6, 1.2) * scales.sum())
        yield np.array([*scales, total], np.float32), rng.integers(-128, 128, 3).astype(np.int32)


def test_additions_equal_those_of_onnxruntime_for_every_pair(kernels):
    values = np.arange(-128, 128, dtype=np.int8)
    a, b = (grid.ravel().copy() for grid in np.meshgrid(values, values))
    names = ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"]
    node = helper.make_node("QLinearAdd", names, ["y"], domain="com.microsoft")
    for scales, zero_points in additions():
        constants = dict(zip(("sa", "sb", "sy"), scales, strict=True))
        constants |= dict(zip(("za", "zb", "zy"), zero_points.astype(np.int8), strict=True))
        expected = run_node(node, constants, {"a": a, "b": b})
        for target in (np.zeros_like(a), a.copy(), b.copy()):
            # A separate output, and one that overwrites either input.
            first = target if (target == a).all() else a
            second = target if (target == b).all() else b
            pointers = addresses(first, second, target)
            kernels.add(*pointers, len(a), *addresses(scales, zero_points))
            np.testing.assert_array_equal(target, expected)


def test_dense_layers_equal_those_of_onnxruntime(kernels):
    rng = np.random.default_rng(0)
    inputs, outputs, rows = 3, 4000, 300
    names = ["x", "sx", "zx", "w", "sw", "zw", "b", "sy", "zy"]
    node = helper.make_node("QGemm", names, ["y"], domain="com.microsoft", transB=1)
    x = rng.integers(-128, 128, (rows, inputs)).astype(np.int8)
    weights = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    bias = rng.integers(-30000, 30000, outputs).astype(np.int32)
    weight_scales = rng.uniform(0.0005, 0.01, outputs).astype(np.float32)
    scales = np.array([0.05, 0.03], np.float32)
    zero_points = np.array([-7, 11], np.int32)
    constants = {
        "sx": scales[0],
        "zx": np.int8(zero_points[0]),
        "w": weights,
        "sw": weight_scales,
        "zw": np.zeros(outputs, np.int8),
        "b": bias,
        "sy": scales[1],
        "zy": np.int8(zero_points[1]),
    }
    expected = run_node(node, constants, {"x": x})
    assert (np.abs(expected) < 127).mean() > 0.3
    found = np.zeros_like(expected)
    shape = np.array([inputs, outputs], np.int32)
    parameters = addresses(weights, bias, scales, zero_points, weight_scales, shape)
    kernels.dense(*addresses(x, found), rows, *parameters)
    np.testing.assert_array_equal(found, expected)


def floats(exponents):
    return st.builds(
        lambda mantissa, exponent: float(np.float32(np.ldexp(float(mantissa), exponent))),
        st.integers(-(2**24), 2**24),
        st.integers(*exponents),
    )


@given(floats((-30, -10)), floats((-30, -10)), floats((-60, 0)))
def test_fused_products_and_sums_are_the_nearest_float(kernels, a, b, c):
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    found = kernels.fused(a, b, c)
    distance = abs(Fraction(found) - exact)
    for side in (-np.inf, np.inf):
        neighbour = float(np.nextafter(np.float32(found), np.float32(side)))
        assert distance <= abs(Fraction(neighbour) - exact)
