"""Fitting learned costs to labels."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import cache_folder
from mcu_nas_moo.common.naming import file_name, unknown_name
from mcu_nas_moo.contracts.metrics import METRICS, VIOLATION
from mcu_nas_moo.hardware.cost_model import Costs
from mcu_nas_moo.problem.evaluators.cost_labels import CostLabels, analytic_costs, analytic_labels
from mcu_nas_moo.problem.evaluators.cost_predictor import (
    LEARNABLE,
    LearnedCosts,
    Scope,
    from_log,
    to_log,
)
from mcu_nas_moo.problem.evaluators.perceptrons import MLPSettings, fit_mlp, predictions_of_unseen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces import SearchSpace

#: Costs have no noise, so little weight decay and no bootstrap: with those of the accuracy
#: predictor the errors are twice as large.
SETTINGS = MLPSettings(members=3, steps=4000, learning_rate=5e-3, weight_decay=0.5, bootstrap=False)
#: Analytic labels that costs are learned from if nothing else is said.
SAMPLES = 2000
#: Fewest labels: from 50, predictions are off by a tenth to a fifth; a refit of the analytic model
#: needs far fewer.
FEWEST = 50
#: A metric that is this many times the analytic one is in another unit.
UNIT_MISTAKE = 100.0


def fit_costs(
    labels: CostLabels, profile: Profile, seed: int = 0, metrics: Sequence[str] | None = None
) -> LearnedCosts:
    """Fit an MLP ensemble to labels of subnets on the device of ``profile``.

    Args:
        labels: at least :data:`FEWEST`.
        profile: what the labels hold for.
        seed: same seed, same weights, also in another process.
        metrics: what to learn; by default what measured labels have, and the costs of analytic
            ones without the constraint violation, which holds for one set of limits only.

    Raises:
        InputError: for too few labels, an unknown or missing metric, one that never differs, or
            one that is in another unit.
    """
    chosen = _chosen_metrics(labels, metrics)
    if len(labels) < FEWEST:
        raise InputError(
            f"{len(labels)} labels are too few to learn costs from; give at least {FEWEST}, or "
            "refit the analytic model, which needs only a few, with `mcu-nas calibrate`"
        )
    for name in chosen:
        if not np.ptp(labels.values[name]) > 0:
            raise InputError(f"{name} is the same in all labels; leave it out")
    if not labels.analytic:
        _check_units(labels, profile, chosen)
    return LearnedCosts(
        ensemble=fit_mlp(labels.space.features(labels.X), _targets(labels, chosen), SETTINGS, seed),
        metrics=chosen,
        scope=Scope.of(
            labels.space,
            profile,
            analytic=labels.analytic,
            violation=VIOLATION in chosen,
        ),
    )


def cross_validated_costs(
    labels: CostLabels, metrics: Sequence[str], seed: int = 0
) -> dict[str, FloatArray]:
    """Prediction ``(N,)`` of each metric for each label by an MLP that was fitted without it."""

    def predict(x: FloatArray, y: FloatArray, unseen: FloatArray) -> FloatArray:
        return np.asarray(fit_mlp(x, y, SETTINGS, seed).outputs(unseen).mean(axis=0))

    inputs, targets = labels.space.features(labels.X), _targets(labels, metrics)
    predicted = predictions_of_unseen(inputs, targets, predict, seed)
    return {name: from_log(name, predicted[:, k]) for k, name in enumerate(metrics)}


def standard_costs(space: SearchSpace, profile: Profile) -> LearnedCosts:
    """The MLP that ``predictors="mlp"`` stands for: all costs, from :data:`SAMPLES` labels.

    Fitted when it is first asked for, which takes some seconds, and kept in the user's cache
    folder (``$XDG_CACHE_HOME`` or ``~/.cache``), so that it is the same everywhere afterwards.
    """
    path = _cache_path(space, profile)
    with suppress(ValueError, OSError):
        found = LearnedCosts.load(path)
        found.check(space, profile)
        return replace(found, file=None)  # the cache's, not the user's
    fitted = fit_costs(analytic_labels(space, profile, SAMPLES), profile)
    with suppress(OSError):  # a home folder that cannot be written is no reason to stop
        fitted.save(path)
    return fitted


def _cache_path(space: SearchSpace, profile: Profile) -> Path:
    """A file for what decides the result: scope, settings, and the code that fits and samples."""
    here = Path(__file__).parent
    code = [here / "perceptrons.py", *sorted(here.glob("cost_*.py"))]
    code.append(here / "accuracy_predictor.py")
    code.append(here.parents[1] / "training" / "supernet" / "labels.py")
    scope = Scope.of(space, profile, analytic=True, violation=False)
    digest = hashlib.sha256(json.dumps([asdict(scope), asdict(SETTINGS), SAMPLES]).encode())
    for file in code:
        digest.update(file.read_bytes())
    name = f"{file_name(f'{space.name}-{profile.name}')}-{digest.hexdigest()[:16]}.safetensors"
    return cache_folder() / "learned-costs" / name


def _chosen_metrics(labels: CostLabels, metrics: Sequence[str] | None) -> tuple[str, ...]:
    if not metrics:
        defaults = Costs._fields if labels.analytic else LEARNABLE
        return tuple(name for name in defaults if name in labels.values)
    for name in metrics:
        if name not in LEARNABLE:
            raise unknown_name("metric", name, LEARNABLE)
        if name not in labels.values:
            raise InputError(f"the labels lack {name}; they have {', '.join(labels.values)}")
    return tuple(name for name in LEARNABLE if name in metrics)


def _targets(labels: CostLabels, metrics: Sequence[str]) -> FloatArray:
    return np.stack([to_log(name, labels.values[name]) for name in metrics], axis=1)


def _check_units(labels: CostLabels, profile: Profile, metrics: Sequence[str]) -> None:
    expected = analytic_costs(labels.space, profile, labels.X)
    for name in metrics:
        if name in Costs._fields:
            ratio = float(np.median(labels.values[name] / expected[name]))
            if not 1 / UNIT_MISTAKE < ratio < UNIT_MISTAKE:
                raise InputError(
                    f"{name} is about {ratio:.3g} times what the analytic model expects on "
                    f"{profile.name}; give it in {METRICS[name].unit}"
                )
