"""Accuracy of subnets, predicted by an ensemble of multilayer perceptrons.

Fitted to labels of a few thousand subnets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.common.user_parts import UserFile
from mcu_nas_moo.problem.evaluators.perceptrons import MLPEnsemble
from mcu_nas_moo.training.supernet.shipped_files import artifact_path, remake

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.spaces import MBConvSpace

#: The command that remakes the shipped predictor from the shipped labels.
REMAKE = "mcu-nas predictor fit"


class PredictedAccuracy(NamedTuple):
    """Mean and standard deviation over the ensemble, each of shape ``(N,)``."""

    accuracy: FloatArray
    std: FloatArray


def features(space: MBConvSpace, X: Any) -> FloatArray:
    """What the predictor sees of the genotypes ``X`` ``(N, n_genes)``: shape ``(N, D)``.

    The same columns for every granularity of a space family: resolution, stem, head and the width
    of each stage, as numbers and as indicators of their options; then for each block place
    whether it exists, its kernel size and its expansion ratio (0 where it does not exist).
    """
    blocks = space.blocks(X)
    spec = space.spec
    scalars = [blocks.resolution, blocks.stem, blocks.head, *blocks.width.T]
    options = [spec.resolution, spec.stem, spec.head, *(stage.width for stage in spec.stages)]
    return np.concatenate(
        [
            np.stack(scalars, axis=1),
            *(values[:, None] == known for values, known in zip(scalars, options, strict=True)),
            blocks.active,
            blocks.kernel * blocks.active,
            blocks.expansion * blocks.active,
        ],
        axis=1,
        dtype=np.float32,
    )


@dataclass(frozen=True, eq=False)
class AccuracyPredictor(MLPEnsemble):
    """An ensemble with one output, the accuracy.

    Attributes:
        file: where it was read from; None for the shipped one, or if it was made here.
    """

    file: UserFile | None = None

    def predict(self, space: MBConvSpace, X: Any) -> PredictedAccuracy:
        """Accuracy in [0, 1] of the subnets ``X``, shape ``(N, n_genes)``.

        Raises:
            InputError: if the space has other stages or blocks than the predictor was fitted on.
        """
        inputs = features(space, X)
        if inputs.shape[1] != self.n_features:
            raise InputError(
                f"the predictor knows {self.n_features} features, space {space.name!r} has "
                f"{inputs.shape[1]}; fit one for it with `{REMAKE}`"
            )
        return self.answer(inputs)

    def answer(self, inputs: FloatArray) -> PredictedAccuracy:
        """Accuracy for :func:`features` of shape ``(N, D)``.

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
            return replace(cls.read(found), file=UserFile.of(path) if path else None)
