"""Kernels against the operators of onnxruntime, over shapes and scales that subnets do not have."""

from __future__ import annotations

import ctypes
from fractions import Fraction

import numpy as np
import onnxruntime
import pytest
from host_network import compile_for_host
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

SOURCE = r"""
#include "kernels/add.h"

int32_t nearest(float value) { return mcu_nas_round(value); }
float fused(float a, float b, float c) { return mcu_nas_fma(a, b, c); }
void add(const int8_t *a, const int8_t *b, int8_t *out, int count, const float *scales,
         const int32_t *zero_points) {
    mcu_nas_add(a, b, out, count, scales[0], zero_points[0], scales[1], zero_points[1], scales[2],
                zero_points[2]);
}
"""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """The kernels."""
    folder = tmp_path_factory.mktemp("kernels")
    source = folder / "kernels.c"
    source.write_text(SOURCE)
    library = compile_for_host(folder, source)
    library.nearest.argtypes = [ctypes.c_float]
    library.fused.argtypes = [ctypes.c_float] * 3
    library.fused.restype = ctypes.c_float
    return library


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


def test_rounding_is_to_nearest_with_ties_to_even(kernels):
    values = np.concatenate(
        [np.arange(-600, 600) / 2, np.random.default_rng(0).normal(0, 300, 2000), [-0.0]]
    ).astype(np.float32)
    assert [kernels.nearest(v) for v in values] == np.rint(values).astype(int).tolist()


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
