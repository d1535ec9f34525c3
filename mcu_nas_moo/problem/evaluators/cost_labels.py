"""Cost labels: subnets with computed or measured costs, to learn costs from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mcu_nas_moo.common.csv_files import read_table
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.contracts.metrics import METRICS, VIOLATION
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.problem.evaluators.cost_predictor import LEARNABLE, constraint_violation
from mcu_nas_moo.spaces.abilities import HasNetworks, with_ability
from mcu_nas_moo.training.supernet.labels import sample_for_labels

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces import SearchSpace

#: Other columns of the tables that this project writes; they are not looked at.
IGNORED = {*METRICS, "algorithms", "learned_metrics", "sample", "supernet"} - {*LEARNABLE}
#: Larger values of genes are none.
MOST_OF_A_GENE = 2**31
#: Networks whose layer tables are made at once.
CHUNK = 2048


@dataclass(frozen=True, eq=False)
class CostLabels:
    """Subnets of a space and what they cost on a device.

    Attributes:
        space: what the genotypes are of.
        X: genotypes, shape ``(N, n_genes)``.
        values: metrics out of ``LEARNABLE``, each ``(N,)``.
        analytic: whether the analytic cost model computed them.
    """

    space: SearchSpace
    X: Genotypes
    values: dict[str, FloatArray]
    analytic: bool

    def __len__(self) -> int:
        return len(self.X)

    def save(self, path: Path) -> None:
        """Write a CSV file with the space, each gene's value and the metrics; inactive genes empty.

        :meth:`load` reads it.
        """
        genes = [gene.name for gene in self.space.genes]
        rows = [dict(subnet.values) for subnet in self.space.decode(self.X)]
        table = pd.DataFrame(rows, columns=genes).astype("Int64")
        table.insert(0, "space", self.space.name)
        for name, values in self.values.items():
            table[name] = values
        text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_text_atomically(path, text)

    @classmethod
    def load(cls, path: Path, space: SearchSpace) -> CostLabels:
        """Read measurements from a CSV file.

        Columns: ``space`` (may be missing), the genes by name, empty where a gene is inactive, or
        all of them as ``genotype`` (indices of options joined by hyphens), and one or more of
        ``LEARNABLE``, complete.

        Raises:
            InputError: on one line, with file and row, for whatever does not fit.
        """
        columns, lines = read_table(path)
        genes = [gene.name for gene in space.genes]
        known = {"space", "genotype", *genes, *LEARNABLE}
        for name in columns:
            if name not in known | IGNORED:
                choices = ["space", "genotype", *LEARNABLE, *genes]
                raise InputError(f"{path}: {unknown_name('column', name, choices)}")
        metrics = [name for name in LEARNABLE if name in columns]
        if not metrics:
            raise InputError(f"{path}: expected a column of at least one of {', '.join(LEARNABLE)}")
        rows = list(lines.values())
        X = [np.zeros((0, space.n_genes), dtype=np.int64)]
        for number, row in enumerate(rows, start=1):
            if row.get("space", space.name) != space.name:
                raise InputError(
                    f"{path}, row {number}: is of space {row['space']!r}, not of {space.name!r}; "
                    "give its --space, and a file of its own to each space"
                )
            X.append(_genotype(space, row, f"{path}, row {number}"))
        values = {name: _numbers([row[name] for row in rows], name, path) for name in metrics}
        return cls(space, space.canonical(np.concatenate(X)), values, analytic=False)


def analytic_labels(space: SearchSpace, profile: Profile, n: int, seed: int = 0) -> CostLabels:
    """``n`` different subnets, uniform and graded, with all metrics from the cost model."""
    X = sample_for_labels(space, n, seed).X
    return CostLabels(space, X, analytic_costs(space, profile, X), analytic=True)


def analytic_costs(space: SearchSpace, profile: Profile, X: Genotypes) -> dict[str, FloatArray]:
    """All metrics of the genotypes ``X`` ``(N, n_genes)`` by the analytic model, each ``(N,)``."""
    model = CostModel.of(profile)
    networks = with_ability(space, HasNetworks, "be asked for costs").network
    starts = range(0, max(len(X), 1), CHUNK)
    parts = [model.evaluate(networks(X[start : start + CHUNK])) for start in starts]
    costs = {name: np.concatenate([getattr(p, name) for p in parts]) for name in parts[0]._fields}
    return costs | {VIOLATION: constraint_violation(costs, profile)}


def _genotype(space: SearchSpace, row: dict[Any, Any], where: str) -> Genotypes:
    """The genotype ``(1, n_genes)`` of a row of text."""
    try:
        if row.get("genotype"):
            return space.check(np.array([[int(index) for index in row["genotype"].split("-")]]))
        given = {gene.name: row.get(gene.name, "") for gene in space.genes}
        return space.encode({name: _integer(name, text) for name, text in given.items() if text})
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def _integer(name: str, text: str) -> int:
    value = float(text)  # other programs write 3 as 3.0
    if not value.is_integer() or abs(value) > MOST_OF_A_GENE:
        raise InputError(f"{name} = {text!r} is no whole number")
    return int(value)


def _numbers(column: list[str], name: str, path: Path) -> FloatArray:
    """A column of a metric as numbers; all of them must be usable."""
    values = np.empty(len(column))
    for row, text in enumerate(column):
        try:
            values[row] = float(text)
        except ValueError:
            values[row] = np.nan
        smallest = 0.0 if name == VIOLATION else np.nextafter(0.0, 1.0)
        if not smallest <= values[row] < np.inf:
            bound = "at least 0" if name == VIOLATION else "above 0"
            raise InputError(
                f"{path}, row {row + 1}: expected a number {bound} for {name}, got {text!r}; "
                "correct it or leave the row out"
            )
    return values
