"""The images of a retraining: split, and with the names of their classes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.data.image_listing import ImageListing, read_images
from mcu_nas_moo.data.images import Images, split_validation

if TYPE_CHECKING:
    from pathlib import Path


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
