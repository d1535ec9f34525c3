"""Samples of an image folder: only the images that are asked for are decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.data.images import (
    IMAGE_SUFFIXES,
    Images,
    calibration_images,
    decode_images,
    split_validation,
)

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import IntArray


@dataclass(frozen=True, eq=False)
class ImageListing:
    """Paths of the images of one split and their class numbers, shape ``(N,)``.

    Classes are numbered in alphabetical order.
    """

    paths: tuple[Path, ...]
    targets: IntArray
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path) -> ImageListing:
        """List ``folder/<class>/<image>``.

        Raises:
            InputError: if the folder is missing, has fewer than two classes, or one has no images.
        """
        if not folder.is_dir():
            raise InputError(
                f"no folder {folder}; expected an image folder with train/<class>/<image> "
                "and, for final figures, test/<class>/<image>"
            )
        classes = sorted(path for path in folder.iterdir() if path.is_dir())
        if len(classes) < 2:
            raise InputError(f"{folder} has {len(classes)} class folders; at least 2 are needed")
        paths: list[Path] = []
        targets: list[int] = []
        for number, folder_of_class in enumerate(classes):
            found = sorted(
                p for p in folder_of_class.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES
            )
            if not found:
                raise InputError(f"{folder_of_class} has no images ({', '.join(IMAGE_SUFFIXES)})")
            paths += found
            targets += [number] * len(found)
        return cls(tuple(paths), np.array(targets), tuple(path.name for path in classes))

    @classmethod
    def splits(cls, root: Path) -> tuple[ImageListing, ImageListing | None]:
        """The images of ``root/train`` and, if there is such a folder, of ``root/test``.

        Raises:
            InputError: as :meth:`of`, or if the two have other classes.
        """
        train, test = cls.of(root / "train"), None
        if (root / "test").is_dir():
            test = cls.of(root / "test")
            if test.class_names != train.class_names:
                raise InputError(
                    f"{root / 'test'} has other class folders than {root / 'train'}; give both "
                    "the same"
                )
        return train, test

    def __len__(self) -> int:
        return len(self.paths)

    def split_rows(self) -> tuple[IntArray, IntArray]:
        """Rows of the training and of the validation images.

        The same split as ``split_validation`` makes of the images.
        """
        # The split looks at classes only, so numbers can stand in for the images.
        numbers = torch.arange(len(self)).reshape(-1, 1, 1, 1)
        train, validation = split_validation(Images(numbers, torch.from_numpy(self.targets)))
        return train.pixels.flatten().numpy(), validation.pixels.flatten().numpy()

    def recalibration(self, rows: IntArray) -> IntArray:
        """Those of ``rows`` that set batch-norm statistics, in random order.

        The same as ``calibration_images`` of all of them.
        """
        numbers = torch.from_numpy(rows).reshape(-1, 1, 1, 1)
        targets = torch.from_numpy(self.targets[rows])
        chosen = calibration_images(Images(numbers, targets)).pixels.flatten()
        return np.asarray(chosen.numpy(), dtype=np.int64)

    def read(self, rows: IntArray | None = None) -> Images:
        """Decode the images of those rows, in that order; all by default.

        Raises:
            InputError: if an image cannot be decoded.
        """
        rows = np.arange(len(self)) if rows is None else rows
        return decode_images([self.paths[row] for row in rows], self.targets[rows].tolist())

    def balanced(self, rows: IntArray, count: int, seed: int) -> IntArray:
        """Those of ``rows`` that :func:`balanced_sample` draws."""
        return rows[balanced_sample(self.targets[rows], count, seed)]


def read_images(folder: Path) -> Images:
    """All images of a folder, see :meth:`ImageListing.of` and :meth:`ImageListing.read`."""
    return ImageListing.of(folder).read()


def balanced_sample(targets: IntArray, count: int, seed: int) -> IntArray:
    """A random sample of images, in random order, in which classes differ by one at most.

    Unless one has too few images; then the others give more.

    Args:
        targets: class number of each image, ``(N,)``.
        count: images to draw; all if there are fewer.
        seed: same seed, same sample.

    Returns:
        places of the images in ``targets``.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(targets))
    classes = targets[shuffled]
    # Place of each image among those of its class: the first of all classes come first.
    place = np.empty(len(targets), dtype=np.int64)
    for number in np.unique(classes):
        of_class = classes == number
        place[of_class] = np.arange(of_class.sum())
    chosen = np.argsort(place, kind="stable")[:count]
    sample: IntArray = shuffled[rng.permutation(chosen)]
    return sample
