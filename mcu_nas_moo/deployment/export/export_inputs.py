"""What an export works on: the weights of the subnet, and the images to calibrate and check on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.data.image_folders import ImageListing
from mcu_nas_moo.data.images import calibration_rows, split_rows
from mcu_nas_moo.training.subnet.weights import RetrainedSubnet, shared_weights
from mcu_nas_moo.training.supernet.weights import TrainedSupernet

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.data.images import Images
    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.spaces.subnet_file import SubnetFile

#: Fewer images do not show the ranges of activations.
LEAST_CALIBRATION_IMAGES = 32


@dataclass(frozen=True, eq=False)
class Samples:
    """Random images, equally many of each class.

    Attributes:
        calibration: of the training images without the validation images.
    """

    calibration: Images
    test: Images
    split: Literal["test", "validation"]


class ExportData:
    """The image folder of an export, of which only the images asked for are read.

    Args:
        root: holds ``train/<class>/<image>`` and, for final figures, ``test/<class>/<image>``.

    Raises:
        InputError: if there are no such images, or ``test`` has other classes than ``train``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._train, self._test = ImageListing.splits(root)
        self._training_rows, self._validation_rows = split_rows(self._train.targets)

    def samples(self, calibration: int, test: int, seed: int) -> Samples:
        """Images to calibrate and to check on; fewer of the latter if there are not as many.

        Raises:
            InputError: if calibration images are fewer than :data:`LEAST_CALIBRATION_IMAGES`, or
                more than there are training images, or an image cannot be decoded.
        """
        if calibration < LEAST_CALIBRATION_IMAGES:
            raise InputError(
                f"{calibration} calibration images are too few to show the ranges of activations; "
                f"give --calibration-images {LEAST_CALIBRATION_IMAGES} or more"
            )
        available = len(self._training_rows)
        if available < calibration:
            raise InputError(
                f"{self._root / 'train'} has {available} images for training, too few for "
                f"{calibration} calibration images; add images or lower --calibration-images"
            )
        train, checked, rows = self._train, self._train, self._validation_rows
        if self._test is not None:
            checked, rows = self._test, np.arange(len(self._test))
        return Samples(
            calibration=train.read(train.balanced(self._training_rows, calibration, seed)),
            test=checked.read(checked.balanced(rows, test, seed)),
            split="validation" if self._test is None else "test",
        )

    def weights(
        self, subnet: SubnetFile, path: Path | None, supernet: Path | None = None
    ) -> RetrainedSubnet:
        """The subnet with the weights in a file.

        Without one, with those of the supernet, batch norms recalibrated on training images.

        Args:
            supernet: file of shared weights; the shipped ones by default.

        Raises:
            InputError: if they are damaged, of another subnet or for other classes.
        """
        if path is None:
            trained = TrainedSupernet.load(supernet)
            rows = self._training_rows[calibration_rows(len(self._training_rows)).numpy()]
            return shared_weights(subnet, self._train.read(rows), self._train.class_names, trained)
        found = RetrainedSubnet.load(path, subnet)
        if found.class_names != self._train.class_names:
            raise InputError(
                f"the images have the classes {', '.join(self._train.class_names)}, the weights "
                f"{path} tell {', '.join(found.class_names)} apart; give the images they were "
                "trained on"
            )
        return found


def weights_file(
    folder: DeploymentFolder, weights: Path | None = None, supernet: Path | None = None
) -> Path | None:
    """The weights to use: those given, or retrained ones of the folder; None for shared ones.

    Raises:
        InputError: if a file is given and shared weights are asked for.
    """
    if supernet is not None and weights is not None:
        raise InputError(
            "--subnet-weights and --supernet exclude each other; leave one of them out"
        )
    if weights is None and supernet is None and folder.weights.is_file():
        return folder.weights
    return weights
