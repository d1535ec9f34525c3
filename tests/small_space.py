"""Spaces of some thousand networks with predictors of random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.problem.evaluators import cost_fit
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.evaluators.cost_labels import analytic_labels
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec, load_space

if TYPE_CHECKING:
    from mcu_nas_moo.spaces.genes import SearchSpace

STAGE = {
    "stride": 2,
    "depth": [1, 2],
    "kernel": [3, 5],
    "width": [8, 16, 24],
    "expansion_by_depth": {1: 2, 2: 4},
}
#: The middle of the costs, so that each limit cuts something off.
LIMITS = {"flash_kib": 66.0, "sram_kib": 20.0, "latency_ms": 4.5}


def small_space(granularity="stage") -> MBConvSpace:
    stage = dict(STAGE)
    if granularity == "block":
        stage |= {"expansion": [2, 4]}
        del stage["expansion_by_depth"]
        stage["kernel"] = [3]
    return MBConvSpace(
        MBConvSpec(
            name=f"small-{granularity}",
            granularity=granularity,
            classes=10,
            resolution=[12, 16],
            stem=[8, 12],
            stages=[stage, stage | {"stride": 1, "width": [16, 32]}],
            head=[32, 64, 96],
        )
    )


def random_predictor(space: MBConvSpace, seed: int = 0, hidden: int = 8) -> AccuracyPredictor:
    """Three perceptrons whose answers spread over a good part of [0, 1]."""
    rng = np.random.default_rng(seed)
    inputs = space.features(space.sample(500, rng))
    members, width = 3, inputs.shape[1]

    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return AccuracyPredictor(
        mean=inputs.mean(axis=0),
        scale=1 / (inputs.std(axis=0) + 1e-3),
        first=(draw(width, members * hidden) / 4, draw(members * hidden)),
        second=(draw(members, hidden, hidden) / 3, draw(members, 1, hidden)),
        last=(draw(members, hidden, 1) / 20, np.full((members, 1, 1), 0.5, np.float32)),
        details={},
    )


def quick_costs(path):
    """A file of latencies learned a little, of the usual space on the usual board."""
    profile = load_profile("cortex-m7")
    labels = analytic_labels(load_space("mbconv-stage"), profile, 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost_fit, "SETTINGS", replace(cost_fit.SETTINGS, members=2, steps=20))
        cost_fit.fit_costs(labels, profile, metrics=["latency_ms"]).save(path)


def small_task(profile="cortex-m7", objectives=("error", "latency"), *, space=None, **options):
    space = space or small_space()
    options = {"limits": LIMITS, "accuracy": random_predictor(space)} | options
    return Task(space, profile, objectives, **options)


def everything(space: SearchSpace) -> np.ndarray:
    """Every network once, in canonical form."""
    X = np.indices(space.n_choices).reshape(space.n_genes, -1).T
    return np.unique(space.canonical(X), axis=0)


def brute_force(task) -> tuple[int, np.ndarray]:
    """Number of feasible networks, and the sorted objectives of the front, by pairs."""
    F, G = task.evaluate(everything(task.space))
    F = np.unique(F[(G <= 0).all(axis=1)], axis=0)
    feasible = int((G <= 0).all(axis=1).sum())
    kept = [not ((F <= point).all(axis=1) & (F < point).any(axis=1)).any() for point in F]
    return feasible, F[kept]
