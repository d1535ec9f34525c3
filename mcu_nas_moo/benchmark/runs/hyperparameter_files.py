"""Files with the hyperparameters of optimisers, as the tuning command writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.common.json_files import read_json, write_json
from mcu_nas_moo.common.yaml_files import Facts, validate
from mcu_nas_moo.optimisers.register import check_hyperparameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_KIND = "a file of hyperparameters"
_LIKE = 'it should hold JSON like {"hyperparameters": {"nsga2": {"population": 1.5}}}'


class _Given(Facts, extra="ignore"):
    hyperparameters: dict[str, dict[str, Any]]


def write_config(
    path: Path, hyperparameters: Mapping[str, Mapping[str, object]], **origin: object
) -> None:
    """Write the hyperparameters of one or more algorithms, by algorithm and name, as JSON.

    ``origin`` says where they come from; nothing reads it.
    """
    write_json(path, {"hyperparameters": hyperparameters, **origin})


def read_configs(paths: Iterable[Path]) -> dict[str, dict[str, object]]:
    """The hyperparameters of all algorithms in these files, by algorithm and name.

    Raises:
        InputError: if a file is damaged, names an unknown algorithm or hyperparameter, or if two
            files give different values to one algorithm.
    """
    joined: dict[str, dict[str, object]] = {}
    for path in paths:
        with parsing(path, _LIKE, _KIND):
            given = validate(_Given, read_json(path, _LIKE, _KIND), "it")
        for algorithm, values in given.hyperparameters.items():
            try:
                chosen = check_hyperparameters(algorithm, values)
            except ValueError as error:
                raise InputError(f"{path}: {error}") from error
            if joined.setdefault(algorithm, chosen) != chosen:
                raise InputError(f"{path} gives {algorithm} other values than a file before it")
    return joined
