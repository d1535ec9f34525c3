"""The full history of one run, in memory and as a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.common.npz_files import DAMAGE, npz_problem

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes


@dataclass(frozen=True, eq=False)
class History:
    """Everything that one run evaluated, in order.

    Attributes:
        algorithm, seed: which run.
        X, F, G: genotypes ``(N, n_genes)``, objectives ``(N, n_obj)``, constraints ``(N, n_con)``.
        optimiser_seconds: time of asking and telling, spread evenly over the genotypes of a
            batch, shape ``(N,)``.
        evaluation_seconds: time of all evaluations.
        total_seconds: time of the run.
        metadata: settings, versions and the task's fingerprint.
    """

    algorithm: str
    seed: int
    X: Genotypes
    F: FloatArray
    G: FloatArray
    optimiser_seconds: FloatArray
    evaluation_seconds: float
    total_seconds: float
    metadata: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the history as NPZ in one step."""
        facts = {
            "algorithm": self.algorithm,
            "seed": self.seed,
            "evaluation_seconds": self.evaluation_seconds,
            "total_seconds": self.total_seconds,
            **self.metadata,
        }

        def write(partial: Path) -> None:
            with partial.open("wb") as file:
                np.savez(
                    file,
                    X=self.X.astype(np.int16),
                    F=self.F,
                    G=self.G,
                    optimiser_seconds=self.optimiser_seconds.astype(np.float32),
                    metadata=np.array(json.dumps(facts)),
                )

        write_atomically(path, write)


def load_metadata(path: Path) -> dict[str, Any]:
    """What a history's file says about its run, without the evaluations.

    Among the metadata of :class:`History` also ``algorithm`` and ``seed``. Reads little of the
    file, so that damage elsewhere in it is not found.

    Raises:
        InputError: if that part of the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            return dict(json.loads(str(data["metadata"])))
    except DAMAGE as error:
        raise _damaged(path, error) from error


def load_history(path: Path) -> History:
    """Read what :meth:`History.save` wrote.

    Raises:
        InputError: if the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            facts = json.loads(str(data["metadata"]))
            return History(
                algorithm=facts.pop("algorithm"),
                seed=facts.pop("seed"),
                X=data["X"].astype(np.int64),
                F=data["F"],
                G=data["G"],
                optimiser_seconds=data["optimiser_seconds"].astype(np.float64),
                evaluation_seconds=facts.pop("evaluation_seconds"),
                total_seconds=facts.pop("total_seconds"),
                metadata=facts,
            )
    except DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is damaged ({npz_problem(error)}); delete it, the next start makes the run again"
    )
