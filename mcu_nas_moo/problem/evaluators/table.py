"""A table of known networks as an evaluator: a tabular benchmark, or measurements."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mcu_nas_moo.common.csv_files import read_table
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require
from mcu_nas_moo.common.files import checksum, parsing
from mcu_nas_moo.contracts.evaluator import REASON
from mcu_nas_moo.contracts.metrics import METRICS, Metric
from mcu_nas_moo.problem.evaluators.accuracy_predictor import structure_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.spaces import SearchSpace

#: Spaces up to this size are compared with the table before anything is evaluated.
COMPARED = 1_000_000
#: Units that a column's name may end in.
UNITS = {"ms": "ms", "us": "µs", "s": "s", "kib": "KiB", "mib": "MiB", "kb": "kB", "mb": "MB"}
UNITS |= {"mj": "mJ", "mw": "mW", "uj": "µJ", "m": "M", "k": "k"}


class TableEvaluator:
    """Looks networks up in a CSV or Parquet file.

    A row is a network: a column for each gene of the space, holding values (empty where the gene
    is inactive), and a column for each metric. A row whose metrics are empty is a network that
    could not be evaluated; the column ``reason`` says why. Other texts are not looked at.

    Args:
        path: of the file; ``.parquet``, or CSV.
        space: that the table is about.
        metrics: columns to read; by default all that hold numbers and are no genes. Names of known
            metrics keep their meaning; others are metrics of one's own, smaller ones being better
            and their unit the last part of the name, unless a ``Metric`` says more.

    Raises:
        InputError: if the file is damaged or lacks a column; if a row is no network of the space or
            there twice; if networks of a small space are missing.
    """

    def __init__(
        self, path: str | Path, space: SearchSpace, metrics: Sequence[Metric | str] | None = None
    ) -> None:
        self.path = path = Path(path)
        self._space = structure_of(space)
        genes = [gene.name for gene in space.genes]
        table = _read(path, genes)
        missing = [name for name in genes if name not in table]
        if missing:
            raise InputError(
                f"{path} has no column {missing[0]!r}, a gene of space {space.name!r}; it has "
                f"{', '.join(map(str, table.columns[:20]))}"
            )
        others = [str(name) for name in table if name not in genes and name != REASON]
        numbers = [name for name in others if pd.api.types.is_numeric_dtype(table[name])]
        if metrics is None:
            for name in others:
                self._refuse_texts(table, name)
        chosen = numbers if metrics is None else metrics
        self.metrics = tuple(self._metric(metric) for metric in chosen)
        for metric in self.metrics:
            if metric.name not in table:
                raise InputError(
                    f"{path} has no column {metric.name!r}; it has "
                    f"{', '.join(map(str, table.columns[:20]))}"
                )
        if not self.metrics:
            first = f"; {_no_number(table, others[0])}" if others else ""
            raise InputError(f"{path} has no column of numbers beside the genes{first}")
        X = self._genotypes(space, table)
        self._rows = {key: row for row, key in enumerate(_keys(X))}
        if len(self._rows) < len(X):
            twice = int(pd.Series(_keys(X)).duplicated().argmax())
            raise InputError(
                f"{path}: line {table.index[twice]} is the network of an earlier line, "
                f"{space.decode(X[twice][None])[0]}"
            )
        self._values = {metric.name: self._numbers(table, metric.name) for metric in self.metrics}
        self._reasons = self._reasons_of(table)
        if space.n_networks <= COMPARED and len(X) < space.n_networks:
            self._refuse_missing(space)

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the file."""
        return checksum(self.path)

    def evaluate(self, space: SearchSpace, X: Genotypes) -> dict[str, Any]:
        """The figures ``(N,)`` of the genotypes ``X`` ``(N, n_genes)``, by metric.

        Raises:
            InputError: if the table is about another space.
        """
        if structure_of(space) != self._space:
            raise InputError(f"{self.path} was read for another space than {space.name!r}")
        rows = np.array([self._rows.get(key, -1) for key in _keys(space.canonical(X))], np.int64)
        figures: dict[str, Any] = {
            name: np.where(rows >= 0, values[rows], np.nan) for name, values in self._values.items()
        }
        figures[REASON] = [
            self._reasons.get(row, "") if row >= 0 else f"not in {self.path.name}"
            for row in rows.tolist()
        ]
        return figures

    def _metric(self, given: Metric | str) -> Metric:
        """The metric of a column: a known one, or one of its own whose unit ends the name."""
        if isinstance(given, Metric):
            return given
        stem, _, unit = given.rpartition("_")
        try:
            return METRICS.get(given) or Metric(given, unit=UNITS.get(unit, "") if stem else "")
        except InputError as error:
            raise InputError(f"{self.path}: column {given!r}: {error}") from None

    def _refuse_texts(self, table: pd.DataFrame, name: str) -> None:
        """Few texts among numbers are slips; nobody would look at the column because of them."""
        column = table[name]
        texts = int(_texts(column).sum())
        numbers = int(pd.to_numeric(column, errors="coerce").notna().sum())
        if texts and (name in METRICS or texts < numbers):
            raise InputError(
                f"{self.path}: {_no_number(table, name)}; correct it, or leave it empty and say "
                f"why in the column {REASON}"
            )

    def _numbers(self, table: pd.DataFrame, name: str) -> FloatArray:
        column = table[name]
        if not pd.api.types.is_numeric_dtype(column):
            raise InputError(f"{self.path}: {_no_number(table, name)}")
        values = column.to_numpy(np.float64)
        if np.isinf(values).any():
            line = table.index[int(np.isinf(values).argmax())]
            raise InputError(
                f"{self.path}: line {line}: {name} is infinite; leave it empty and say why in the "
                f"column {REASON}"
            )
        return values

    def _genotypes(self, space: SearchSpace, table: pd.DataFrame) -> Genotypes:
        X = np.zeros((len(table), space.n_genes), dtype=np.int64)
        for column, gene in enumerate(space.genes):
            given = table[gene.name]
            index: dict[Any, int] = {option: n for n, option in enumerate(gene.options)}
            if gene.ordered:
                found = pd.to_numeric(given, errors="coerce").map(index)
            else:  # as files write texts, true and false
                index = {str(option): n for n, option in enumerate(gene.options)}
                index |= {text.lower(): n for text, n in index.items() if text in ("True", "False")}
                found = given.map(str).map(index)
            wrong = found.isna() & given.notna()
            if wrong.any():
                row = int(wrong.to_numpy().argmax())
                raise InputError(
                    f"{self.path}: line {table.index[row]}: {gene.name} = {given.iloc[row]} is not "
                    f"one of {gene.options}"
                )
            X[:, column] = found.fillna(-1).to_numpy(np.int64)
        empty = X < 0
        X[empty] = 0
        lacking = empty & space.active(X)
        if lacking.any():
            row, column = np.argwhere(lacking)[0]
            raise InputError(
                f"{self.path}: line {table.index[row]}: {space.genes[column].name} is empty, but "
                "the gene is active in this network"
            )
        return space.canonical(X)

    def _reasons_of(self, table: pd.DataFrame) -> dict[int, str]:
        empty = np.isnan([*self._values.values()]).any(axis=0)
        texts = table[REASON].fillna("") if REASON in table else pd.Series("", table.index)
        reasons = {row: str(texts.iloc[row]).strip() for row in np.flatnonzero(empty).tolist()}
        for row, text in reasons.items():
            if not text:
                raise InputError(
                    f"{self.path}: line {table.index[row]} lacks a figure; say why in the column "
                    f"{REASON}"
                )
        return reasons

    def _refuse_missing(self, space: SearchSpace) -> None:
        missing = ""
        if space.n_genotypes <= COMPARED:
            X = space.canonical(np.indices(tuple(space.n_choices)).reshape(space.n_genes, -1).T)
            first = next(x for x, key in zip(X, _keys(X), strict=True) if key not in self._rows)
            missing = f", the first is {space.decode(first[None])[0]}"
        raise InputError(
            f"{self.path} lacks {space.n_networks - len(self._rows):,} of the "
            f"{space.n_networks:,} networks of space {space.name!r}{missing}; add them, those that "
            f"could not be evaluated with empty figures and a {REASON}"
        )


def _read(path: Path, genes: Sequence[str]) -> pd.DataFrame:
    """The table with its lines as index; columns of numbers hold numbers, but for genes."""
    if not path.is_file():
        raise InputError(f"no table {path}; give a CSV or Parquet file")
    if path.suffix == ".parquet":
        require("pyarrow", "tables")
        with parsing(path, kind="a Parquet file"):
            table = pd.read_parquet(path)
            return table.set_index(pd.RangeIndex(1, len(table) + 1))
    columns, rows = read_table(path)
    table = pd.DataFrame([*rows.values()], [*rows], columns).replace("", None)
    for name in columns:
        if name not in genes and name != REASON and not _texts(table[name]).any():
            table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def _texts(column: pd.Series[Any]) -> pd.Series[bool]:
    """Which of its values are neither numbers nor empty."""
    empty = column.isna() | column.map(lambda value: str(value).lower() == "nan")
    return pd.to_numeric(column, errors="coerce").isna() & ~empty


def _no_number(table: pd.DataFrame, name: str) -> str:
    line = table.index[int(_texts(table[name]).to_numpy().argmax())]
    return f"line {line}: {name} = {table[name][line]} is no number"


def _keys(X: IntArray) -> list[bytes]:
    return [x.tobytes() for x in np.ascontiguousarray(X)]
