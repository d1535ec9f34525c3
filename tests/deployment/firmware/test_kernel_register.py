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
OWN_CODE = """
#include "kernel.h"
static MCU_NAS_ONCE void own_transpose(const int8_t *input, int8_t *output, int rows, int columns) {
    for (int c = 0; c < columns; ++c)
        for (int r = 0; r < rows; ++r) *output++ = input[r * columns + c];
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


def test_what_it_cannot_do_is_told_with_the_node(own):
    with pytest.raises(ValueError, match=r"Transpose t0.*swaps other axes"):
        generate_c(transposed(2, 1, 0))


def test_a_missing_file_of_c_code_is_told(own, tmp_path):
    (tmp_path / "own_kernel.h").unlink()
    with pytest.raises(ValueError, match=r"cannot read .*own_kernel.h, the C code of Transpose"):
        generate_c(transposed(0, 2, 1))


def test_without_it_the_operator_is_refused():
    with pytest.raises(ValueError, match="Transpose has no kernel; use one of"):
        generate_c(transposed(0, 2, 1))


def test_only_kernels_are_registered():
    with pytest.raises(ValueError, match="expected an object of a subclass of Kernel"):
        kernels.register(object())
