"""Image folders: listed, of which only the images asked for are decoded, or read for training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.data.images import (
    IMAGE_SUFFIXES,
    Images,
    calibration_rows,
    decode_images,
    split_rows,
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

    def read(self, rows: IntArray | None = None) -> Images:
        """Decode the images of those rows, in that order; all by default.

        Raises:
            InputError: if an image cannot be decoded.
        """
        rows = np.arange(len(self)) if rows is None else rows
        return decode_images([self.paths[row] for row in rows], self.targets[rows].tolist())

    def calibration_and_validation(self) -> tuple[Images, Images]:
        """The images that an accuracy with shared weights takes, of those of ``root/train``.

        As ``calibration_images`` and ``split_validation`` choose them, without the others, which
        are six sevenths of CIFAR-10.

        Raises:
            InputError: if an image cannot be decoded.
        """
        train, validation = split_rows(self.targets)
        return self.read(train[calibration_rows(len(train)).numpy()]), self.read(validation)

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


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """The images of ``root/train`` in two parts; those of ``root/test`` are read on demand.

    Attributes:
        class_names: in the order of the class numbers.
    """

    root: Path
    class_names: tuple[str, ...]
    train: Images
    validation: Images

    @classmethod
    def read(cls, root: Path) -> ImageFolder:
        """Read and split the training images; see ``read_images``.

        The test images are tried too: one that is damaged should not be found after hours.

        Raises:
            InputError: if there are none, a class has a single one, one cannot be decoded, or
                ``root/test`` has other classes than ``root/train``.
        """
        train, test = ImageListing.splits(root)
        for name, count in zip(train.class_names, np.bincount(train.targets), strict=True):
            if count < 2:
                raise InputError(
                    f"{root / 'train' / name} has a single image; each class needs 2 at least, one "
                    "to train and one to validate with: add images or remove the class"
                )
        if test is not None:
            test.read()
        return cls(root, train.class_names, *split_validation(train.read()))

    def to(self, device: str) -> ImageFolder:
        """The same images on another device."""
        return ImageFolder(
            self.root, self.class_names, self.train.to(device), self.validation.to(device)
        )

    def test(self) -> Images | None:
        """The test images on the device of the others; None if there is no such folder."""
        if not (self.root / "test").is_dir():
            return None
        return read_images(self.root / "test").to(self.train.pixels.device)

    @property
    def fingerprint(self) -> str:
        """Hash of the training images, their order, and their classes."""
        digest = hashlib.sha256("\n".join(self.class_names).encode())
        for tensor in (self.train.pixels, self.train.targets):
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()[:16]
