"""Tables of measurements, and the networks that they are about."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mcu_nas_moo.common.csv_files import read_table
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.hardware.runtime import RULES
from mcu_nas_moo.networks.layer import Layer
from mcu_nas_moo.networks.layer_table import LayerTable

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

#: Quantities that can be calibrated.
QUANTITIES = tuple(RULES)
#: Parts of a quantity that some sources print apart.
PARTS = ("activations_kib", "runtime_ram_kib", "weights_flash_kib", "code_flash_kib")


@dataclass(frozen=True)
class Measurements:
    """Rows of measurements and the layers of their networks.

    Attributes:
        rows: a table with the columns ``network``, ``family``, ``lineage`` (the architecture that
            the family derives from, or its own name), ``runtime``, ``board``, ``clock_mhz``,
            those of :data:`QUANTITIES` and :data:`PARTS` (NaN where nothing was published) and
            ``left_out``, the quantities that a row must not be used for.
        tables: the layer table of each network.
    """

    rows: pd.DataFrame
    tables: dict[str, LayerTable]

    def of(self, *runtimes: str) -> Measurements:
        """The rows under any of ``runtimes``."""
        return Measurements(self.rows[self.rows.runtime.isin(runtimes)], self.tables)

    def known(self, *columns: str, quantity: str) -> Measurements:
        """The rows that hold all ``columns`` and may be used for ``quantity``."""
        usable = self.rows[list(columns)].notna().all(axis=1)
        left_out = [quantity in reasons.split() for reasons in self.rows.left_out]
        return Measurements(self.rows[usable & ~np.array(left_out, dtype=bool)], self.tables)

    def networks(self) -> list[LayerTable]:
        """The layer table of each row."""
        return [self.tables[name] for name in self.rows.network]

    @property
    def derived_families(self) -> dict[str, list[str]]:
        """Families that derive from the architecture of another one, by that architecture."""
        derived = self.rows[self.rows.family != self.rows.lineage].drop_duplicates("family")
        return {str(name): sorted(group.family) for name, group in derived.groupby("lineage")}

    @property
    def fingerprint(self) -> str:
        """Hash of the figures and of the layers of their networks; prose does not count."""
        digest = hashlib.sha256()
        figures = self.rows.drop(columns=["why", "source"], errors="ignore")
        digest.update(figures.to_csv(index=False).encode())
        for name in sorted(set(self.rows.network)):
            digest.update(json.dumps([name, self.tables[name].layers()]).encode())
        return digest.hexdigest()[:16]


#: How programs write a figure that there is not.
_EMPTY = ("", "NA", "N/A", "NaN", "nan", "NULL", "null")


def shipped_folder() -> Traversable:
    """Folder of the tables that the package ships."""
    return files("mcu_nas_moo.hardware.calibration") / "published"


@cache
def shipped_networks() -> dict[str, LayerTable]:
    """Layer tables of all networks in the shipped measurements."""
    with (shipped_folder() / "layers.csv").open() as file:
        by_network = groupby(csv.DictReader(file), key=itemgetter("network"))
        return {name: _table(list(rows)) for name, rows in by_network}


def _table(rows: list[dict[str, str]]) -> LayerTable:
    def pair(row: dict[str, str], what: str) -> tuple[int, int]:
        return int(row[f"{what}_height"]), int(row[f"{what}_width"])

    layers = [
        Layer(
            f"{row['op']}{row['layer']}",
            row["op"],
            tuple(int(tensor) for tensor in row["inputs"].split()),
            int(row["layer"]),
            "",
            int(row["in_channels"]),
            int(row["out_channels"]),
            pair(row, "kernel"),
            pair(row, "stride"),
            pair(row, "in"),
            pair(row, "out"),
        )
        for row in rows
    ]
    return LayerTable.of(layers, [int(row["layer"]) for row in rows if row["output"] == "1"])


def shipped_measurements() -> Measurements:
    """All published measurements that the package ships; the column ``source`` says whose."""
    tables = []
    for name in ("stm32_modelzoo.csv", "mlperf_tiny_networks.csv", "mcunet.csv"):
        with (shipped_folder() / name).open() as file:
            tables.append(pd.read_csv(file, keep_default_na=True))
    rows = pd.concat(tables, ignore_index=True)
    rows["left_out"] = rows.left_out.fillna("")
    rows["sram_kib"] = rows.sram_kib.fillna(rows.activations_kib + rows.runtime_ram_kib)
    rows["flash_kib"] = rows.flash_kib.fillna(rows.weights_flash_kib + rows.code_flash_kib)
    return Measurements(rows, shipped_networks())


def read_measurements(path: Path) -> Measurements:
    """A user's own measurements.

    The table has a column ``network``, the path of an ONNX file (relative to the table) or the name
    of a shipped network, and at least one of the columns ``latency_ms``, ``sram_kib`` and
    ``flash_kib``. A column ``family`` says which networks are of one kind; without it every network
    is a family of its own.

    Raises:
        InputError: if the file is no such table, or a figure is empty in all rows, not a number or
            not above 0; the message names row and column.
    """
    rows = _read_rows(path)
    tables = {}
    for line, network in rows.network.items():
        if not isinstance(network, str) or not network.strip():
            raise InputError(f"{path}: line {line}: the network is empty")
        if network not in tables:
            tables[network] = _network(network, f"{path}: line {line}", path.parent)
    named = "family" in rows
    rows["family"] = rows.family.fillna(rows.network) if named else rows.network
    rows["lineage"], rows["left_out"] = rows.family, ""
    return Measurements(rows, tables)


def _network(name: str, place: str, folder: Path) -> LayerTable:
    from mcu_nas_moo.networks.onnx_reader import read_onnx

    if name.endswith(".onnx"):
        try:
            return read_onnx(folder / name)
        except ValueError as error:
            raise InputError(f"{place}: {error}") from None
    if name not in shipped_networks():
        raise unknown_name(f"{place}: network", name, sorted(shipped_networks()))
    return shipped_networks()[name]


def _read_rows(path: Path) -> pd.DataFrame:
    """The rows, with all of :data:`QUANTITIES` and :data:`PARTS` as numbers or NaN."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such table of measurements")
    columns, table = read_table(path)
    rows = pd.DataFrame.from_dict(table, "index", columns=columns, dtype=object)
    rows = rows.replace(list(_EMPTY), np.nan).dropna(how="all")
    quantities = [name for name in QUANTITIES if name in rows]
    if "network" not in rows or not quantities:
        raise InputError(
            f"{path}: expected the column network and one of {', '.join(QUANTITIES)}, "
            f"found {', '.join(rows.columns) or 'no columns'}"
        )
    if rows.empty:
        raise InputError(f"{path}: the table has no rows")
    for name in quantities:
        rows[name] = _positive(rows[name], path)
    for name in (*QUANTITIES, *PARTS):
        if name not in quantities:
            rows[name] = np.nan
    nothing = rows[quantities].isna().all(axis=1)
    if nothing.any():
        raise InputError(
            f"{path}: line {rows.index[nothing][0]}: the row holds no measurement; "
            f"fill in {' or '.join(quantities)}, or remove it"
        )
    return rows


def _positive(values: pd.Series, path: Path) -> pd.Series:
    """The column as numbers; empty fields stay NaN."""
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values.notna() & ~((numbers > 0) & np.isfinite(numbers))
    for line, text in values[wrong].items():
        raise InputError(
            f"{path}: line {line}: {values.name} must be a number above 0, got {text!r}"
        )
    if numbers.isna().all():
        raise InputError(f"{path}: the column {values.name} is empty in all rows")
    return numbers
