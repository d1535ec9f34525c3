from __future__ import annotations

import pytest
from toy_task import ToyTask, brute_force_reference


@pytest.fixture
def task():
    return ToyTask()


@pytest.fixture(scope="session")
def exact():
    return brute_force_reference(ToyTask())
