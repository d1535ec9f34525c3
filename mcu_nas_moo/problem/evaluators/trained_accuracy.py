"""Accuracy that is measured on pictures: of shared weights, or after a training of its own."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import Hash, UserFile
from mcu_nas_moo.common.yaml_files import Facts
from mcu_nas_moo.contracts.evaluator import REASON
from mcu_nas_moo.spaces.abilities import HasNetworks, Nested, classes_of, with_ability

if TYPE_CHECKING:
    from typing import Any

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.data.image_folders import ImageListing
    from mcu_nas_moo.data.images import Images, Normalisation
    from mcu_nas_moo.spaces import SearchSpace
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet


class PictureFolder(Facts):
    """A folder of pictures, ``train/<class>/<picture>``, that decides an accuracy.

    Args:
        folder: its path.
        sha256: of the names and sizes of its training pictures.
    """

    folder: str
    sha256: Hash

    @classmethod
    def of(cls, folder: Path) -> PictureFolder:
        """The folder at ``folder``.

        Raises:
            InputError: if there are no pictures.
        """
        paths = _training_pictures(folder).paths
        names = (f"{p.relative_to(folder).as_posix()} {p.stat().st_size}" for p in paths)
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        return cls(folder=str(folder.absolute()), sha256=digest)

    def find(self, source: Path) -> Path:
        """Where it lies today: where it is said to, or beside the file ``source`` in a folder.

        Raises:
            InputError: if it is not there, or holds other pictures.
        """
        places = [Path(self.folder), source / Path(self.folder).name]
        place = next((place for place in places if place.is_dir()), None)
        if place is None:
            raise InputError(f"{places[0]} is missing; put the pictures there or at {places[1]}")
        if PictureFolder.of(place).sha256 != self.sha256:
            raise InputError(f"{place} holds other pictures than then")
        return place


class AccuracySource(Facts):
    """An evaluator of this module as files name it.

    Args:
        kind: ``shared-weights`` or ``training``.
        data: pictures.
        supernet: weights, if they are not the shipped ones.
        epochs, seed: of a training.
    """

    kind: Literal["shared-weights", "training"]
    data: PictureFolder
    supernet: UserFile | None = None
    epochs: Annotated[int, Field(ge=1)] = 1
    seed: int = 0

    def evaluator(self, folder: Path) -> SupernetAccuracy | TrainedAccuracy:
        """The evaluator; what it needs is looked for as seen from ``folder``.

        Raises:
            InputError: if a file or the pictures are missing or other ones.
        """
        data = self.data.find(folder)
        if self.kind == "training":
            return TrainedAccuracy(data, self.epochs, self.seed)
        return SupernetAccuracy(data, None if self.supernet is None else self.supernet.find(folder))


class SupernetAccuracy:
    """The true accuracy of a subnet with shared weights, on the validation pictures.

    Its batch norms are recalibrated first. A second or so per network; figures are kept on disk.

    Args:
        data: folder with ``train/<class>/<picture>``, of which a tenth validates.
        weights: file of a supernet; the shipped one, of CIFAR-10, by default.
        device: where torch computes.

    Raises:
        InputError: if weights or pictures are missing or damaged, or differ in their classes.
    """

    name = "supernet"
    metrics = ("accuracy",)
    cost = "seconds"

    def __init__(self, data: Path, weights: Path | None = None, device: str = "cpu") -> None:
        file = None if weights is None else UserFile.of(weights)
        self.source = AccuracySource(
            kind="shared-weights", data=PictureFolder.of(data), supernet=file
        )
        self._data, self._weights, self._device = data, weights, device
        self.accuracy_of = f"{data.absolute().name} (shared weights)"

    @property
    def fingerprint(self) -> str:
        """Hash of the weights and the pictures."""
        facts = f"{self._supernet.fingerprint} {self.source.data.sha256}"
        return hashlib.sha256(facts.encode()).hexdigest()

    @cached_property
    def _supernet(self) -> TrainedSupernet:
        from mcu_nas_moo.training.cpu import prepare_cpu

        prepare_cpu()
        from mcu_nas_moo.training.supernet.weights import TrainedSupernet

        return TrainedSupernet.load(self._weights, self._device)

    @cached_property
    def _listing(self) -> ImageListing:
        found = _training_pictures(self._data)
        self._supernet.check_classes(found.class_names)
        return found

    @property
    def classes(self) -> int:
        """Of the pictures and the supernet."""
        return len(self._listing.class_names)

    @cached_property
    def _images(self) -> tuple[Images, Images]:
        calibration, validation = self._listing.calibration_and_validation()
        return calibration.to(self._device), validation.to(self._device)

    def check(self, space: SearchSpace) -> Nested:
        """The same space, for which the supernet was trained.

        Raises:
            InputError: if it was not, or the space is for another number of classes.
        """
        nested = with_ability(space, Nested, "share weights")
        (known,) = self._supernet.spaces_named([space.name])
        if known.facts != space.facts:
            raise InputError(f"the supernet was trained for another space called {space.name!r}")
        return nested

    def __getstate__(self) -> dict[str, Any]:
        """Without what is read from files again, for other processes."""
        read = ("_supernet", "_listing", "_images")
        return {name: value for name, value in vars(self).items() if name not in read}

    def evaluate(self, space: SearchSpace, X: Genotypes) -> dict[str, Any]:
        """Accuracy ``(N,)`` of the genotypes ``X`` ``(N, n_genes)``.

        Raises:
            InputError: if the supernet is not for the space.
        """
        from mcu_nas_moo.training.supernet.supernet import accuracy, recalibrate

        nested = self.check(space)
        calibration, validation = self._images
        values = []
        for x in X:
            module = self._supernet.supernet.subnet(nested.network(x[None]).layers())
            recalibrate(module, calibration, self._supernet.normalise)
            values.append(accuracy(module, validation, self._supernet.normalise))
        return {"accuracy": values}


class TrainedAccuracy:
    """The accuracy of a network after some epochs of training from random weights.

    Minutes per network; figures are kept on disk. Few epochs rank networks, and do not tell what
    they reach in the end. A training that diverges is a failed evaluation.

    Args:
        data: folder with ``train/<class>/<picture>``, of which a tenth validates.
        epochs: passes over the training pictures.
        seed: of weights and order.
        device: where torch computes.

    Raises:
        InputError: if there are no pictures.
    """

    name = "training"
    metrics = ("accuracy",)
    cost = "minutes"

    def __init__(self, data: Path, epochs: int = 3, seed: int = 0, device: str = "cpu") -> None:
        self.source = AccuracySource(
            kind="training", data=PictureFolder.of(data), epochs=epochs, seed=seed
        )
        self._data, self._device = data, device
        self.accuracy_of = f"{data.absolute().name} ({epochs} epochs)"
        facts = f"{self.source.data.sha256} {epochs} {seed}"
        self.fingerprint = hashlib.sha256(facts.encode()).hexdigest()

    @cached_property
    def classes(self) -> int:
        """Of the pictures."""
        return len(_training_pictures(self._data).class_names)

    @cached_property
    def _images(self) -> tuple[Images, Images, Normalisation]:
        from mcu_nas_moo.data.images import Normalisation, split_validation

        train, validation = split_validation(_training_pictures(self._data).read())
        return train.to(self._device), validation.to(self._device), Normalisation.of(train)

    def evaluate(self, space: SearchSpace, X: Genotypes) -> dict[str, Any]:
        """Accuracy ``(N,)`` of the genotypes ``X`` ``(N, n_genes)``.

        Raises:
            InputError: if the space tells no networks, or ones with another number of classes.
        """
        import torch

        from mcu_nas_moo.data.images import check_reads_pictures
        from mcu_nas_moo.training.supernet.evaluation import train_alone
        from mcu_nas_moo.training.supernet.supernet import accuracy
        from mcu_nas_moo.training.supernet.trainer import TrainingSettings

        networks = with_ability(space, HasNetworks, "be trained")
        train, validation, normalise = self._images
        if classes_of(space) != self.classes:
            raise InputError(
                f"networks of space {space.name!r} have another number of classes than the "
                f"pictures, {self.classes}"
            )
        settings = TrainingSettings(
            epochs=self.source.epochs,
            seed=self.source.seed,
            batch_size=min(TrainingSettings.batch_size, len(train)),
            warmup_epochs=min(1.0, self.source.epochs / 2),
        )
        values, reasons = [], []
        for x in X:
            layers = networks.network(x[None]).layers()
            check_reads_pictures(layers, f"a network of space {space.name!r}")
            module = train_alone(layers, train, normalise, settings)
            finite = all(bool(torch.isfinite(p).all()) for p in module.parameters())
            values.append(accuracy(module, validation, normalise) if finite else float("nan"))
            reasons.append("" if finite else "the training diverged")
        return {"accuracy": values, REASON: reasons}


def _training_pictures(data: Path) -> ImageListing:
    from mcu_nas_moo.data.image_folders import ImageListing  # with torch

    return ImageListing.of(data / "train")
