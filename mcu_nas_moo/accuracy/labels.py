"""Accuracy labels: subnets of a trained supernet, evaluated with shared weights."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mcu_nas_moo.accuracy.artifacts import artifact_path, damaged
from mcu_nas_moo.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mcu_nas_moo.accuracy.data import Images, Normalisation
    from mcu_nas_moo.accuracy.supernet import Supernet
    from mcu_nas_moo.spaces import MBConvSpace, SearchSpace
    from mcu_nas_moo.typing import FloatArray, Genotypes

#: The command that remakes the shipped labels from the shipped weights.
REMAKE = "mcu-nas supernet label --data DIR"
#: Labels between two writes of the file.
WRITE_EVERY = 20


@dataclass(frozen=True, eq=False)
class Labels:
    """A table with the columns ``space``, ``genotype`` and ``accuracy``.

    ``genotype`` holds the option indices of the genes, joined by hyphens; ``accuracy`` is on the
    validation images, in [0, 1].
    """

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    def genotypes(self, space: SearchSpace) -> Genotypes:
        """Genotypes of the labels of ``space``, shape ``(N, n_genes)``."""
        rows = self.table.genotype[self.table.space == space.name]
        X = [[int(index) for index in row.split("-")] for row in rows]
        return space.check(np.array(X, dtype=np.int64).reshape(-1, space.n_genes))

    def accuracy(self, space: SearchSpace) -> FloatArray:
        """Accuracies of the labels of ``space``, shape ``(N,)``."""
        return self.table.accuracy[self.table.space == space.name].to_numpy(dtype=np.float64)

    def save(self, path: Path) -> None:
        """Write a CSV file; :meth:`load` reads it."""
        text = self.table.to_csv(index=False, float_format="%.4f", lineterminator="\n")
        write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))

    @classmethod
    def load(cls, path: Path | None = None) -> Labels:
        """Read a CSV file; the labels that the package ships if no path is given.

        Raises:
            ValueError: if the file is missing, damaged, or an accuracy is not in [0, 1].
        """
        path = artifact_path("labels.csv", path, REMAKE)
        try:
            text = path.read_text(encoding="utf-8")
            table = pd.read_csv(io.StringIO(text), dtype={"space": str, "genotype": str})
            table = table[["space", "genotype", "accuracy"]]
            if not table.accuracy.between(0, 1).all():
                raise ValueError("an accuracy is not in [0, 1]")
        except (ValueError, KeyError) as error:
            raise damaged(path, REMAKE, error) from error
        return cls(table)


def sample_for_labels(space: SearchSpace, n: int, rng: np.random.Generator) -> Genotypes:
    """Genotypes worth labelling, without duplicates, shape ``(n, n_genes)``.

    Every second one is uniform. The others draw all genes from one binomial distribution with a
    probability of their own, so that small and large networks, which make up the ends of the
    Pareto front and are rare among uniform samples, are seen as well.
    """
    found = np.empty((0, space.n_genes), dtype=np.int64)
    while len(found) < n:
        uniform = space.sample(n, rng)
        graded = rng.binomial(space.n_choices - 1, rng.random((n, 1)))
        mixed = np.where(np.arange(n)[:, None] % 2 == 0, uniform, graded)
        _, first = np.unique(
            np.concatenate([found, space.canonical(mixed)]), axis=0, return_index=True
        )
        found = np.concatenate([found, space.canonical(mixed)])[np.sort(first)]
    return found[:n]


def label_subnets(
    supernet: Supernet,
    samples: Sequence[tuple[MBConvSpace, Genotypes]],
    calibration: Images,
    validation: Images,
    normalise: Normalisation,
    path: Path,
    *,
    advance: Callable[[int], object] = lambda _: None,
) -> Labels:
    """Evaluate each sampled subnet after batch-norm recalibration; continue the file at ``path``.

    Args:
        samples: spaces and the genotypes ``(N, n_genes)`` to label in each.
        calibration: training images that set the batch-norm statistics.
        advance: called with the number of subnets done since the last call.
    """
    from mcu_nas_moo.accuracy.supernet import accuracy, recalibrate

    table = (
        Labels.load(path).table
        if path.is_file()
        else pd.DataFrame({"space": [], "genotype": [], "accuracy": []})
    )
    done = set(zip(table.space, table.genotype, strict=True))
    rows = list(table.itertuples(index=False, name=None))
    for space, X in samples:
        for x in X:
            genotype = "-".join(map(str, x))
            if (space.name, genotype) not in done:
                module = supernet.subnet(space.network(x[None, :]).layers())
                recalibrate(module, calibration, normalise)
                rows.append((space.name, genotype, accuracy(module, validation, normalise)))
                if len(rows) % WRITE_EVERY == 0:
                    _table(rows).save(path)
            advance(1)
    labels = _table(rows)
    labels.save(path)
    return labels


def _table(rows: list[tuple[str, str, float]]) -> Labels:
    return Labels(pd.DataFrame(rows, columns=["space", "genotype", "accuracy"]))
