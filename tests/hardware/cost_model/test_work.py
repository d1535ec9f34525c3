"""Work, counts and kinds of layers: by hand, and against plain sums over random networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from plain_costs import counts, kinds, work
from random_networks import networks

from mcu_nas_moo.hardware.cost_model.work import (
    WORK,
    all_work_of,
    counts_of,
    kinds_of,
    work_by_layer,
)
from mcu_nas_moo.hardware.runtime import Cycles
from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.layer_table import LayerTable


def of(*layers):
    """A table of layers: op, inputs, kernel and both shapes, as channels, height, width."""
    return LayerTable.of(
        [
            Layer(
                f"{n}",
                op,
                inputs,
                n,
                False,
                before[0],
                after[0],
                kernel,
                (1, 1),
                before[1:],
                after[1:],
            )
            for n, (op, inputs, before, after, kernel) in enumerate(layers, start=1)
        ]
    )


@pytest.fixture
def network():
    return of(
        (Op.CONV, (0,), (3, 4, 5), (8, 4, 5), (3, 3)),
        (Op.DEPTHWISE, (1,), (8, 4, 5), (8, 4, 5), (5, 3)),
        (Op.MUL, (1, 2), (8, 4, 5), (8, 4, 5), (1, 1)),
        (Op.GLOBAL_POOL, (3,), (8, 4, 5), (8, 1, 1), (1, 1)),
        (Op.DENSE, (4,), (8, 1, 1), (10, 1, 1), (1, 1)),
    )


def test_work_by_hand(network):
    expected = {
        "conv_mac": 3 * 3 * 3 * 8 * 4 * 5,
        "depthwise_mac": 5 * 3 * 8 * 4 * 5,
        "dense_mac": 8 * 10,
        # Three channels leave five of eight lanes idle.
        "idle_mac": 3 * 3 * 5 * 8 * 4 * 5,
        # The image, 160 for the depthwise layer, twice 160 for the product, 160, and 8.
        "input_element": 60 + 160 + 2 * 160 + 160 + 8,
        "output_element": 160 + 160 + 160 + 8 + 10,
        "elementwise_element": 160,
        "layer": 5,
    }
    assert dict(zip(WORK, all_work_of(network)[0].tolist(), strict=True)) == expected


def test_counts_by_hand(network):
    # Conv, depthwise and dense have weights, for 8, 8 and 10 channels.
    assert counts_of(network).tolist() == [[5, 3, 26]]
    assert kinds_of(network).tolist() == [5]


def test_pointwise_convolutions_are_a_kind_of_their_own():
    one, three = (1, 1), (3, 3)
    shape = (4, 6, 6)
    pointwise, wide = (Op.CONV, (0,), shape, shape, one), (Op.CONV, (0,), shape, shape, three)
    assert kinds_of(of(pointwise, pointwise)).tolist() == [1]
    assert kinds_of(of(wide, wide)).tolist() == [1]
    assert kinds_of(of(pointwise, wide)).tolist() == [2]
    assert kinds_of(of((Op.CONV, (0,), shape, shape, (1, 3)), wide)).tolist() == [1]


def test_units_of_work_are_the_coefficients_of_latency():
    assert tuple(Cycles.model_fields) == WORK


@given(networks())
def test_any_network_equals_a_plain_sum(network):
    layers, outputs = network
    table = LayerTable.of(layers, outputs)
    assert dict(zip(WORK, all_work_of(table)[0].tolist(), strict=True)) == work(layers)
    assert counts_of(table)[0].tolist() == counts(layers)
    assert kinds_of(table)[0] == kinds(layers)


def test_layers_left_out_do_no_work(space, rng):
    subnets = space.network(space.sample(100, rng))
    assert not subnets.active.all()
    for unit in WORK:
        by_layer = work_by_layer(subnets, unit)
        assert not by_layer[~subnets.active].any()
    for row in range(len(subnets)):
        layers = subnets.layers(row)
        assert all_work_of(subnets)[row].tolist() == list(work(layers).values())
        assert counts_of(subnets)[row].tolist() == counts(layers)
        assert kinds_of(subnets)[row] == kinds(layers)
    assert all_work_of(subnets).dtype == np.float64
