"""Predicted errors of pairs of halves on a GPU, by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.benchmark.references.enumeration.halves import Halves
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, IntArray

#: Pairs that are predicted at once; a hidden layer of them takes about 2 GB.
PAIRS = 1 << 19


class DeviceErrors:
    """The errors of :meth:`Halves.errors`, for many front halves at once.

    Args:
        halves: of the space.
        device: as torch names it, such as ``cuda``.
    """

    def __init__(self, halves: Halves, device: str) -> None:
        import torch

        def to_device(array: FloatArray) -> torch.Tensor:
            return torch.as_tensor(array, dtype=torch.float64, device=device)

        predictor = halves.predictor
        self._halves, self._torch, self._to_device = halves, torch, to_device
        self._second = [to_device(array) for array in predictor.second]
        self._last = [to_device(array) for array in predictor.last]
        self._behind = to_device(halves.back_hidden)

    def __call__(self, fronts: IntArray, needed: BoolArray) -> FloatArray:
        """Errors where they are ``needed``, arbitrary elsewhere; shape ``(a, B)``."""
        errors = np.empty(needed.shape)
        hidden = self._to_device(self._halves.front_hidden(fronts))
        rows, backs = np.nonzero(needed)
        for start in range(0, len(rows), PAIRS):
            row, back = rows[start : start + PAIRS], backs[start : start + PAIRS]
            accuracy = self._torch.zeros(len(row), dtype=hidden.dtype, device=hidden.device)
            for member in range(len(hidden)):
                x = hidden[member, row] + self._behind[member, back]
                x = x.relu_() @ self._second[0][member]
                x = (x + self._second[1][member]).relu_()
                answers = (x @ self._last[0][member] + self._last[1][member])[:, 0]
                accuracy += answers.clamp(0.0, 1.0)
            errors[row, back] = (1.0 - accuracy / len(hidden)).cpu().numpy()
        return errors
