from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mcu_nas_moo.data.images import Images, Normalisation
from mcu_nas_moo.data.preprocessing import Preprocessing, normalise, pixels_at


def by_definition(pixel, mean, std, scale, zero_point):
    # Python's round also takes halves to even numbers.
    return min(max(round((pixel - mean) / std / scale) + zero_point, -128), 127)


@given(
    st.lists(st.floats(0, 255), min_size=3, max_size=3),
    st.lists(st.floats(1, 128), min_size=3, max_size=3),
    st.floats(1e-3, 0.1),
    st.integers(-128, 127),
)
def test_table_follows_its_definition(mean, std, scale, zero_point):
    table = Preprocessing(tuple(mean), tuple(std), scale, zero_point).table
    assert table.dtype == np.int8
    expected = [
        [by_definition(pixel, mean[c], std[c], scale, zero_point) for pixel in range(256)]
        for c in range(3)
    ]
    np.testing.assert_array_equal(table, expected)


def test_extremes_and_halves():
    # (p - 100) / 50 / 0.04 = (p - 100) / 2: halves at odd pixels, cut off from 354 down to -156.
    table = Preprocessing((100.0,), (50.0,), 0.04, 0).table[0]
    assert [table[p] for p in (100, 101, 103, 102, 0, 255)] == [0, 0, 2, 1, -50, 78]
    steep = Preprocessing((100.0,), (50.0,), 0.004, 10).table[0]
    assert (steep[0], steep[100], steep[255]) == (-128, 10, 127)


def test_pixels_are_looked_up_by_channel(rng):
    preprocessing = Preprocessing((120.0, 110.0, 90.0), (60.0, 61.0, 62.0), 0.017, -3)
    pixels = rng.integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    outputs = preprocessing(pixels)
    assert outputs.dtype == np.int8
    for place in np.ndindex(pixels.shape):
        assert outputs[place] == preprocessing.table[place[1], pixels[place]]


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 3, 4, 4), dtype=np.float32),
        np.zeros((3, 4, 4), dtype=np.uint8),
        np.zeros((1, 4, 4, 3), dtype=np.uint8),
    ],
)
def test_other_arrays_are_refused(pixels):
    preprocessing = Preprocessing((0.0,) * 3, (1.0,) * 3, 1.0, 0)
    with pytest.raises(ValueError, match="uint8 pixels"):
        preprocessing(pixels)


def test_int8_input_stands_for_the_normalised_pixel(rng):
    mean, std = (120.0, 110.0, 90.0), (60.0, 61.0, 62.0)
    pixels = rng.integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    floats = normalise(pixels, mean, std)
    np.testing.assert_allclose(
        floats, Normalisation(mean, std)(torch.from_numpy(pixels)), rtol=1e-6, atol=1e-7
    )
    preprocessing = Preprocessing(mean, std, 0.02, -5)
    back = 0.02 * (preprocessing(pixels).astype(float) + 5)
    assert np.abs(back - floats).max() <= 0.01 + 1e-6


def test_images_are_scaled_like_pillow_does(rng):
    smooth = np.kron(rng.integers(0, 256, (5, 3, 4, 4)), np.ones((8, 8))).astype(np.uint8)
    images = Images(torch.from_numpy(smooth), torch.zeros(5, dtype=torch.int64))
    scaled = pixels_at(images, 24)
    assert scaled.dtype == np.uint8
    assert scaled.shape == (5, 3, 24, 24)
    for image, small in zip(smooth, scaled, strict=True):
        expected = Image.fromarray(image.transpose(1, 2, 0)).resize(
            (24, 24), Image.Resampling.BILINEAR
        )
        # Pillow rounds after each of the two directions.
        difference = np.asarray(expected).transpose(2, 0, 1).astype(int) - small
        assert np.abs(difference).max() <= 1


def test_scaling_keeps_the_extremes_and_full_size():
    extremes = torch.stack([torch.zeros(3, 32, 32), torch.full((3, 32, 32), 255)]).to(torch.uint8)
    images = Images(extremes, torch.tensor([0, 1]))
    small = pixels_at(images, 16)
    assert (small[0] == 0).all()
    assert (small[1] == 255).all()
    np.testing.assert_array_equal(pixels_at(images, 32), extremes)
