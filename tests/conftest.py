"""Fixtures shared by all tests."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo.spaces import load_space


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=["mbconv-stage", "mbconv-block"], scope="session")
def space(request):
    """Each shipped space."""
    return load_space(request.param)
