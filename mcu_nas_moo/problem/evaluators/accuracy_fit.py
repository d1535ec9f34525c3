"""Fitting the accuracy predictor to labels, and judging it on labels it has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor, structure_of
from mcu_nas_moo.problem.evaluators.perceptrons import MLPSettings, fit_mlp, predictions_of_unseen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.contracts.space import Space
    from mcu_nas_moo.training.supernet.labels import Labels

#: Labels are few and noisy: of weight decays from 0.003 to 8, values of 1 to 4 gave by far the
#: best rankings.
SETTINGS = MLPSettings(members=5, steps=1500, learning_rate=3e-3, weight_decay=3.0, bootstrap=True)


def labelled_features(
    spaces: Sequence[Space], labels: Labels
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Features ``(N, D)``, accuracies ``(N,)`` and numbers of the spaces ``(N,)`` of the labels."""
    X = [labels.genotypes(space) for space in spaces]
    return (
        np.concatenate([space.features(x) for space, x in zip(spaces, X, strict=True)]),
        np.concatenate([labels.accuracy(space) for space in spaces]),
        np.repeat(np.arange(len(spaces)), [len(x) for x in X]),
    )


def fit_predictor(inputs: FloatArray, targets: FloatArray, seed: int = 0) -> AccuracyPredictor:
    """Fit an ensemble to features ``(N, D)`` and accuracies ``(N,)``.

    Raises:
        InputError: if the accuracies are all equal.
    """
    try:
        fitted = fit_mlp(inputs, targets[:, None], SETTINGS, seed)
    except ValueError as error:
        raise InputError(f"{error}; train the supernet longer, or label more subnets") from None
    layers = (fitted.first, fitted.second, fitted.last)
    return AccuracyPredictor(fitted.mean, fitted.scale, *layers, details={})


def cross_validated(inputs: FloatArray, targets: FloatArray, seed: int = 0) -> FloatArray:
    """Prediction ``(N,)`` for each label by an ensemble that was fitted without it."""

    def predict(x: FloatArray, y: FloatArray, unseen: FloatArray) -> FloatArray:
        return fit_predictor(x, y, seed).answer(unseen).accuracy

    return predictions_of_unseen(inputs, targets, predict, seed)


def quality(predicted: FloatArray, targets: FloatArray) -> dict[str, float]:
    """Kendall's tau and root-mean-square error (in accuracy, 0 to 1) of predictions ``(N,)``."""
    return {
        "labels": len(targets),
        "kendall_tau": float(kendalltau(predicted, targets).statistic),
        "rmse": float(np.sqrt(np.mean((predicted - targets) ** 2))),
    }


def fit_and_judge(
    spaces: Sequence[Space], labels: Labels, seed: int = 0, *, data: str = "unknown pictures"
) -> AccuracyPredictor:
    """Fit a predictor to all labels; its ``details`` say how good it is on labels not seen.

    The figures come from cross-validation over all labels and are given for all of them, for
    those of each space, and for the uniformly sampled ones.

    Raises:
        InputError: for too few labels, or labels without any difference.
    """
    inputs, targets, owner = labelled_features(spaces, labels)
    predicted = cross_validated(inputs, targets, seed)
    uniform = np.concatenate([labels.uniform(space) for space in spaces])
    parts = {"all": np.ones(len(targets), dtype=np.bool_)}
    parts |= {space.name: owner == number for number, space in enumerate(spaces)}
    parts |= {"uniform samples": uniform}
    details = {name: quality(predicted[rows], targets[rows]) for name, rows in parts.items()}
    known = {"structures": [structure_of(space) for space in spaces], "data": data}
    output = spaces[0].output
    classes = {} if output is None else {"classes": output.classes}
    return replace(fit_predictor(inputs, targets, seed), details=details | known | classes)
