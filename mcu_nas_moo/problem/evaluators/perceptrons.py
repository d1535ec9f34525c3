"""Ensembles of multilayer perceptrons: fitted by torch, evaluated by numpy.

A search that only asks a predictor never loads torch.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.tensor_files import read_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import torch

    from mcu_nas_moo.common.arrays import FloatArray

_LAYERS = ("first", "second", "last")
#: Parts of the labels, each of which judges the ensemble fitted to the others.
FOLDS = 5
#: Rows that are evaluated at once: what lies between two layers stays in the processor's cache.
ROWS = 512


@dataclass(frozen=True)
class MLPSettings:
    """How an ensemble is fitted.

    Attributes:
        hidden: units of each of the two hidden layers.
        steps: steps of AdamW, whose learning rate falls along a cosine.
        batch: rows per step and member.
        learning_rate, weight_decay: of AdamW; biases do not decay.
        bootstrap: each member sees a bootstrap sample, for an ensemble that shows its
            uncertainty; else each sees every row.
    """

    members: int
    steps: int
    learning_rate: float
    weight_decay: float
    bootstrap: bool
    hidden: int = 96
    batch: int = 128


@dataclass(frozen=True, eq=False)
class MLPEnsemble:
    """M perceptrons with two hidden layers of H units, from D features to K outputs.

    Attributes:
        mean, scale: standardisation of the features, shape ``(D,)``.
        first: weights ``(D, M * H)`` and biases ``(M * H,)`` of the first layer of all members.
        second: weights ``(M, H, H)`` and biases ``(M, 1, H)``.
        last: weights ``(M, H, K)`` and biases ``(M, 1, K)``.
        details: how it was fitted and how good it is; plain data.
    """

    mean: FloatArray
    scale: FloatArray
    first: tuple[FloatArray, FloatArray]
    second: tuple[FloatArray, FloatArray]
    last: tuple[FloatArray, FloatArray]
    details: dict[str, Any]

    @property
    def n_features(self) -> int:
        """Number of features D."""
        return len(self.mean)

    def outputs(self, inputs: FloatArray) -> FloatArray:
        """Outputs of each member, ``(M, N, K)``, for features ``(N, D)``; in float64.

        Batches of other sizes add in another order: round what is derived from them.
        """
        mean, scale, *layers = self._in_float64
        outputs = np.empty((len(self.last[0]), len(inputs), self.last[0].shape[2]))
        for start in range(0, len(inputs), ROWS):
            rows = slice(start, start + ROWS)
            standardised = (inputs[rows] - mean) * scale
            for member, answers in enumerate(outputs):
                x = standardised
                for weights, biases in layers:
                    if x is not standardised:
                        np.maximum(x, 0, out=x)
                    x = x @ weights[member]
                    x += biases[member]
                answers[rows] = x
        return outputs

    def first_layer(self, inputs: FloatArray) -> FloatArray:
        """The first layer before its activation: linear in the features ``(N, D)``.

        Returns:
            shape ``(M, N, H)``, float64.
        """
        mean, scale, (weights, biases), *_ = self._in_float64
        return np.asarray(np.matmul((inputs - mean) * scale, weights) + biases)

    @cached_property
    def _in_float64(self) -> tuple[Any, ...]:
        """``mean`` and ``scale``, then weights ``(M, ., .)`` and biases ``(M, 1, .)`` by layer."""
        members, hidden = self.second[0].shape[:2]
        weights, biases = self.first
        first = (
            weights.reshape(-1, members, hidden).transpose(1, 0, 2),
            biases.reshape(members, 1, hidden),
        )
        return (
            self.mean.astype(np.float64),
            self.scale.astype(np.float64),
            *(
                tuple(array.astype(np.float64, order="C") for array in layer)
                for layer in (first, self.second, self.last)
            ),
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the weights."""
        digest = hashlib.sha256()
        for array in (self.mean, self.scale, *self.first, *self.second, *self.last):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write a safetensors file; :meth:`read` reads it."""
        from safetensors.numpy import save_file

        from mcu_nas_moo.common.files import write_atomically

        arrays = {
            "mean": self.mean,
            "scale": self.scale,
            **{
                f"{layer}.{kind}": np.ascontiguousarray(array)
                for layer in _LAYERS
                for kind, array in zip(("weight", "bias"), getattr(self, layer), strict=True)
            },
        }
        metadata = {"details": json.dumps(self.details)}
        write_atomically(path, lambda partial: save_file(arrays, partial, metadata))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            Exception: of many kinds if the file is damaged; see
                :func:`~mcu_nas_moo.common.files.parsing`.
        """
        arrays, metadata = read_tensors(path, "numpy")
        layers = {layer: (arrays[f"{layer}.weight"], arrays[f"{layer}.bias"]) for layer in _LAYERS}
        members, hidden, outputs = layers["last"][0].shape
        width = len(arrays["mean"])
        expected = {
            "mean": (width,),
            "scale": (width,),
            "first.weight": (width, members * hidden),
            "first.bias": (members * hidden,),
            "second.weight": (members, hidden, hidden),
            "second.bias": (members, 1, hidden),
            "last.weight": (members, hidden, outputs),
            "last.bias": (members, 1, outputs),
        }
        for name, shape in expected.items():
            if arrays[name].dtype != np.float32 or arrays[name].shape != shape:
                raise InputError(f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}")
        return cls(arrays["mean"], arrays["scale"], details=dict(metadata["details"]), **layers)


def fit_mlp(
    inputs: FloatArray, targets: FloatArray, settings: MLPSettings, seed: int = 0
) -> MLPEnsemble:
    """Fit an ensemble to features ``(N, D)`` and targets ``(N, K)`` by least squares.

    Targets are standardised on the way, so that each counts the same. One thread: more would
    change the last digits. Members differ in their initial weights and in the rows they see.

    Raises:
        InputError: if a column of the targets has no two different values.
    """
    import torch

    # Contiguous rows, since the order of a sum decides its last digit.
    columns = np.ascontiguousarray(targets.T)
    centre, spread = columns.mean(axis=1), columns.std(axis=1)
    if not np.ptp(columns, axis=1).all():
        raise InputError(f"{len(targets)} labels without any difference teach nothing")
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        scale = np.where(deviation > 0, 1 / np.maximum(deviation, 1e-9), 0.0).astype(np.float32)
        x = torch.from_numpy((inputs - mean) * scale)
        y = torch.from_numpy((targets - centre) / spread).float()
        n, width = x.shape
        members, hidden = settings.members, settings.hidden
        shapes = [(width, hidden), (hidden, hidden), (hidden, y.shape[1])]
        kernels = [
            (torch.randn(members, rows, columns) * (2 / rows) ** 0.5).requires_grad_()
            for rows, columns in shapes
        ]
        shifts = [torch.zeros(members, 1, columns, requires_grad=True) for _, columns in shapes]
        optimiser = torch.optim.AdamW(
            [
                {"params": kernels, "weight_decay": settings.weight_decay},
                {"params": shifts, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
        if settings.bootstrap:
            seen = torch.randint(0, n, (members, n))
        else:
            seen = torch.arange(n).expand(members, n)
        for _ in range(settings.steps):
            drawn = torch.randint(0, n, (members, min(settings.batch, n)))
            rows = seen.gather(1, drawn)
            loss = ((_forward(x[rows], kernels, shifts) - y[rows]) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        weights = [kernel.detach().numpy() for kernel in kernels]
        biases = [shift.detach().numpy() for shift in shifts]
    stretch, shift = spread.astype(np.float32), centre.astype(np.float32)
    return MLPEnsemble(
        mean=mean,
        scale=scale,
        first=(weights[0].transpose(1, 0, 2).reshape(width, -1), biases[0].reshape(-1)),
        second=(weights[1], biases[1]),
        last=(weights[2] * stretch, biases[2] * stretch + shift),
        details={},
    )


def predictions_of_unseen(
    inputs: FloatArray,
    targets: FloatArray,
    predict: Callable[[FloatArray, FloatArray, FloatArray], FloatArray],
    seed: int = 0,
) -> FloatArray:
    """Prediction for each label by what was fitted without it, of the shape of ``targets``.

    ``predict`` is given inputs and targets to fit, and the inputs to predict.

    Raises:
        InputError: for fewer labels than :data:`FOLDS`.
    """
    if len(targets) < FOLDS:
        raise InputError(f"{len(targets)} labels are too few; at least {FOLDS} are needed")
    fold = np.random.default_rng(seed).permutation(len(targets)) % FOLDS
    predicted = np.empty_like(targets)
    for number in range(FOLDS):
        unseen = fold == number
        predicted[unseen] = predict(inputs[~unseen], targets[~unseen], inputs[unseen])
    return predicted


def _forward(
    x: torch.Tensor, kernels: list[torch.Tensor], shifts: list[torch.Tensor]
) -> torch.Tensor:
    for kernel, shift in zip(kernels[:-1], shifts[:-1], strict=True):
        x = (x @ kernel + shift).relu()
    return x @ kernels[-1] + shifts[-1]


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
