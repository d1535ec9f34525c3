"""The shipped spaces, and small ones written here, against their definition."""

from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec, list_spaces, load_space

SMALL = {
    "name": "small",
    "granularity": "block",
    "classes": 4,
    "resolution": [8],
    "stem": [4],
    "stages": [
        {"stride": 1, "depth": [1, 2], "kernel": [3, 5], "width": [4, 8], "expansion": [1, 2]},
        {"stride": 2, "depth": [1, 2, 3], "kernel": [3], "width": [8], "expansion": [2, 3]},
    ],
    "head": [8, 16],
}


def small_space(**changes):
    return MBConvSpace(MBConvSpec.model_validate(SMALL | changes))


def all_genotypes(space):
    return np.array(list(product(*(range(k) for k in space.n_choices))))


def test_sizes_are_as_announced():
    assert 5e7 < load_space("mbconv-stage").n_networks < 2e8
    assert load_space("mbconv-block").n_networks > 1e15


def test_number_of_networks_is_that_of_distinct_canonical_forms():
    space = small_space()
    X = all_genotypes(space)
    assert len(X) == space.n_genotypes
    assert len(np.unique(space.canonical(X), axis=0)) == space.n_networks


def test_genotypes_with_one_canonical_form_have_one_layer_table():
    space = small_space()
    X = all_genotypes(space)
    tables, canonical = space.network(X), space.network(space.canonical(X))
    for row in range(0, len(X), 7):
        assert tables.layers(row) == canonical.layers(row)


def test_different_canonical_forms_have_different_layers():
    space = small_space()
    X = np.unique(space.canonical(all_genotypes(space)), axis=0)
    table = space.network(X)
    assert len({tuple(table.layers(row)) for row in range(len(X))}) == len(X)


def test_stages_of_one_block_each_have_no_shortcuts():
    stages = [stage | {"depth": [1]} for stage in SMALL["stages"]]
    for granularity in ("stage", "block"):
        space = small_space(stages=stages, granularity=granularity)
        layers = space.network(space.largest).layers()
        assert [layer.name for layer in layers if ".add" in layer.name] == []
        assert len(layers) == 1 + 2 * 3 + 3


def test_options_with_step():
    by_step = small_space(resolution={"min": 8, "max": 16, "step": 4})
    assert by_step.genes[0].options == (8, 12, 16)


def test_expansion_follows_depth(rng):
    space = load_space("mbconv-stage")
    blocks = space.blocks(space.sample(500, rng))
    for stage, spec in enumerate(space.spec.stages):
        places = np.flatnonzero(space.stage_of_place == stage)
        for depth, expansion in spec.expansion_by_depth.items():
            rows = blocks.depth[:, stage] == depth
            assert rows.any()
            assert (blocks.expansion[np.ix_(rows, places)] == expansion).all()


def test_stage_networks_are_among_the_block_networks(rng):
    """What the search space mbconv-stage can say, mbconv-block can say too."""
    stage, block = load_space("mbconv-stage"), load_space("mbconv-block")
    for x in stage.sample(30, rng):
        blocks = stage.blocks(x[None])
        values = {
            "resolution": blocks.resolution[0],
            "stem": blocks.stem[0],
            "head": blocks.head[0],
        }
        for number in range(len(stage.spec.stages)):
            values[f"stage{number + 1}_depth"] = blocks.depth[0, number]
            values[f"stage{number + 1}_width"] = blocks.width[0, number]
        for place in np.flatnonzero(blocks.active[0]):
            label = (
                f"stage{stage.stage_of_place[place] + 1}_block{stage.position_of_place[place] + 1}"
            )
            values[f"{label}_kernel"] = blocks.kernel[0, place]
            values[f"{label}_expansion"] = blocks.expansion[0, place]
        known = {gene.name for gene in block.genes}
        encoded = block.encode({key: int(v) for key, v in values.items() if key in known})
        assert block.network(encoded).layers() == stage.network(x[None]).layers()


def test_extremes_bound_every_network(space, rng):
    macs = space.network(space.sample(300, rng)).macs.sum(axis=1)
    assert space.network(space.smallest).macs.sum() <= macs.min()
    assert space.network(space.largest).macs.sum() >= macs.max()


def test_both_spaces_share_one_supernet():
    spaces = [load_space(name) for name in list_spaces()]
    assert spaces[0].network(spaces[0].largest).layers() == (
        spaces[1].network(spaces[1].largest).layers()
    )
    assert spaces[0].network(spaces[0].smallest).layers() == (
        spaces[1].network(spaces[1].smallest).layers()
    )


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"expansion": None}, "give either expansion or expansion_by_depth"),
        ({"expansion_by_depth": {1: 2}}, "give either expansion or expansion_by_depth"),
        ({"expansion": None, "expansion_by_depth": {1: 2}}, r"must have the keys \[1, 2\]"),
        ({"kernel": [4]}, "kernel sizes must be odd"),
        ({"stride": 3}, "stride"),
        ({"width": []}, "width"),
        ({"depth": [0]}, "depth"),
    ],
)
def test_bad_stage_is_refused(stage, message):
    with pytest.raises(ValidationError, match=message):
        small_space(stages=[SMALL["stages"][0] | stage])


def test_unknown_space_lists_those_there_are():
    with pytest.raises(ValueError, match=r"did you mean .mbconv-stage.*mbconv-block, mbconv-stage"):
        load_space("mbconv-stag")
