"""Reading and transforming images, against Pillow and plain indexing."""

from zlib import crc32

import numpy as np
import pytest
import torch
from PIL import Image

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.data.image_folders import read_images
from mcu_nas_moo.data.images import (
    Images,
    Normalisation,
    augment,
    decode_images,
    resize,
    split_validation,
)


def test_classes_are_numbered_alphabetically(image_folder):
    images = read_images(image_folder / "train")
    assert images.pixels.shape == (120, 3, 32, 32)
    blue, red = images.pixels[images.targets == 0], images.pixels[images.targets == 1]
    assert blue[:, 2].float().mean() > blue[:, 0].float().mean() + 50
    assert red[:, 0].float().mean() > red[:, 2].float().mean() + 50


def test_other_sizes_and_modes_are_converted(tmp_path):
    for name, size, mode in (("a", (48, 40), "RGB"), ("b", (32, 32), "L")):
        (tmp_path / name).mkdir()
        Image.new(mode, size, 100 if mode == "L" else (10, 20, 30)).save(tmp_path / name / "0.png")
    images = read_images(tmp_path)
    assert images.pixels.shape == (2, 3, 32, 32)
    assert images.pixels[0, :, 0, 0].tolist() == [10, 20, 30]
    assert (images.pixels[1] == 100).all()


def test_validation_split_is_stratified_disjoint_and_repeatable():
    targets = torch.arange(1000) % 4
    pixels = torch.arange(1000).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    train, validation = split_validation(Images(pixels, targets))
    assert torch.bincount(validation.targets).tolist() == [25] * 4
    ids = torch.cat([train.pixels[:, 0, 0, 0], validation.pixels[:, 0, 0, 0]])
    assert sorted(ids.tolist()) == list(range(1000))
    again = split_validation(Images(pixels, targets))[1]
    assert torch.equal(again.pixels, validation.pixels)


def test_normalised_training_images_have_mean_0_and_deviation_1(image_folder):
    images = read_images(image_folder / "train")
    normalised = Normalisation.of(images)(images.pixels)
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        normalised.std((0, 2, 3), unbiased=False), torch.ones(3), atol=1e-4, rtol=0
    )


def test_augmented_images_are_shifted_or_flipped_copies():
    pixels = torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8)
    out = augment(pixels, torch.Generator().manual_seed(3), padding=2)
    padded = np.pad(pixels.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    kinds = set()
    for image, source in zip(out.numpy(), padded, strict=True):
        matches = [
            (top, left, flip)
            for top in range(5)
            for left in range(5)
            for flip in (1, -1)
            if (image == source[:, top : top + 6, left : left + 6][:, :, ::flip]).all()
        ]
        assert len(matches) == 1
        kinds.add(matches[0])
    assert len(kinds) > 1


def test_resize_equals_pillow_within_rounding():
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    ours = resize(pixels.float(), 20)[0].permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels[0].permute(1, 2, 0).numpy())
    theirs = np.asarray(image.resize((20, 20), Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(ours - theirs).max() <= 1.0


def test_errors_name_folder_and_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"expected an image folder with train/<class>"):
        read_images(tmp_path / "train")
    (tmp_path / "one").mkdir()
    with pytest.raises(ValueError, match="1 class folders; at least 2"):
        read_images(tmp_path)
    (tmp_path / "two").mkdir()
    with pytest.raises(ValueError, match="has no images"):
        read_images(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"cannot decode image .*broken\.png"):
        read_images(tmp_path)


def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height in the header
    data[29:33] = crc32(bytes(data[12:29])).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"cannot decode image .*bomb\.png"):
        decode_images([path], [0])
