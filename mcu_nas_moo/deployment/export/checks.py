"""Exported networks on real images: what each computes, and how far that is from torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.export.export_report import Outcome
from mcu_nas_moo.deployment.export.int8_model import session
from mcu_nas_moo.networks.onnx.writer import INPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.data.preprocessing import Pixels
    from mcu_nas_moo.deployment.export.int8_model import Int8Model
    from mcu_nas_moo.networks.torch_module import SubnetModule

_BATCH = 256
# Of the largest logit. Float sums in another order differ by some 1e-6; a wrong layer by far more.
_FLOAT_TOLERANCE = 1e-3


def torch_logits(module: SubnetModule, inputs: FloatArray) -> FloatArray:
    """Logits ``(N, classes)`` of the torch module for ``inputs`` ``(N, channels, H, W)``."""
    import torch

    with torch.inference_mode():
        parts = [module(torch.from_numpy(batch)).numpy() for batch in _batches(inputs)]
    return np.concatenate(parts)


def onnx_logits(model: onnx.ModelProto, inputs: FloatArray) -> FloatArray:
    """Logits ``(N, classes)`` of a model with float input and output, by onnxruntime."""
    run = session(model).run
    return np.concatenate([run(None, {INPUT: batch})[0] for batch in _batches(inputs)])


def int8_logits(model: Int8Model, pixels: Pixels) -> FloatArray:
    """Logits ``(N, classes)`` that the int8 outputs for uint8 pixels stand for."""
    outputs = model.run(model.preprocessing(pixels)).astype(np.float64)
    return model.output_scale * (outputs - model.output_zero_point)


def compare(network: str, logits: FloatArray, truth: FloatArray, targets: IntArray) -> Outcome:
    """How ``logits`` of a network do, next to the ``truth`` of torch; all ``(N, classes)``."""
    classes = logits.argmax(axis=1)
    differences = np.abs(logits - truth)
    return Outcome(
        network=network,
        accuracy=float((classes == targets).mean()),
        same_class=float((classes == truth.argmax(axis=1)).mean()),
        mean_difference=float(differences.mean()),
        largest_difference=float(differences.max()),
    )


def check_float(logits: FloatArray, truth: FloatArray) -> None:
    """Raise an InputError if the float ONNX file does not compute what torch does."""
    difference, largest = float(np.abs(logits - truth).max()), float(np.abs(truth).max())
    # Written so that NaN is caught too.
    if not difference <= _FLOAT_TOLERANCE * max(largest, 1):
        raise InputError(
            f"the float ONNX network differs from torch by {difference:.2g} in logits up to "
            f"{largest:.2g}; the installed versions of torch, onnx and onnxruntime may not fit "
            "together"
        )


def _batches(inputs: FloatArray) -> Iterator[FloatArray]:
    for start in range(0, len(inputs), _BATCH):
        yield inputs[start : start + _BATCH]
