from __future__ import annotations

import numpy as np
import pytest
from toy_task import ToyTask

from mcu_nas_moo.bench.indicators import feasible
from mcu_nas_moo.bench.reference import Reference


def brute_force_reference(task):
    """The true front: every genotype against every other, without a library."""
    X = task.space.everything()
    F, G = task.evaluate(X)
    task.evaluations = 0
    X, F = X[feasible(G)], F[feasible(G)]
    front = [i for i, f in enumerate(F) if not ((F <= f).all(axis=1) & (F < f).any(axis=1)).any()]
    F, first = np.unique(F[front], axis=0, return_index=True)
    return Reference(
        task.space.name,
        task.profile.name,
        task.objectives,
        task.fingerprint,
        task.space.canonical(X[front])[first],
        F,
    )


@pytest.fixture
def task():
    return ToyTask()


@pytest.fixture(scope="session")
def exact():
    return brute_force_reference(ToyTask())
