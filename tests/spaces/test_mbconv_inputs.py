"""Grey inputs and inputs that are not square, against torch and against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mcu_nas_moo import InputError, Task, load_profile
from mcu_nas_moo.networks.torch_module import SubnetModule
from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec

STAGE = {"stride": 2, "depth": [1, 2], "kernel": [3, 5], "width": [4, 8], "expansion": [2]}
FACTS = {
    "name": "grey",
    "granularity": "stage",
    "classes": 3,
    "input": {"channels": 1},
    "resolution": [[24, 48], [25, 63]],
    "stem": [4],
    "stages": [STAGE, STAGE | {"stride": 1}],
    "head": [16],
}


def made(**changes):
    return MBConvSpace(MBConvSpec.model_validate(FACTS | changes))


@pytest.fixture
def grey():
    return made()


def shapes_in_torch(layers):
    """What each layer writes, by running the network."""
    module, shapes = SubnetModule(layers).eval(), {}
    names = {id(module.module_of(x)): x.name for x in layers if x.key in module.weighted}
    for part in module.weighted.values():
        part.register_forward_hook(
            lambda part, _, out: shapes.update({names[id(part)]: tuple(out.shape[1:])})
        )
    with torch.no_grad():
        module(torch.zeros(1, layers[0].in_channels, *layers[0].in_size))
    return shapes


def test_shapes_are_those_of_torch(grey, rng):
    table = grey.network(X := grey.sample(12, rng))
    assert len(set(zip(table.in_height[:, 0], table.in_width[:, 0], strict=True))) == 2
    for row in range(len(X)):
        layers = table.layers(row)
        shapes = shapes_in_torch(layers)
        for layer in layers:
            if layer.name in shapes:
                size = () if layer.name == "classifier" else layer.out_size
                assert shapes[layer.name] == (layer.out_channels, *size)


def test_macs_by_hand(grey):
    """The smallest network, written down layer by layer."""
    x = grey.encode(
        {
            "resolution": "24x48",
            "stage1_depth": 1,
            "stage1_width": 4,
            "stage1_kernel": 3,
            "stage2_depth": 1,
            "stage2_width": 8,
            "stage2_kernel": 5,
        }
    )
    expected = {
        "stem": 3 * 3 * 1 * 4 * 24 * 48,
        "stage1.block1.expand": 4 * 8 * 24 * 48,
        "stage1.block1.depthwise": 3 * 3 * 8 * 12 * 24,
        "stage1.block1.project": 8 * 4 * 12 * 24,
        "stage2.block1.expand": 4 * 8 * 12 * 24,
        "stage2.block1.depthwise": 5 * 5 * 8 * 12 * 24,
        "stage2.block1.project": 8 * 8 * 12 * 24,
        "head": 8 * 16 * 12 * 24,
        "classifier": 16 * 3,
    }
    table = grey.network(x)
    names = [slot.name for slot in table.topology.slots]
    macs = dict(zip(names, table.macs[0].tolist(), strict=True))
    assert {name: value for name, value in macs.items() if value} == expected
    weights = {"stem": 36, "stage1.block1.depthwise": 72, "stage2.block1.depthwise": 200}
    told = dict(zip(names, table.weights[0].tolist(), strict=True))
    assert {name: told[name] for name in weights} == weights


def test_odd_sizes_round_up_as_padding_does(grey):
    x = grey.encode(
        {"resolution": "25x63"}
        | {
            f"stage{s}_{g}": v
            for s in (1, 2)
            for g, v in (("depth", 1), ("width", 4), ("kernel", 3))
        }
    )
    stem, *_, head, pool, _ = grey.network(x).layers()
    conv = nn.Conv2d(1, 1, 3, stride=2, padding=1)
    assert head.in_size == tuple(conv(torch.zeros(1, 1, 25, 63)).shape[2:]) == (13, 32)
    assert (stem.in_channels, stem.in_size) == (1, (25, 63))
    assert pool.in_size == (13, 32)


def test_input_is_the_largest_and_features_tell_both_sides(grey, rng):
    assert (grey.input.channels, grey.input.height, grey.input.width) == (1, 25, 63)
    X = grey.sample(50, rng)
    table, features = grey.network(X), grey.features(X)
    np.testing.assert_array_equal(features[:, 0], table.in_height[:, 0])
    np.testing.assert_array_equal(features[:, -1], table.in_width[:, 0])
    # Sides that turn a picture are told apart, though their height times width is one number.
    turned = made(resolution=[[24, 48], [48, 24]])
    two = turned.features(np.array([[0, *[0] * 6], [1, *[0] * 6]]))
    assert (two[0] != two[1]).any()
    assert (turned.input.height, turned.input.width) == (48, 48)


def test_a_square_given_as_two_sides_is_the_same_network():
    sides, side = made(resolution=[[24, 24]]), made(resolution=[24])
    x = np.zeros((1, sides.n_genes), dtype=int)
    assert sides.network(x).layers() == side.network(x).layers()
    np.testing.assert_array_equal(sides.features(x), side.features(x))


def test_colour_is_the_default_and_leaves_facts_as_they_were():
    colour = made(input={"channels": 3}, resolution=[24, 32])
    plain = {name: value for name, value in FACTS.items() if name != "input"}
    before = MBConvSpace(MBConvSpec.model_validate(plain | {"resolution": [24, 32]}))
    assert colour.facts == before.facts
    assert "input" not in colour.facts
    assert made(resolution=[24, 32]).facts != before.facts


def test_costs_grow_with_the_width_of_the_input_alone(grey):
    wide, narrow = made(resolution=[[24, 96]]), made(resolution=[[24, 48]])
    X = np.zeros((1, wide.n_genes), dtype=int)
    macs = [int(space.network(X).macs[:, :-1].sum()) for space in (wide, narrow)]
    assert macs[0] == 2 * macs[1]  # all but the classifier


def test_the_shipped_predictor_is_not_taken_for_other_pictures(grey):
    for space in (grey, made(resolution=[16, 32])):
        with pytest.raises(InputError, match="nothing tells error of grey; the shipped predictor"):
            Task(space, load_profile("cortex-m7"))
    assert Task(grey, objectives=("latency", "sram")).evaluate(grey.smallest).F.shape == (1, 2)
