"""Accuracy of subnets, predicted by an ensemble of multilayer perceptrons.

Fitted to labels of a few thousand subnets.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.common.user_parts import UserFile
from mcu_nas_moo.problem.evaluators.perceptrons import MLPEnsemble
from mcu_nas_moo.spaces import list_spaces, load_space
from mcu_nas_moo.training.supernet.shipped_files import artifact_path, remake

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.contracts.space import Space

#: What the shipped predictor knows, and how that is told.
SHIPPED_DATA = "CIFAR-10"
SHIPPED_ACCURACY = f"{SHIPPED_DATA} (predicted)"
#: The command that remakes the shipped predictor from the shipped labels.
REMAKE = "mcu-nas predictor fit"


class PredictedAccuracy(NamedTuple):
    """Mean and standard deviation over the ensemble, each of shape ``(N,)``."""

    accuracy: FloatArray
    accuracy_std: FloatArray


@dataclass(frozen=True, eq=False)
class AccuracyPredictor(MLPEnsemble):
    """An ensemble with one output, the accuracy.

    Attributes:
        file: where it was read from; None for the shipped one, or if it was made here.
    """

    file: UserFile | None = None
    name: ClassVar[str] = "accuracy predictor"
    metrics: ClassVar[tuple[str, ...]] = PredictedAccuracy._fields
    thread_safe: ClassVar[bool] = True

    @property
    def accuracy_of(self) -> str:
        """What it predicts the accuracy on, in words."""
        return f"{self.details.get('data', 'unknown pictures')} (predicted)"

    @property
    def classes(self) -> int:
        """Of the pictures of its labels; 0 if it does not say, as the shipped one.

        What that one says of CIFAR-10 is taken for the order of networks for other pictures, too.
        """
        return int(self.details.get("classes", 0))

    def evaluate(self, space: Space, X: Any) -> dict[str, FloatArray]:
        """As :meth:`predict`, by metric."""
        return self.predict(space, X)._asdict()

    def knows(self, space: Space) -> bool:
        """Whether it was fitted to networks of that structure."""
        mine, structures = structure_of(space), self.details.get("structures")
        if structures is None:  # the shipped one, which does not say so itself
            names = sorted(list_spaces(), key=lambda name: name != space.name)
            return any(structure_of(load_space(name)) == mine for name in names)
        return mine in structures

    def predict(self, space: Space, X: Any) -> PredictedAccuracy:
        """Accuracy in [0, 1] of the subnets ``X``, shape ``(N, n_genes)``.

        Raises:
            InputError: if the space has other stages or blocks than the predictor was fitted on.
        """
        inputs = space.features(X)
        if inputs.shape[1] != self.n_features:
            raise InputError(
                f"the predictor knows {self.n_features} features, space {space.name!r} has "
                f"{inputs.shape[1]}; fit one for it with `{REMAKE}`"
            )
        return self.answer(inputs)

    def answer(self, inputs: FloatArray) -> PredictedAccuracy:
        """Accuracy for features of shape ``(N, D)``.

        Rounded to nine digits: a network then has the same value alone and in any batch,
        whatever order the sums are taken in.
        """
        answers = np.clip(self.outputs(inputs)[..., 0], 0.0, 1.0)
        return PredictedAccuracy(answers.mean(axis=0).round(9), answers.std(axis=0).round(9))

    @classmethod
    def load(cls, path: Path | None = None) -> AccuracyPredictor:
        """Read a predictor; the one that the package ships if no path is given.

        Raises:
            InputError: if the file is missing or damaged; the message names the command that
                remakes it.
        """
        found = artifact_path("predictor.safetensors", path, REMAKE)
        with parsing(found, remake(found, REMAKE)):
            predictor = cls.read(found)
        if path is None:
            return replace(predictor, details=predictor.details | {"data": SHIPPED_DATA})
        return replace(predictor, file=UserFile.of(path))


def structure_of(space: Space) -> str:
    """Hash of the options of a space: its facts without its name and number of classes."""
    facts = {name: value for name, value in space.facts.items() if name not in ("name", "classes")}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
