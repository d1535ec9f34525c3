"""The images of a retraining: split, and with the names of their classes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcu_nas_moo.accuracy.data import Images, read_images, split_validation

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
        """Read and split the training images; see :func:`~mcu_nas_moo.accuracy.data.read_images`.

        Raises:
            ValueError: if there are none, one cannot be decoded, or ``root/test`` has other
                classes than ``root/train``.
        """
        images = read_images(root / "train")
        names = class_names(root / "train")
        if (root / "test").is_dir() and class_names(root / "test") != names:
            raise ValueError(
                f"{root / 'test'} has other class folders than {root / 'train'}; give both the same"
            )
        return cls(root, names, *split_validation(images))

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


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of the class folders, in the order in which classes are numbered."""
    return tuple(path.name for path in sorted(folder.iterdir()) if path.is_dir())
