"""Settings of a retraining."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mcu_nas_moo.common.errors import InputError

#: Peak learning rate of float training, by the weights that it starts from.
LEARNING_RATES = {"supernet": 0.05, "scratch": 0.08}


@dataclass(frozen=True)
class RetrainingSettings:
    """Settings of a retraining; a checkpoint resumes only under the same ones.

    Attributes:
        start: ``supernet`` for the weights shared there, ``scratch`` for random ones.
        epochs: passes over the training images in float32.
        qat_epochs: passes with fake quantisation after those; 0 for none.
        batch_size: images per step.
        learning_rate: peak of the float schedule: linear warm-up, then cosine to 0.
        qat_learning_rate: first of the fake-quantised passes, from where it falls by cosine to 0.
        warmup_share: part of the float epochs in which the learning rate rises.
        weight_decay: L2 penalty of the kernels; batch norms and biases have none.
        label_smoothing: of the labels, see Szegedy et al., CVPR 2016.
        ema: decay per step of the average of the weights that is evaluated and kept; 0 for the
            last weights themselves.
        distil: learn from the largest network of the supernet as well.
        distil_weight: share of that in the loss, in [0, 1].
        temperature: that softens the answers of both networks, see Hinton et al., 2015.
        seed: of random weights, batches and augmentation.

    Raises:
        InputError: if one of them is out of its range.
    """

    start: Literal["supernet", "scratch"] = "supernet"
    epochs: int = 20
    qat_epochs: int = 3
    batch_size: int = 64
    learning_rate: float = LEARNING_RATES["supernet"]
    qat_learning_rate: float = 0.002
    momentum: float = 0.9
    warmup_share: float = 0.05
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    ema: float = 0.999
    distil: bool = True
    distil_weight: float = 0.5
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, what, holds in (
            ("start", "supernet or scratch", self.start in LEARNING_RATES),
            ("epochs", "at least 1", self.epochs >= 1),
            ("qat_epochs", "at least 0", self.qat_epochs >= 0),
            # A batch norm cannot measure the deviation of a single value.
            ("batch_size", "at least 2", self.batch_size >= 2),
            ("learning_rate", "above 0", self.learning_rate > 0),
            ("qat_learning_rate", "above 0", self.qat_learning_rate > 0),
            ("warmup_share", "in [0, 1)", 0 <= self.warmup_share < 1),
            ("label_smoothing", "in [0, 1)", 0 <= self.label_smoothing < 1),
            ("ema", "in [0, 1)", 0 <= self.ema < 1),
            ("distil_weight", "in [0, 1]", 0 <= self.distil_weight <= 1),
            ("temperature", "above 0", self.temperature > 0),
        ):
            if not holds:
                given = getattr(self, name)
                raise InputError(f"{name.replace('_', ' ')} must be {what}, not {given!r}")

    @property
    def all_epochs(self) -> int:
        """Passes over the training images, float and fake-quantised."""
        return self.epochs + self.qat_epochs

    def learning_rate_at(self, epoch: float) -> float:
        """Learning rate at a point in training, in epochs from the start."""
        warmup = self.warmup_share * self.epochs
        if epoch < warmup:
            return self.learning_rate * epoch / warmup
        if epoch < self.epochs:
            return _cosine(self.learning_rate, (epoch - warmup) / (self.epochs - warmup))
        return _cosine(self.qat_learning_rate, (epoch - self.epochs) / self.qat_epochs)


def _cosine(peak: float, done: float) -> float:
    """From ``peak`` at 0 down to 0 at 1."""
    return 0.5 * peak * (1 + math.cos(math.pi * done))
