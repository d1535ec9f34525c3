"""The moving average of weights that a training keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.optim.swa_utils import AveragedModel

if TYPE_CHECKING:
    from torch import nn


def weight_average(module: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of the weights of ``module``.

    The first update copies the weights, as torch's ``AveragedModel`` does. Over the next ones the
    average is short: the decay after n updates is at most ``(1 + n) / (10 + n)``, as in
    TensorFlow's ``ExponentialMovingAverage``.
    """

    def blend(average: Any, current: Any, updates: torch.Tensor | int) -> None:
        n = int(updates)
        torch._foreach_lerp_(average, current, 1 - min(decay, (1 + n) / (10 + n)))

    average = AveragedModel(module, multi_avg_fn=blend)
    average.eval()
    return average
