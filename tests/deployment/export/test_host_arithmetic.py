from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from mcu_nas_moo.deployment.export import host_arithmetic

pytest.importorskip("onnxruntime")


class Computer:
    """A session whose sums of pairs of products have so many bits."""

    def __init__(self, model, limit):
        self.limit = limit
        self.arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.shape = [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]

    def run(self, _outputs, inputs):
        x = int(inputs["x"].ravel()[0]) - int(self.arrays["low"])
        products = self.arrays["w"][0].ravel().astype(int) * x
        if len(products) > 1:
            products = np.minimum(products.reshape(-1, 2).sum(axis=1), self.limit)
        y = np.rint(products.sum() / self.arrays["y_scale"])
        return [np.full(self.shape, y, dtype=np.int8)]


def test_saturating_sums_are_noticed(monkeypatch):
    monkeypatch.setattr(host_arithmetic, "session", lambda model: Computer(model, 2**15 - 1))
    assert host_arithmetic.inexact_operators() == ("1x1 convolution", "QGemm")
    assert "saturates in 1x1 convolution, QGemm" in host_arithmetic.warning()


def test_exact_sums_pass(monkeypatch):
    monkeypatch.setattr(host_arithmetic, "session", lambda model: Computer(model, 2**31 - 1))
    assert host_arithmetic.inexact_operators() == ()
    assert host_arithmetic.warning() is None


def test_onnxruntime_runs_the_layers():
    # Whether it is exact is a matter of the processor; if not, all outputs are too small.
    for model in host_arithmetic._extreme_layers().values():
        shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        (output,) = host_arithmetic.session(model).run(
            None, {"x": np.full(shape, 127, dtype=np.int8)}
        )
        assert output.max() <= 100
        assert output.min() > 0
