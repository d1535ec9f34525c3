"""Image folders as arrays: reading, splitting, augmenting, resizing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mcu_nas_moo.common.arrays import IntArray
    from mcu_nas_moo.networks.layer import Layer

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"}
#: Side of the stored images; subnets of lower resolution see them scaled down.
IMAGE_SIZE = 32
#: Share of the training images that is held out for labels and search.
VALIDATION_SHARE = 0.1
#: Training images that set the batch-norm statistics of a subnet.
CALIBRATION_IMAGES = 2048


@dataclass(frozen=True, eq=False)
class Images:
    """Images ``(N, 3, height, width)`` uint8 and their class numbers ``(N,)`` int64."""

    pixels: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def classes(self) -> int:
        """Number of classes, if the last one occurs."""
        return int(self.targets.max()) + 1

    def __getitem__(self, rows: slice | torch.Tensor) -> Images:
        return Images(self.pixels[rows], self.targets[rows])

    def to(self, device: str | torch.device) -> Images:
        """The same images on another device."""
        return Images(self.pixels.to(device), self.targets.to(device))

    def batches(self, size: int) -> Iterator[Images]:
        """Consecutive batches of at most ``size`` images, in order."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


def decode_images(paths: Sequence[Path], targets: Sequence[int]) -> Images:
    """Decode images: RGB, scaled to 32x32 if they have another size.

    Raises:
        InputError: if one cannot be decoded.
    """
    with ThreadPoolExecutor() as pool:
        pixels = np.stack(list(pool.map(_decode, paths)))
    return Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.tensor(targets))


def _decode(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"cannot decode image {path}: {error}") from error
    if rgb.size != (IMAGE_SIZE, IMAGE_SIZE):
        rgb = rgb.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)
    return np.asarray(rgb)


def split_rows(targets: IntArray) -> tuple[IntArray, IntArray]:
    """Rows of training and of validation images, each class in the same proportion.

    The validation images come in random order, so that any prefix of them is a fair sample.

    Args:
        targets: class number of each image, ``(N,)``.
    """
    rng = np.random.default_rng(0)
    train, validation = [], []
    for number in np.unique(targets):
        rows = rng.permutation(np.flatnonzero(targets == number))
        held_out = max(1, round(VALIDATION_SHARE * len(rows)))
        validation.append(rows[:held_out])
        train.append(rows[held_out:])
    return np.sort(np.concatenate(train)), rng.permutation(np.concatenate(validation))


def split_validation(images: Images) -> tuple[Images, Images]:
    """Training and validation images, see :func:`split_rows`."""
    train, validation = split_rows(images.targets.numpy())
    return images[torch.from_numpy(train)], images[torch.from_numpy(validation)]


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation per channel, of pixels in [0, 255]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, images: Images) -> Normalisation:
        """Measured on ``images``, in portions so that memory stays small."""
        count = images.pixels[:, 0].numel()
        total = sum(b.pixels.double().sum((0, 2, 3)) for b in images.batches(4096))
        square = sum((b.pixels.double() ** 2).sum((0, 2, 3)) for b in images.batches(4096))
        mean = torch.as_tensor(total) / count
        std = (torch.as_tensor(square) / count - mean**2).sqrt()
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    @classmethod
    def of_facts(cls, facts: Any) -> Normalisation:
        """By the lists of means and deviations in a file.

        Raises:
            ValueError: if they are not lists of as many numbers, the deviations above 0.
        """
        mean, std = (tuple(float(value) for value in values) for values in facts)
        if len(mean) != len(std) or not np.isfinite(mean).all() or not 0 < min(std) < np.inf:
            raise InputError(f"normalisation: expected means and deviations above 0, got {facts}")
        return cls(mean, std)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels as channels-last float32 with zero mean and unit deviation."""
        shape = (1, len(self.mean), 1, 1)
        mean = torch.tensor(self.mean, device=pixels.device).reshape(shape)
        std = torch.tensor(self.std, device=pixels.device).reshape(shape)
        return ((pixels.float() - mean) / std).contiguous(memory_format=torch.channels_last)


def augment(pixels: torch.Tensor, generator: torch.Generator, padding: int = 4) -> torch.Tensor:
    """Random crop after reflection padding, and random horizontal flip; ``(B, 3, H, W)`` uint8."""
    batch, _, height, width = pixels.shape
    padded = F.pad(pixels.float(), [padding] * 4, mode="reflect").to(torch.uint8)
    corner = torch.randint(0, 2 * padding + 1, (2, batch), generator=generator)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    rows = torch.arange(batch, device=pixels.device)
    top, left = corner.to(pixels.device)
    cropped = windows[rows, :, top, left]
    flip = (torch.rand(batch, generator=generator) < 0.5).to(pixels.device)
    return torch.where(flip[:, None, None, None], cropped.flip(3), cropped)


def resize(images: torch.Tensor, resolution: int) -> torch.Tensor:
    """Scale float images ``(B, C, H, W)`` to ``resolution``, with antialiasing."""
    if images.shape[-1] == resolution and images.shape[-2] == resolution:
        return images
    scaled = F.interpolate(
        images, size=(resolution, resolution), mode="bilinear", antialias=True, align_corners=False
    )
    return scaled.contiguous(memory_format=torch.channels_last)


def check_reads_pictures(layers: Sequence[Layer], what: str) -> None:
    """Make sure that a network reads what pictures are made into here: square colour images.

    Args:
        layers: of the network.
        what: it is called in messages.

    Raises:
        InputError: if it reads others.
    """
    channels, size = layers[0].in_channels, layers[0].in_size
    if channels != 3 or size[0] != size[1]:
        raise InputError(
            f"{what} reads {channels}x{size[0]}x{size[1]} (channels x height x width), but "
            "pictures are square and have 3 channels here; let an evaluator of your own tell the "
            "accuracy"
        )


def calibration_rows(count: int) -> torch.Tensor:
    """A random sample of ``count`` training images that batch-norm statistics are computed on."""
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(count, generator=generator)[:CALIBRATION_IMAGES]


def calibration_images(train: Images) -> Images:
    """The images of :func:`calibration_rows`."""
    return train[calibration_rows(len(train))]
