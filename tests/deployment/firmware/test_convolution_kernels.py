"""Convolutions and dense layers against the operators of onnxruntime, over random shapes."""

from __future__ import annotations

import ctypes

import numpy as np
import onnxruntime
import pytest
from host_network import compile_for_host
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mcu_nas_moo.deployment.firmware.kernels.geometry import Geometry
from mcu_nas_moo.deployment.firmware.kernels.register import kernel_of
from mcu_nas_moo.deployment.firmware.kernels.weighted import folded
from mcu_nas_moo.deployment.firmware.network import read_network

#: Depthwise kernels that are compiled for their size and stride.
UNROLLED = [
    (rows, columns, stride)
    for rows, columns in ((1, 1), (3, 3), (5, 5), (7, 7), (1, 3), (3, 1), (2, 2), (4, 4), (6, 7))
    for stride in (1, 2)
]
#: What the host stands for: a core with the DSP extension, one with unaligned loads, and neither.
CORES = {"simd": ("-DMCU_NAS_SIMD=1",), "words": ("-D__ARM_FEATURE_UNALIGNED=1",), "bytes": ()}
GUARD = 16
SOURCE = r"""
#include "kernels/depthwise.h"
#define ARRAYS const int8_t *in, int8_t *out, const int8_t *weights, const mcu_nas_quantisation *q
#define DEPTHWISE(kernel)                                                                          \
    void depthwise_##kernel(ARRAYS, int n, const mcu_nas_geometry *g, int8_t *scratch) {           \
        mcu_nas_depthwise_##kernel(in, out, weights, q, n, g, scratch);                            \
    }
void dense(ARRAYS, int n, int m) { mcu_nas_dense(in, out, weights, q, n, m); }
void pointwise(ARRAYS, int n, int m, int pixels, int8_t *scratch) {
    mcu_nas_pointwise(in, out, weights, q, n, m, pixels, scratch);
}
void convolution(ARRAYS, int groups, int n, int m, const mcu_nas_geometry *g, int8_t *scratch) {
    mcu_nas_convolution(in, out, weights, q, groups, n, m, g, scratch);
}
DEPTHWISE(any)
int8_t requantise(int32_t sum, float multiplier, int32_t zero_point) {
    return mcu_nas_requantise(sum, multiplier, zero_point);
}
""" + "".join(
    f"MCU_NAS_DEPTHWISE({rows}, {columns}, {stride}) DEPTHWISE({rows}x{columns}s{stride})\n"
    for rows, columns, stride in UNROLLED
)


class Quantisation(ctypes.Structure):
    """mcu_nas_quantisation of convolution.h."""

    _fields_ = (
        ("biases", ctypes.c_void_p),
        ("multipliers", ctypes.c_void_p),
        ("input_zero_point", ctypes.c_int32),
        ("output_zero_point", ctypes.c_int32),
    )


@pytest.fixture(scope="module", params=list(CORES))
def kernels(request, tmp_path_factory):
    """The kernels as they are for one kind of core."""
    folder = tmp_path_factory.mktemp("kernels")
    source = folder / "kernels.c"
    source.write_text(SOURCE)
    library = compile_for_host(folder, source, flags=CORES[request.param])
    library.requantise.argtypes = [ctypes.c_int32, ctypes.c_float, ctypes.c_int32]
    library.requantise.restype = ctypes.c_int8
    library.simd = request.param == "simd"
    return library


@st.composite
def convolutions(draw, rank=2):
    """Attributes of a convolution, sizes of its input, channels and outputs."""
    sizes = [draw(st.integers(1, 13)) for _ in range(rank)]
    kernel = [draw(st.integers(1, 7)) for _ in range(rank)]
    dilations = [draw(st.sampled_from([1, 1, 1, 2, 3])) for _ in range(rank)]
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    attributes = {
        "kernel_shape": kernel,
        "dilations": dilations,
        "strides": [draw(st.sampled_from([1, 1, 2, 2, 3])) for _ in range(rank)],
        "pads": [draw(st.integers(0, extent - 1)) for extent in extents * 2],
    }
    return attributes, sizes, *draw(channels())


@st.composite
def channels(draw):
    """Groups, and inputs and outputs of all of them."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 5]))
    each = st.integers(1, 11) if groups == 1 else st.integers(1, 3)
    return groups, groups * draw(each), groups * draw(each)


@st.composite
def depthwise(draw):
    """Depthwise convolutions whose kernels are compiled one by one."""
    rows, columns, stride = draw(st.sampled_from(UNROLLED))
    attributes = {
        "kernel_shape": [rows, columns],
        "dilations": [1, 1],
        "strides": [draw(st.sampled_from([1, 2, 3])), stride],
        "pads": [draw(st.integers(0, side - 1)) for side in (rows, columns) * 2],
    }
    sizes = [draw(st.integers(1, 6)), draw(st.integers(1, 19))]
    return attributes, sizes, 3, 3, 3


@st.composite
def pointwise(draw):
    """1x1 convolutions."""
    attributes = {"kernel_shape": [1, 1], "dilations": [1, 1], "strides": [1, 1], "pads": [0] * 4}
    sizes = [draw(st.integers(1, 5)) for _ in range(2)]
    return attributes, sizes, 1, draw(st.integers(1, 23)), draw(st.integers(1, 9))


def quantised_convolution(shape, seed):
    """A network of one QLinearConv, its input and its output by onnxruntime.

    The scales are such that some outputs saturate and most do not.
    """
    attributes, sizes, groups, inputs, outputs = shape
    rng = np.random.default_rng(seed)
    kernel = attributes["kernel_shape"]
    taps = inputs // groups * int(np.prod(kernel))
    padded = np.array(sizes) + np.reshape(attributes["pads"], (2, -1)).sum(axis=0)
    extents = (np.array(kernel) - 1) * attributes["dilations"] + 1
    assume((padded >= extents).all())
    out_sizes = ((padded - extents) // attributes["strides"] + 1).tolist()
    zero_points = rng.choice([-128, -7, 0, 3, 127], 2)
    constants = {
        "x_scale": np.float32(rng.uniform(0.5, 1.5)),
        "x_zero": np.int8(zero_points[0]),
        "w": rng.integers(-127, 128, (outputs, inputs // groups, *kernel)).astype(np.int8),
        "w_scale": (rng.uniform(0.5, 2, outputs) / (60 * np.sqrt(taps))).astype(np.float32),
        "w_zero": np.zeros(outputs, np.int8),
        "y_scale": np.float32(rng.uniform(0.5, 1.5)),
        "y_zero": np.int8(zero_points[1]),
        "b": rng.integers(-4000, 4000, outputs).astype(np.int32),
    }
    node = helper.make_node("QLinearConv", ["x", *constants], ["y"], group=groups, **attributes)
    x = rng.integers(-128, 128, (1, inputs, *sizes)).astype(np.int8)
    model = network(node, constants, {"x": x}, (1, outputs, *out_sizes))
    return model, x, run(model, {"x": x})


def network(node, constants, inputs, out_shape):
    """A network of one operator."""
    graph = helper.make_graph(
        [node],
        "operator",
        [helper.make_tensor_value_info(k, TensorProto.INT8, v.shape) for k, v in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.INT8, out_shape)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, ir_version=8, opset_imports=domains)


def run(model, inputs):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


def sizes_of(geometry):
    """mcu_nas_geometry of convolution.h."""
    names = ("in_size", "out_size", "kernel", "stride", "dilation", "padding")
    return np.array([getattr(geometry, name) for name in names], np.int16)


def address(array):
    return ctypes.c_void_p(array.ctypes.data)


def by_kernel(library, model, x, in_place=False):
    """Output of the kernel; nothing else may be written but what it works in."""
    (node,) = read_network(model).nodes
    assert kernel_of(node).problem(node) is None
    geometry = Geometry.of(node)
    biases, multipliers = folded(node, 8, 6)
    weights = node.constant(3)
    room, out_size = geometry.scratch_bytes(library.simd), int(np.prod(node.output_shape))
    scratch = np.full(room + 2 * GUARD, 77, np.int8)
    target = np.full((x.size if in_place else out_size) + 2 * GUARD, 77, np.int8)
    source = target if in_place else np.full(x.size + 2 * GUARD, 77, np.int8)
    source[GUARD:-GUARD] = x.ravel()
    quantisation = Quantisation(
        address(biases), address(multipliers), node.zero_point(2), node.zero_point(7)
    )
    arrays = [address(source[GUARD:]), address(target[GUARD:]), address(weights)]
    arrays.append(ctypes.byref(quantisation))
    shape, work = sizes_of(geometry), address(scratch[GUARD:])
    name = geometry.function.removeprefix("mcu_nas_")
    function = getattr(library, name)
    channels, outputs, groups = geometry.channels, geometry.outputs, geometry.groups
    if name == "dense":
        function(*arrays, channels, outputs)
    elif name == "pointwise":
        function(*arrays, channels, outputs, int(np.prod(geometry.in_size)), work)
    elif name == "convolution":
        function(*arrays, groups, channels, outputs, address(shape), work)
    else:
        function(*arrays, groups, address(shape), work)
    for array in (scratch, source, target):
        assert (array[:GUARD] == 77).all()
        assert (array[-GUARD:] == 77).all()
    return target[GUARD : GUARD + out_size].reshape(node.output_shape)


MANY = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@MANY
@given(shape=st.one_of(convolutions(), convolutions(rank=1)), seed=st.integers(0, 2**32))
def test_any_convolution_is_that_of_onnxruntime(kernels, shape, seed):
    check(kernels, shape, seed)


@MANY
@given(shape=depthwise(), seed=st.integers(0, 2**32))
def test_unrolled_depthwise_convolutions(kernels, shape, seed):
    assert check(kernels, shape, seed).unrolled


@MANY
@given(shape=pointwise(), seed=st.integers(0, 2**32))
def test_pointwise_convolutions_and_dense_layers(kernels, shape, seed):
    assert check(kernels, shape, seed).pointwise


def check(kernels, shape, seed):
    """Compare with onnxruntime, depthwise convolutions also in place; returns the geometry."""
    model, x, expected = quantised_convolution(shape, seed)
    geometry = Geometry.of(read_network(model).nodes[0])
    # Not all of them are compiled here.
    assume(not geometry.unrolled or (*geometry.kernel, geometry.stride.x) in UNROLLED)
    np.testing.assert_array_equal(by_kernel(kernels, model, x), expected)
    if geometry.depthwise and expected.size <= x.size:
        np.testing.assert_array_equal(by_kernel(kernels, model, x, in_place=True), expected)
    return geometry


def test_dense_layers_equal_those_of_onnxruntime(kernels):
    """QGemm is one pixel of a pointwise convolution, over numbers half-way between two."""
    rng = np.random.default_rng(0)
    inputs, outputs = 3, 4000
    names = ["x", "sx", "zx", "w", "sw", "zw", "b", "sy", "zy"]
    node = helper.make_node("QGemm", names, ["y"], domain="com.microsoft", transB=1)
    x = rng.integers(-128, 128, (1, inputs)).astype(np.int8)
    constants = {
        "sx": np.float32(0.05),
        "zx": np.int8(-7),
        "w": rng.integers(-127, 128, (outputs, inputs)).astype(np.int8),
        "sw": rng.uniform(0.0005, 0.01, outputs).astype(np.float32),
        "zw": np.zeros(outputs, np.int8),
        "b": rng.integers(-30000, 30000, outputs).astype(np.int32),
        "sy": np.float32(0.03),
        "zy": np.int8(11),
    }
    model = network(node, constants, {"x": x}, (1, outputs))
    expected = run(model, {"x": x})
    assert (np.abs(expected) < 127).mean() > 0.3
    biases, multipliers = folded(read_network(model).nodes[0], 6, 7)
    quantisation = Quantisation(address(biases), address(multipliers), -7, 11)
    found = np.zeros_like(expected)
    arrays = (address(array) for array in (x, found, constants["w"]))
    kernels.dense(*arrays, ctypes.byref(quantisation), inputs, outputs)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("zero_point", [-128, -3, 0, 127])
def test_sums_of_any_size_saturate(kernels, zero_point):
    sums = np.array([-(2**31), -(2**24) - 1, -300, -1, 0, 1, 300, 2**24 + 1, 2**31 - 1])
    for multiplier in np.array([1e-9, 0.004, 0.5, 1.0, 30.0], dtype=np.float32):
        scaled = sums.astype(np.float32) * multiplier
        expected = np.clip(np.rint(scaled) + np.float32(zero_point), -128, 127).astype(int)
        found = [kernels.requantise(int(s), multiplier, zero_point) for s in sums]
        assert found == expected.tolist()
