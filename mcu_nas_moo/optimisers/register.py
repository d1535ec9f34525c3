"""The register of the optimisers that can be compared."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import mcu_nas_moo
from mcu_nas_moo.common.code_fingerprint import code_fingerprint
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.optimisers.entries import ENTRIES, Entry
from mcu_nas_moo.optimisers.user_optimisers import (
    announced,
    describe,
    is_own,
    own_entry,
    own_fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.contracts.optimiser import Factory


def list_optimisers() -> dict[str, str]:
    """Names of the optimisers and one line about each: the package's, then installed ones.

    A name of the package's is never another's. What users name as ``module:name`` is not listed.
    """
    own = {name: entry.description for name, entry in ENTRIES.items()}
    return own | {name: describe(name) for name in announced() if name not in own}


def check_optimiser(name: str) -> str:
    """Return ``name`` if an optimiser has it.

    Raises:
        InputError: if none has; the message lists the names and the nearest one. Also if
            ``module:name`` cannot be imported or is no optimiser.
    """
    _entry(name)
    return name


def _entry(name: str) -> Entry:
    if name in ENTRIES:
        return ENTRIES[name]
    if not is_own(name):
        raise unknown_name("algorithm", name, [*list_optimisers(), "or your own module:name"])
    return own_entry(name)


def default_hyperparameters(name: str) -> dict[str, Any]:
    """Every hyperparameter of that optimiser that can be set, with its default.

    Raises:
        InputError: for an unknown name.
    """
    settings = _entry(name).settings
    if settings is None:
        return {}
    defaults = settings()()
    return {entry.name: getattr(defaults, entry.name) for entry in fields(defaults)}


def check_hyperparameters(name: str, given: Mapping[str, object]) -> dict[str, object]:
    """Those of ``given`` that differ from the defaults of the optimiser, by name.

    Raises:
        InputError: for names that the optimiser does not have, or values that it refuses.
    """
    defaults = default_hyperparameters(name)
    for key, value in given.items():
        if not defaults:
            raise InputError(f"{name} has no hyperparameters to set, got {key}")
        if key not in defaults:
            raise unknown_name(f"hyperparameter of {name}", key, list(defaults))
        default = defaults[key]
        kinds = (int, float) if type(default) is float else type(default)
        if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool):
            raise InputError(f"{key} of {name} must be like {default!r}, got {value!r}")
    settings = _entry(name).settings
    if settings is not None:
        settings()(**given)
    return {key: value for key, value in given.items() if value != defaults[key]}


def writes_log(name: str) -> bool:
    """Whether the runs of that optimiser can be followed in TensorBoard.

    Raises:
        InputError: for an unknown name.
    """
    return _entry(name).logs


def is_any_time(name: str) -> bool:
    """Whether the proposals of that optimiser do not depend on the budget.

    A run with a larger budget then begins with the run with a smaller one, and one run serves all
    smaller budgets. False for users' own optimisers without an attribute ``any_time = True``.

    Raises:
        InputError: for an unknown name.
    """
    return _entry(name).any_time


def ceiling(name: str) -> int | None:
    """Largest budget that is sensible for that optimiser, whose own time grows; None for any.

    Raises:
        InputError: for an unknown name.
    """
    return _entry(name).ceiling


def file_stem(name: str) -> str:
    """The name of an optimiser as part of a file name; different names stay different."""
    return quote(name.replace(":", "--"), safe="")


def load_optimiser(name: str) -> Factory:
    """What builds the optimiser of that name; imports all that the optimiser needs.

    Raises:
        InputError: for an unknown name.
    """
    return _entry(name).load()


@cache
def optimiser_fingerprint(name: str) -> str:
    """Hash of the code and the libraries that decide what an optimiser proposes.

    Imports, comments and docstrings of the code do not count.

    Raises:
        InputError: for an unknown name.
    """
    entry = _entry(name)
    digest = hashlib.sha256()
    if name not in ENTRIES:
        digest.update(own_fingerprint(name).encode())
    package = Path(mcu_nas_moo.__file__).parent
    sources = ((package / part).read_text(encoding="utf-8") for part in entry.code)
    digest.update(code_fingerprint(sources).encode())
    for library in entry.libraries:
        digest.update(f"{library} {installed_version(library)}".encode())
    return digest.hexdigest()[:16]


@cache
def installed_version(package: str) -> str:
    """Version of an installed package; says so if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
