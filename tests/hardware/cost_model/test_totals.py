from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.profile import list_profiles, load_profile


@pytest.fixture(params=list_profiles())
def model(request):
    return CostModel.of(load_profile(request.param))


def test_parts_of_a_network_join_to_the_whole(space, model, rng):
    table = space.network(space.sample(50, rng))
    for cut in (1, 5, table.active.shape[1] - 1):
        parts = model.totals(table, (0, cut))
        joined = parts.at((..., 0)).joined(parts.at((..., 1)))
        for part, whole in zip(model.costs_of(joined), model.evaluate(table), strict=True):
            assert np.array_equal(part, whole)


def test_the_smallest_bounds_what_is_joined(space, model, rng):
    table = space.network(space.sample(50, rng))
    first, second = (model.totals(table, (0, 9)).at((..., part)) for part in range(2))
    bound = model.costs_of(first.joined(second.smallest))
    costs = model.costs_of(first.joined(second))
    for low, value in zip(bound, costs, strict=True):
        assert (low <= value).all()
    assert (bound.latency_ms < costs.latency_ms).any()
    assert (bound.flash_kib < costs.flash_kib).any()


def test_totals_pair_by_broadcasting(space, model, rng):
    table = space.network(space.sample(6, rng))
    totals = model.totals(table).at((..., 0))
    pairs = totals.each(lambda array: array[:, None]).joined(totals.each(lambda array: array[None]))
    assert pairs.layers.shape == (6, 6)
    row = totals.at(2).joined(totals.at(4))
    for grid, single in zip(model.costs_of(pairs), model.costs_of(row), strict=True):
        assert grid[2, 4] == single
