from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.search.search_folder import SearchRecord
from mcu_nas_moo.search.subnets import Subnets


@pytest.fixture(scope="session")
def real_task():
    return Task("mbconv-stage", "cortex-m7")


@pytest.fixture(scope="session")
def some_subnets(real_task):
    """120 subnets: the smallest one, and others around it of which many are feasible."""
    rng = np.random.default_rng(0)
    X = real_task.space.sample(120, rng)
    X[:80] //= 2
    X[0] = 0
    X = np.unique(real_task.space.canonical(X), axis=0)
    return Subnets.of_genotypes(real_task, X, "t")


@pytest.fixture
def record(some_subnets):
    return SearchRecord(
        problem=some_subnets.problem, study="s", trials=120, subnets=len(some_subnets), starts=[]
    )
