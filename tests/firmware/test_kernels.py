"""Kernels against ONNX's QLinearConv by onnxruntime, over shapes that subnets do not have."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
from host_network import compile_for_host
from onnx import TensorProto, helper, numpy_helper

SOURCE = r"""
#include "kernels.h"
MCU_NAS_DEPTHWISE(3, 1) MCU_NAS_DEPTHWISE(3, 2) MCU_NAS_DEPTHWISE(5, 1)
MCU_NAS_DEPTHWISE(5, 2) MCU_NAS_DEPTHWISE(7, 1) MCU_NAS_DEPTHWISE(7, 2)

int32_t nearest(float value) { return mcu_nas_round(value); }
float nearest_float(float value) { return nearbyintf(value); }
long long nearest_double(double value) { return llrint(value); }
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
    library.nearest_float.argtypes = [ctypes.c_float]
    library.nearest_float.restype = ctypes.c_float
    library.nearest_double.argtypes = [ctypes.c_double]
    library.nearest_double.restype = ctypes.c_longlong
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
    graph = helper.make_graph(
        [node],
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.INT8, p["in"].shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT8, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in tensors.items()],
    )
    model = helper.make_model(
        graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]
    ).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": p["in"].astype(np.int8)})[0][0]


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
    library.convolve(*(ctypes.c_void_p(array.ctypes.data) for array in arrays))
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
    assert [kernels.nearest_float(v) for v in values] == np.rint(values).tolist()
    doubles = np.concatenate([np.arange(-600, 600) / 2, [2.0**40 + 0.5, -(2.0**40) - 1.5]])
    assert [kernels.nearest_double(v) for v in doubles] == np.rint(doubles).astype(int).tolist()


@pytest.mark.parametrize("zero_point", [-128, -3, 0, 127])
def test_sums_of_any_size_saturate(kernels, zero_point):
    sums = np.array([-(2**31), -(2**24) - 1, -300, -1, 0, 1, 300, 2**24 + 1, 2**31 - 1])
    for multiplier in np.array([1e-9, 0.004, 0.5, 1.0, 30.0], dtype=np.float32):
        scaled = sums.astype(np.float32) * multiplier
        expected = np.clip(np.rint(scaled) + np.float32(zero_point), -128, 127).astype(int)
        found = [kernels.requantise(int(s), multiplier, zero_point) for s in sums]
        assert found == expected.tolist()
