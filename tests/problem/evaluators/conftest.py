"""A small space, and costs learned from analytic labels of it in a few seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_supernet import images, small_space, supernet

from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.problem.evaluators import cost_fit as fitting
from mcu_nas_moo.problem.evaluators.cost_labels import analytic_labels
from mcu_nas_moo.spaces import load_space

__all__ = ["images", "small_space", "supernet"]


@pytest.fixture(autouse=True, scope="session")
def quick_and_apart(tmp_path_factory):
    """Fewer steps than usual, and a cache of our own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "SETTINGS", replace(fitting.SETTINGS, members=2, steps=500))
        patch.setattr(fitting, "SAMPLES", 200)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def profile():
    return load_profile("cortex-m7")


@pytest.fixture(scope="session")
def stage_space():
    return load_space("mbconv-stage")


@pytest.fixture(scope="session")
def labels(stage_space, profile):
    return analytic_labels(stage_space, profile, 300)


@pytest.fixture(scope="session")
def learned(labels, profile, quick_and_apart):
    """All five metrics."""
    return fitting.fit_costs(labels, profile, metrics=list(labels.values))
