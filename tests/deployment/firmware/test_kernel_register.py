"""The register of kernels: what is known, and kernels of one's own."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from operator_networks import Builder, by_onnxruntime, compile_all, random_bytes

from mcu_nas_moo.deployment.firmware.c_source import generate_c
from mcu_nas_moo.deployment.firmware.kernels import register as kernels

OWN_KERNEL = """
from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel


class ChannelShuffle(Kernel):
    operators = ("Transpose",)

    def problem(self, node):
        if node.attributes.get("perm") != [0, 2, 1]:
            return "it swaps other axes than the last two; use perm 0, 2, 1"
        return None

    def code(self, node, c):
        return c.call("own_transpose", c.input(0), c.output, *node.shape(0)[1:])
"""
OWN_KERNEL += """

class ChannelsToPixels(Kernel):
    operators = ("QLinearDepthToSpace",)

    def problem(self, node):
        same = node.scale(1) == node.scale(3) and node.zero_point(2) == node.zero_point(4)
        return None if same else "its output has another scale; give both the same range"

    def code(self, node, c):
        channels, height, width = node.shape(0)[1:]
        return c.call("own_spread", c.input(0), c.output, node.output_shape[1], height, width,
                      node.attributes["blocksize"])
"""
OWN_CODE = """
#include "kernel.h"
static MCU_NAS_ONCE void own_transpose(const int8_t *input, int8_t *output, int rows, int columns) {
    for (int c = 0; c < columns; ++c)
        for (int r = 0; r < rows; ++r) *output++ = input[r * columns + c];
}
static MCU_NAS_ONCE void own_spread(const int8_t *input, int8_t *output, int channels, int height,
                                    int width, int side) {
    for (int c = 0; c < channels; ++c)
        for (int y = 0; y < height * side; ++y)
            for (int x = 0; x < width * side; ++x) {
                const int plane = (y % side * side + x % side) * channels + c;
                *output++ = input[(plane * height + y / side) * width + x / side];
            }
}
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A kernel of one's own in a module of its own, known while the test runs."""
    (tmp_path / "own_kernel.py").write_text(OWN_KERNEL)
    (tmp_path / "own_kernel.h").write_text(OWN_CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(kernels, "_KNOWN", dict(kernels._KNOWN))
    import own_kernel

    kernels.register(own_kernel.ChannelShuffle())
    kernels.register(own_kernel.ChannelsToPixels())
    yield own_kernel
    del sys.modules["own_kernel"]


def transposed(*perm):
    b = Builder()
    b.node("Transpose", [b.input((1, 4, 6))], perm=perm)
    return b.model()


def test_a_kernel_of_ones_own_is_built_and_computes(own, tmp_path):
    model = transposed(0, 2, 1)
    folder = tmp_path / "built"
    folder.mkdir()
    (run,) = compile_all([model], folder)
    inputs = random_bytes(model, np.random.default_rng(0))
    np.testing.assert_array_equal(run(inputs), by_onnxruntime(model, inputs))
    assert set(generate_c(model).kernels) == {"kernel.h", "own_kernel.h"}


def test_a_float_operator_with_an_own_int8_kernel_is_lowered_to_it(own, tmp_path):
    b = Builder()
    scale = b.constant(np.float32(0.05)), b.constant(np.int8(-7))
    x = b.node("DequantizeLinear", [b.input((1, 12, 3, 5)), *scale])
    b.node("QuantizeLinear", [b.node("DepthToSpace", [x], blocksize=2), *scale])
    folder = tmp_path / "built"
    folder.mkdir()
    (run,) = compile_all([b.model()], folder)
    inputs = random_bytes(b.model(), np.random.default_rng(0))
    np.testing.assert_array_equal(run(inputs), by_onnxruntime(b.model(), inputs))


def test_kernels_that_packages_announce_are_known(own, monkeypatch):
    kernels._KNOWN.pop("Transpose")
    monkeypatch.setattr(kernels, "announced", lambda group: {"own": None})
    monkeypatch.setattr(kernels, "made", lambda name, group, what: own.ChannelShuffle())
    kernels._look_for_announced.cache_clear()
    assert "own_transpose" in generate_c(transposed(0, 2, 1)).code
    kernels._look_for_announced.cache_clear()


def test_what_it_cannot_do_is_told_with_the_node(own):
    with pytest.raises(ValueError, match=r"Transpose t0.*swaps other axes"):
        generate_c(transposed(2, 1, 0))


def test_a_missing_file_of_c_code_is_told(own, tmp_path):
    (tmp_path / "own_kernel.h").unlink()
    with pytest.raises(ValueError, match=r"cannot read .*own_kernel.h, the C code of Transpose"):
        generate_c(transposed(0, 2, 1))


def test_without_it_the_operator_is_refused(monkeypatch):
    monkeypatch.delitem(kernels._KNOWN, "Transpose")
    with pytest.raises(ValueError, match="Transpose has no kernel; use one of"):
        generate_c(transposed(0, 2, 1))


def test_only_kernels_are_registered():
    with pytest.raises(ValueError, match="expected an object of a subclass of Kernel"):
        kernels.register(object())
