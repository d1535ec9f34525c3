"""Accuracy labels: subnets of a trained supernet, evaluated with shared weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from mcu_nas_moo.common.csv_files import read_table
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing, write_text_atomically
from mcu_nas_moo.spaces.abilities import Nested, with_ability
from mcu_nas_moo.training.supernet.shipped_files import artifact_path, remake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes
    from mcu_nas_moo.contracts.space import Space
    from mcu_nas_moo.data.images import Images
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

#: The command that remakes the shipped labels from the shipped weights.
REMAKE = "mcu-nas supernet label --data DIR"
#: Labels between two writes of the file.
WRITE_EVERY = 20
_GENOTYPE = re.compile(r"\d{1,4}(-\d{1,4})*")
COLUMNS = ["space", "genotype", "sample", "accuracy", "supernet"]


@dataclass(frozen=True, eq=False)
class Labels:
    """A table with the columns ``space``, ``genotype``, ``sample``, ``accuracy``, ``supernet``.

    ``genotype`` holds the option indices of the genes, joined by hyphens; ``sample`` says how it
    was drawn (``uniform`` or ``graded``, see :func:`sample_for_labels`); ``accuracy`` is on the
    validation images, in [0, 1]; ``supernet`` is the fingerprint of the weights.
    """

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    def genotypes(self, space: Space) -> Genotypes:
        """Genotypes of the labels of ``space``, shape ``(N, n_genes)``."""
        rows = self.table.genotype[self.table.space == space.name]
        X = [[int(index) for index in row.split("-")] for row in rows]
        for genotype, row in zip(X, rows, strict=True):
            if len(genotype) != space.n_genes:
                raise InputError(f"a label's genotype {row} has not {space.n_genes} genes")
        return space.check(np.array(X, dtype=np.int64).reshape(-1, space.n_genes))

    def accuracy(self, space: Space) -> FloatArray:
        """Accuracies of the labels of ``space``, shape ``(N,)``."""
        return self.table.accuracy[self.table.space == space.name].to_numpy(dtype=np.float64)

    def uniform(self, space: Space) -> BoolArray:
        """Which of the labels of ``space`` are of uniform samples, shape ``(N,)``."""
        return (self.table["sample"][self.table.space == space.name] == "uniform").to_numpy()

    def save(self, path: Path) -> None:
        """Write a CSV file; :meth:`load` reads it."""
        text = self.table.to_csv(index=False, float_format="%.4f", lineterminator="\n")
        write_text_atomically(path, text)

    @classmethod
    def load(cls, path: Path | None = None) -> Labels:
        """Read a CSV file; the labels that the package ships if no path is given.

        Raises:
            InputError: if the file is missing, damaged, or an accuracy is not in [0, 1].
        """
        path = artifact_path("labels.csv", path, REMAKE)
        with parsing(path, remake(path, REMAKE)):
            columns, rows = read_table(path)
            for name in COLUMNS:
                if name not in columns:
                    raise KeyError(name)
            for line, row in rows.items():
                if not _GENOTYPE.fullmatch(row["genotype"]):
                    raise InputError(f"line {line}: genotype {row['genotype']!r}")
                if not 0 <= float(row["accuracy"]) <= 1:
                    raise InputError(f"line {line}: accuracy {row['accuracy']} is not in [0, 1]")
            table = pd.DataFrame(rows.values(), columns=COLUMNS)
            table["accuracy"] = table.accuracy.astype(np.float64)
            return cls(table)


class Sample(NamedTuple):
    """Genotypes ``X`` ``(n, n_genes)`` of a space, and which of them are uniform, ``(n,)``."""

    space: Space
    X: Genotypes
    uniform: BoolArray


def sample_for_labels(space: Space, n: int, seed: int = 0) -> Sample:
    """``n`` genotypes worth labelling, all different.

    The first half is uniform. The others are graded: each draws all genes from one binomial
    distribution with a probability of its own, so that small and large networks, which make up
    the ends of the Pareto front and are rare among uniform samples, are seen as well.

    The seed is combined with the name of the space, so that spaces that are labelled apart get
    the labels that they would get together.
    """
    rng = np.random.default_rng([seed, crc32(space.name.encode())])
    n_uniform = -(-n // 2)
    X = _first_distinct(space.canonical(space.sample(2 * n_uniform, rng)))[:n_uniform]
    while len(X) < n:
        graded = rng.binomial(space.n_choices - 1, rng.random((n, 1)))
        X = _first_distinct(np.concatenate([X, space.canonical(graded)]))[:n]
    return Sample(space, X, np.arange(n) < n_uniform)


def _first_distinct(X: Genotypes) -> Genotypes:
    """``X`` without repetitions, in the order of first occurrence."""
    _, first = np.unique(X, axis=0, return_index=True)
    return X[np.sort(first)]


def label_subnets(
    trained: TrainedSupernet,
    samples: Sequence[Sample],
    calibration: Images,
    validation: Images,
    path: Path,
    *,
    advance: Callable[[int], object] = lambda _: None,
) -> Labels:
    """Evaluate each sampled subnet after batch-norm recalibration; continue the file at ``path``.

    Args:
        calibration: training images that set the batch-norm statistics.
        validation: images that the accuracy is of.
        path: CSV file; written every now and then, and at the end.
        advance: called with the number of subnets done since the last call.

    Raises:
        InputError: if the file holds labels of another supernet.
    """
    from mcu_nas_moo.training.supernet.supernet import accuracy, recalibrate

    known = Labels.load(path).table if path.is_file() else pd.DataFrame(columns=COLUMNS)
    owner = trained.fingerprint
    if (known.supernet != owner).any():
        raise InputError(f"{path} holds labels of another supernet; choose another --out")
    done = set(zip(known.space, known.genotype, strict=True))
    rows = list(known.itertuples(index=False, name=None))
    for sampled, X, uniform in samples:
        space = with_ability(sampled, Nested, "share weights")
        for x, is_uniform in zip(X, uniform, strict=True):
            genotype = "-".join(map(str, x))
            if (space.name, genotype) not in done:
                module = trained.supernet.subnet(space.network(x[None, :]).layers())
                recalibrate(module, calibration, trained.normalise)
                value = accuracy(module, validation, trained.normalise)
                kind = "uniform" if is_uniform else "graded"
                rows.append((space.name, genotype, kind, value, owner))
                if len(rows) % WRITE_EVERY == 0:
                    Labels(pd.DataFrame(rows, columns=COLUMNS)).save(path)
            advance(1)
    labels = Labels(pd.DataFrame(rows, columns=COLUMNS))
    labels.save(path)
    return labels
