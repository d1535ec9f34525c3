from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mcu_nas_moo.data.image_folders import ImageListing, read_images
from mcu_nas_moo.data.images import (
    calibration_images,
    calibration_rows,
    decode_images,
    split_rows,
    split_validation,
)


@pytest.fixture(scope="module")
def listing(image_folder):
    return ImageListing.of(image_folder / "train")


def test_rows_are_those_of_all_images_read(listing, image_folder):
    images = read_images(image_folder / "train")
    rows = np.array([77, 3, 119])
    some = listing.read(rows)
    assert torch.equal(some.pixels, images.pixels[rows])
    assert torch.equal(some.targets, images.targets[rows])
    assert listing.class_names == ("blue", "red")


def test_split_is_that_of_the_training(listing, image_folder):
    train, validation = split_validation(read_images(image_folder / "train"))
    train_rows, validation_rows = split_rows(listing.targets)
    assert torch.equal(listing.read(train_rows).pixels, train.pixels)
    assert torch.equal(listing.read(validation_rows).pixels, validation.pixels)
    assert torch.equal(listing.read(validation_rows).targets, validation.targets)


def test_recalibration_images_are_those_of_evaluations(listing, image_folder):
    train, _ = split_validation(read_images(image_folder / "train"))
    training_rows, _ = split_rows(listing.targets)
    rows = training_rows[calibration_rows(len(training_rows)).numpy()]
    assert torch.equal(listing.read(rows).pixels, calibration_images(train).pixels)


@pytest.mark.parametrize(("count", "counts"), [(10, (5, 5)), (40, (20, 20)), (90, (60, 30))])
def test_sample_is_balanced_as_far_as_possible(listing, count, counts):
    rows = np.arange(90)  # 60 of the first class, 30 of the second
    sample = listing.balanced(rows, count, seed=1)
    assert len(np.unique(sample)) == count
    assert set(sample) <= set(rows)
    assert tuple(np.bincount(listing.targets[sample])) == counts


def test_sample_is_random_and_repeatable(listing):
    rows = np.arange(120)
    sample = listing.balanced(rows, 40, seed=1)
    np.testing.assert_array_equal(sample, listing.balanced(rows, 40, seed=1))
    assert set(sample) != set(listing.balanced(rows, 40, seed=2))
    assert 5 < listing.targets[sample[:20]].sum() < 15
    assert len(listing.balanced(rows, 500, seed=1)) == 120


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        ImageListing.of(tmp_path / "train")
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="1 class folders"):
        ImageListing.of(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="has no images"):
        ImageListing.of(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name / "x.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="cannot decode image"):
        ImageListing.of(tmp_path).read(np.array([0]))


def test_images_of_an_evaluation_are_read_without_the_others(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(30):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "train" / name / f"{number:02}.png")
    monkeypatch.setattr("mcu_nas_moo.data.images.CALIBRATION_IMAGES", 20)
    train, validation = split_validation(read_images(tmp_path / "train"))
    listing = ImageListing.of(tmp_path / "train")
    read = []
    monkeypatch.setattr(
        "mcu_nas_moo.data.image_folders.decode_images",
        lambda paths, targets: read.extend(paths) or decode_images(paths, targets),
    )
    for images, wanted in zip(
        listing.calibration_and_validation(), (calibration_images(train), validation), strict=True
    ):
        assert torch.equal(images.pixels, wanted.pixels)
        assert torch.equal(images.targets, wanted.targets)
    assert len(set(read)) == len(read) == 20 + 6
