"""From the pixels of a camera to the int8 input of a network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from mcu_nas_moo.data.images import Images

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Int8Array = np.ndarray[Any, np.dtype[np.int8]]
#: Images that are scaled at a time.
_BATCH = 1024


def pixels_at(images: Images, resolution: int) -> Pixels:
    """The images as a camera of that resolution would deliver them.

    Scaled with antialiasing and rounded to whole numbers, which devices receive; training scales
    without rounding.

    Returns:
        uint8, shape ``(N, 3, resolution, resolution)``.
    """
    import torch

    from mcu_nas_moo.data.images import resize

    parts = [
        resize(batch.pixels.float(), resolution).round().clamp(0, 255).to(torch.uint8)
        for batch in images.batches(_BATCH)
    ]
    return np.ascontiguousarray(torch.cat(parts).cpu().numpy())


@dataclass(frozen=True)
class Preprocessing:
    """What turns pixels into the input of an int8 network.

    A pixel has 256 values, so that a table says it all: no arithmetic on the device, and no
    question of how it rounds.

    Attributes:
        mean, std: of pixels in [0, 255], per channel.
        scale, zero_point: of the int8 input tensor, whose value q stands for
            ``scale * (q - zero_point)``.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    zero_point: int

    @cached_property
    def table(self) -> Int8Array:
        """The int8 input for each pixel value, shape ``(channels, 256)``.

        This is the definition of the preprocessing: computed in float64, halves to even numbers.
        """
        pixels = np.arange(256, dtype=np.float64)
        mean, std = np.array(self.mean)[:, None], np.array(self.std)[:, None]
        steps = np.rint((pixels - mean) / std / self.scale) + self.zero_point
        table: Int8Array = np.clip(steps, -128, 127).astype(np.int8)
        table.flags.writeable = False
        return table

    def __call__(self, pixels: Pixels) -> Int8Array:
        """The network's int8 input for uint8 ``pixels``, both ``(N, channels, height, width)``."""
        channels = len(self.mean)
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != channels:
            raise InputError(
                f"expected uint8 pixels (N, {channels}, height, width), "
                f"got {pixels.dtype} {pixels.shape}"
            )
        return self.table[np.arange(channels)[None, :, None, None], pixels]


def normalise(
    pixels: Pixels, mean: tuple[float, ...], std: tuple[float, ...]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Pixels ``(N, channels, height, width)`` as float32 of zero mean and unit deviation."""
    shape = (1, len(mean), 1, 1)
    values = pixels.astype(np.float32)
    values -= np.array(mean, dtype=np.float32).reshape(shape)
    values /= np.array(std, dtype=np.float32).reshape(shape)
    return values
