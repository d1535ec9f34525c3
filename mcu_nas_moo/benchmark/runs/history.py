"""The full history of one run, in memory and as a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.common.json_files import parse_mapping
from mcu_nas_moo.common.npz_files import FACTS, FIGURE_LIST, FIGURES, INDICES, read_npz, write_npz
from mcu_nas_moo.common.yaml_files import Facts, validate

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes

_ARRAYS = {
    "X": INDICES,
    "F": FIGURES,
    "G": FIGURES,
    "optimiser_seconds": FIGURE_LIST,
    "metadata": FACTS,
}
#: Facts that a history has beside its metadata.
_OWN_FACTS = ("algorithm", "seed", "evaluation_seconds", "total_seconds")
REMEDY = "delete it, the next start makes the run again"


class RunFacts(Facts, extra="allow"):
    """What the file of a run says about it, beside what only people read."""

    algorithm: str
    seed: Annotated[int, Field(ge=0, strict=True)]
    evaluation_seconds: float
    total_seconds: float
    budget: Annotated[int, Field(ge=1, strict=True)] | None = None
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, Any] = Field(default_factory=dict)
    failures: dict[str, Annotated[int, Field(ge=1, strict=True)]] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class History:
    """Everything that one run evaluated, in order.

    Attributes:
        X, F, G: genotypes ``(N, n_genes)``, objectives ``(N, n_obj)``, constraints ``(N, n_con)``.
        optimiser_seconds: time of asking and telling, spread evenly over the genotypes of a
            batch, shape ``(N,)``.
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
        facts = {name: getattr(self, name) for name in _OWN_FACTS} | self.metadata
        arrays = {
            "X": self.X.astype(np.int16),
            "F": self.F,
            "G": self.G,
            "optimiser_seconds": self.optimiser_seconds.astype(np.float32),
            "metadata": np.array(json.dumps(facts)),
        }
        write_npz(path, arrays)


def load_metadata(path: Path) -> dict[str, Any]:
    """What a history's file says about its run, without the evaluations.

    Among the metadata of :class:`History` also ``algorithm`` and ``seed``. Reads little of the
    file, so that damage elsewhere in it is not found.

    Raises:
        InputError: if that part of the file is damaged.
    """
    with parsing(path, REMEDY):
        return _facts(read_npz(path, {"metadata": FACTS})["metadata"])


def load_history(path: Path) -> History:
    """Read what :meth:`History.save` wrote.

    Raises:
        InputError: if the file is damaged.
    """
    with parsing(path, REMEDY):
        data = read_npz(path, _ARRAYS)
        if len({len(data[name]) for name in _ARRAYS if name != "metadata"}) > 1:
            raise InputError("its arrays differ in their numbers of rows")
        facts = _facts(data["metadata"])
        return History(
            **{name: facts.pop(name) for name in _OWN_FACTS},
            X=data["X"].astype(np.int64),
            F=data["F"],
            G=data["G"],
            optimiser_seconds=data["optimiser_seconds"].astype(np.float64),
            metadata=facts,
        )


def _facts(text: Any) -> dict[str, Any]:
    facts = parse_mapping(str(text))
    validate(RunFacts, facts, "metadata")
    return facts
