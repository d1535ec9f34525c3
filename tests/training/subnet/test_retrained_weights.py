"""Weights files: what comes back from them, and what is refused."""

import dataclasses
import math

import pytest
import torch
from safetensors.torch import save_file

from mcu_nas_moo.common.errors import DamagedFileError
from mcu_nas_moo.data.images import calibration_images, resize
from mcu_nas_moo.training.subnet.weights import RetrainedSubnet, shared_weights
from mcu_nas_moo.training.supernet.supernet import recalibrate


@pytest.fixture
def shared(subnet, images, supernet):
    return shared_weights(subnet, images.train, images.class_names, supernet)


@pytest.fixture
def path(shared, tmp_path):
    shared.save(tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_shared_weights_are_those_of_the_supernet(shared, subnet, images, supernet):
    module = supernet.supernet.subnet(subnet.layers())
    recalibrate(module, calibration_images(images.train), supernet.normalise)
    x = resize(supernet.normalise(images.validation.pixels), 16)
    assert torch.equal(shared.module(x), module(x))
    assert not shared.module.training
    assert shared.class_names == ("blue", "red")


def test_the_file_brings_everything_back(shared, path, subnet, images):
    ranged = RetrainedSubnet(
        shared.subnet,
        shared.module,
        shared.normalise,
        shared.class_names,
        {"image": (-2.0, 2.5), "stem": (0.0, 1 / 3)},
        {"seconds": 3},
    )
    ranged.save(path)
    loaded = RetrainedSubnet.load(path, subnet)
    x = resize(shared.normalise(images.validation.pixels), 16)
    assert torch.equal(loaded.module(x), shared.module(x))
    for field in ("subnet", "normalise", "class_names", "ranges", "training"):
        assert getattr(loaded, field) == getattr(ranged, field)
    assert not loaded.module.training


def test_weights_without_ranges(path):
    assert RetrainedSubnet.load(path).ranges is None


@pytest.mark.parametrize(
    "ranges",
    [
        *([], [["stem", 0, 1]], "stem", 1, True),
        *({"stem": 1}, {"stem": []}, {"stem": [0]}, {"stem": [0, 1, 2]}, {"stem": None}),
        *({"stem": [0, "one"]}, {"stem": [None, 1]}, {"stem": [[0], [1]]}),
        *({"stem": [0, math.nan]}, {"stem": [-math.inf, math.inf]}, {"stem": {"low": 0}}),
    ],
)
def test_ranges_that_are_none_are_refused(shared, path, ranges):
    dataclasses.replace(shared, ranges=ranges).save(path)
    with pytest.raises(DamagedFileError, match=r"is damaged or not a retrained .*; remake it") as e:
        RetrainedSubnet.load(path)
    assert "\n" not in str(e.value)


def test_names_and_inactive_genes_do_not_make_another_network(path, subnet):
    RetrainedSubnet.load(path, subnet.model_copy(update={"name": "renamed", "classes": 7}))
    other = subnet.model_copy(update={"genes": subnet.genes | {"stem": 8}})
    with pytest.raises(ValueError, match=r"weights of another network.*mcu-nas retrain"):
        RetrainedSubnet.load(path, other)


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"no retrained weights .*`mcu-nas retrain SUBNET"):
        RetrainedSubnet.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("place", [0.0, 0.5, 0.99])
def test_a_flipped_byte_is_noticed(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged or not a retrained subnet.*remake it"):
        RetrainedSubnet.load(path)


def test_a_cut_file_and_a_foreign_one_are_refused(path, tmp_path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is damaged or not a retrained subnet"):
        RetrainedSubnet.load(path)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"w": torch.ones(2)}, foreign)
    with pytest.raises(ValueError, match="is damaged or not a retrained subnet"):
        RetrainedSubnet.load(foreign)


def test_shared_weights_need_the_same_classes(subnet, images, supernet):
    with pytest.raises(ValueError, match="2 classes apart, the images have 3"):
        shared_weights(subnet, images.train, ("a", "b", "c"), supernet)
