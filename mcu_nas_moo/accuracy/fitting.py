"""Fitting the accuracy predictor to labels, and judging it on labels it has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from mcu_nas_moo.accuracy.predictor import AccuracyPredictor, features

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from mcu_nas_moo.accuracy.labels import Labels
    from mcu_nas_moo.spaces import MBConvSpace
    from mcu_nas_moo.typing import FloatArray, IntArray

MEMBERS = 5
HIDDEN = 96
STEPS = 1500
BATCH = 128
LEARNING_RATE = 3e-3
#: Of AdamW. Labels are few: of 0.003 to 8, values of 1 to 4 gave by far the best rankings.
WEIGHT_DECAY = 3.0
#: Parts of the labels, each of which judges the ensemble fitted to the others.
FOLDS = 5


def labelled_features(
    spaces: Sequence[MBConvSpace], labels: Labels
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Features ``(N, D)``, accuracies ``(N,)`` and numbers of the spaces ``(N,)`` of the labels."""
    X = [labels.genotypes(space) for space in spaces]
    return (
        np.concatenate([features(space, x) for space, x in zip(spaces, X, strict=True)]),
        np.concatenate([labels.accuracy(space) for space in spaces]),
        np.repeat(np.arange(len(spaces)), [len(x) for x in X]),
    )


def fit_predictor(inputs: FloatArray, targets: FloatArray, seed: int = 0) -> AccuracyPredictor:
    """Fit an ensemble to features ``(N, D)`` and accuracies ``(N,)``.

    Members differ in their initial weights and in the bootstrap sample they see.

    Raises:
        ValueError: if the accuracies are all equal.
    """
    import torch

    if not np.ptp(targets) > 0:
        raise ValueError(
            f"{len(targets)} labels without any difference teach nothing; train the supernet "
            "longer, or label more subnets"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        scale = np.where(deviation > 0, 1 / np.maximum(deviation, 1e-9), 0.0).astype(np.float32)
        x = torch.from_numpy((inputs - mean) * scale)
        centre, spread = float(targets.mean()), float(targets.std())
        y = torch.from_numpy((targets - centre) / spread).float()
        n, width = x.shape
        shapes = [(width, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)]
        kernels = [
            (torch.randn(MEMBERS, rows, columns) * (2 / rows) ** 0.5).requires_grad_()
            for rows, columns in shapes
        ]
        shifts = [torch.zeros(MEMBERS, 1, columns, requires_grad=True) for _, columns in shapes]
        optimiser = torch.optim.AdamW(
            [
                {"params": kernels, "weight_decay": WEIGHT_DECAY},
                {"params": shifts, "weight_decay": 0.0},
            ],
            lr=LEARNING_RATE,
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        bootstrap = torch.randint(0, n, (MEMBERS, n))
        for _ in range(STEPS):
            drawn = torch.randint(0, n, (MEMBERS, min(BATCH, n)))
            rows = bootstrap.gather(1, drawn)
            loss = ((_forward(x[rows], kernels, shifts)[..., 0] - y[rows]) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        weights = [kernel.detach().numpy() for kernel in kernels]
        biases = [shift.detach().numpy() for shift in shifts]
    return AccuracyPredictor(
        mean=mean,
        scale=scale,
        first=(weights[0].transpose(1, 0, 2).reshape(width, -1), biases[0].reshape(-1)),
        second=(weights[1], biases[1]),
        last=(weights[2] * np.float32(spread), biases[2] * np.float32(spread) + np.float32(centre)),
        details={},
    )


def _forward(
    x: torch.Tensor, kernels: list[torch.Tensor], shifts: list[torch.Tensor]
) -> torch.Tensor:
    for kernel, shift in zip(kernels[:-1], shifts[:-1], strict=True):
        x = (x @ kernel + shift).relu()
    return x @ kernels[-1] + shifts[-1]


def cross_validated(inputs: FloatArray, targets: FloatArray, seed: int = 0) -> FloatArray:
    """Prediction ``(N,)`` for each label by an ensemble that was fitted without it.

    Raises:
        ValueError: for fewer labels than :data:`FOLDS`.
    """
    if len(targets) < FOLDS:
        raise ValueError(f"{len(targets)} labels are too few; at least {FOLDS} are needed")
    fold = np.random.default_rng(seed).permutation(len(targets)) % FOLDS
    predicted = np.empty_like(targets)
    for number in range(FOLDS):
        unseen = fold == number
        predictor = fit_predictor(inputs[~unseen], targets[~unseen], seed)
        predicted[unseen] = predictor.answer(inputs[unseen]).accuracy
    return predicted


def quality(predicted: FloatArray, targets: FloatArray) -> dict[str, float]:
    """Kendall's tau and root-mean-square error (in accuracy, 0 to 1) of predictions ``(N,)``."""
    return {
        "labels": len(targets),
        "kendall_tau": float(kendalltau(predicted, targets).statistic),
        "rmse": float(np.sqrt(np.mean((predicted - targets) ** 2))),
    }


def fit_and_judge(
    spaces: Sequence[MBConvSpace], labels: Labels, seed: int = 0
) -> AccuracyPredictor:
    """Fit a predictor to all labels; its ``details`` say how good it is on labels not seen.

    The figures come from cross-validation over all labels and are given for all of them, for
    those of each space, and for the uniformly sampled ones.

    Raises:
        ValueError: for too few labels, or labels without any difference.
    """
    inputs, targets, owner = labelled_features(spaces, labels)
    predicted = cross_validated(inputs, targets, seed)
    uniform = np.concatenate([labels.uniform(space) for space in spaces])
    parts = {"all": np.ones(len(targets), dtype=np.bool_)}
    parts |= {space.name: owner == number for number, space in enumerate(spaces)}
    parts |= {"uniform samples": uniform}
    details = {name: quality(predicted[rows], targets[rows]) for name, rows in parts.items()}
    return replace(fit_predictor(inputs, targets, seed), details=details)
