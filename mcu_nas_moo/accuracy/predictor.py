"""Accuracy of subnets, predicted by an ensemble of multilayer perceptrons.

Fitted to labels of a few thousand subnets by torch, evaluated by numpy: a search that only asks
the predictor never loads torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.accuracy.artifacts import artifact_path, damaged

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.spaces import MBConvSpace
    from mcu_nas_moo.typing import FloatArray

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
class AccuracyPredictor:
    """M perceptrons with two hidden layers of H units over D features.

    Attributes:
        mean, scale: standardisation of the features, shape ``(D,)``.
        first: weights ``(D, M * H)`` and biases ``(M * H,)`` of the first layer of all members.
        second: weights ``(M, H, H)`` and biases ``(M, 1, H)``.
        last: weights ``(M, H, 1)`` and biases ``(M, 1, 1)``.
        details: how it was fitted and how good it is.
    """

    mean: FloatArray
    scale: FloatArray
    first: tuple[FloatArray, FloatArray]
    second: tuple[FloatArray, FloatArray]
    last: tuple[FloatArray, FloatArray]
    details: dict[str, Any]

    def predict(self, space: MBConvSpace, X: Any) -> PredictedAccuracy:
        """Accuracy in [0, 1] of the subnets ``X``, shape ``(N, n_genes)``.

        Raises:
            ValueError: if the space has other stages or blocks than the predictor was fitted on.
        """
        inputs = features(space, X)
        if inputs.shape[1] != len(self.mean):
            raise ValueError(
                f"the predictor knows {len(self.mean)} features, space {space.name!r} has "
                f"{inputs.shape[1]}; fit one for it with `{REMAKE}`"
            )
        return self.answer(inputs)

    def answer(self, inputs: FloatArray) -> PredictedAccuracy:
        """Accuracy for :func:`features` of shape ``(N, D)``.

        Computed in float64 and rounded to nine digits: a network then has the same value alone
        and in any batch, whatever order the sums are taken in.
        """
        members, hidden = self.second[0].shape[:2]
        mean, scale, first, second, last = self._in_float64
        x = (inputs - mean) * scale
        x = np.maximum(x @ first[0] + first[1], 0)
        x = x.reshape(-1, members, hidden).transpose(1, 0, 2)
        x = np.maximum(np.matmul(x, second[0]) + second[1], 0)
        answers = np.clip((np.matmul(x, last[0]) + last[1])[..., 0], 0.0, 1.0)
        return PredictedAccuracy(answers.mean(axis=0).round(9), answers.std(axis=0).round(9))

    @cached_property
    def _in_float64(self) -> tuple[Any, ...]:
        layers = (self.first, self.second, self.last)
        return (
            self.mean.astype(np.float64),
            self.scale.astype(np.float64),
            *(tuple(array.astype(np.float64) for array in layer) for layer in layers),
        )

    @property
    def fingerprint(self) -> str:
        """Hash of the weights."""
        digest = hashlib.sha256()
        for array in (self.mean, self.scale, *self.first, *self.second, *self.last):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write a safetensors file; :meth:`load` reads it."""
        from safetensors.numpy import save_file

        from mcu_nas_moo.files import write_atomically

        arrays = {
            "mean": self.mean,
            "scale": self.scale,
            **{
                f"{layer}.{kind}": np.ascontiguousarray(array)
                for layer in ("first", "second", "last")
                for kind, array in zip(("weight", "bias"), getattr(self, layer), strict=True)
            },
        }
        metadata = {"details": json.dumps(self.details)}
        write_atomically(path, lambda partial: save_file(arrays, partial, metadata))

    @classmethod
    def load(cls, path: Path | None = None) -> AccuracyPredictor:
        """Read a predictor; the one that the package ships if no path is given.

        Raises:
            ValueError: if the file is missing or damaged; the message names the command that
                remakes it.
        """
        from safetensors import SafetensorError, safe_open

        path = artifact_path("predictor.safetensors", path, REMAKE)
        try:
            with safe_open(path, framework="numpy") as file:
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                details = json.loads((file.metadata() or {})["details"])
            layers = {
                layer: (arrays[f"{layer}.weight"], arrays[f"{layer}.bias"])
                for layer in ("first", "second", "last")
            }
            return cls(arrays["mean"], arrays["scale"], details=details, **layers)
        except (SafetensorError, KeyError, OSError, ValueError) as error:
            raise damaged(path, REMAKE, error) from error
