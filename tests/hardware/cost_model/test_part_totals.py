"""Totals that are looked up part by part against those of whole networks."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo.hardware.cost_model import CostModel, part_totals
from mcu_nas_moo.hardware.cost_model.part_totals import PartTotals
from mcu_nas_moo.hardware.profile import list_profiles, load_profile


@pytest.mark.parametrize("profile", list_profiles())
def test_looked_up_totals_are_those_of_the_layers(space, profile, rng):
    model = CostModel.of(load_profile(profile))
    totals = PartTotals(space, model)
    X = space.sample(300, rng)
    table = space.network(X)
    before = totals.of(X)
    totals.of(space.sample(2000, rng))
    after = totals.of(X)
    assert "_of_settings" in vars(totals)
    for one, two in zip((*before.work, *before[1:]), (*after.work, *after[1:]), strict=True):
        np.testing.assert_array_equal(one, two)
    for costs, known in zip(model.costs_of(after), model.evaluate(table), strict=True):
        np.testing.assert_array_equal(costs, known)
    np.testing.assert_array_equal(after.macs, table.macs.sum(axis=1))


@pytest.mark.parametrize(("most", "asked"), [(10, 2000), (part_totals.MOST, 20)])
def test_no_table_for_few_networks_or_for_too_many_settings(space, rng, monkeypatch, most, asked):
    monkeypatch.setattr(part_totals, "MOST", most)
    totals = PartTotals(space, CostModel.of(load_profile("cortex-m7")))
    X = space.sample(asked, rng)
    np.testing.assert_array_equal(totals.of(X).macs, space.network(X).macs.sum(axis=1))
    assert "_of_settings" not in vars(totals)
