"""The register of the optimisers that can be compared."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.code_fingerprint import code_fingerprint
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.user_parts import announced, describe, user_fingerprint
from mcu_nas_moo.optimisers.entries import ENTRIES, Entry
from mcu_nas_moo.optimisers.user_optimisers import GROUP, WHAT, is_own, user_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.contracts.optimiser import Factory
    from mcu_nas_moo.optimisers.tunable import Stage


def list_optimisers() -> dict[str, str]:
    """Names of the optimisers and one line about each: the package's, then installed ones.

    A name of the package's is never another's. What users name as ``module:name`` is not listed.
    """
    own = {name: brought.description for name, brought in ENTRIES.items()}
    return own | {name: describe(name, GROUP) for name in announced(GROUP) if name not in own}


def entry(name: str) -> Entry:
    """What is known of the optimiser of that name.

    Raises:
        InputError: if none has it; the message lists the names and the nearest one. Also if
            ``module:name`` cannot be imported or is no optimiser.
    """
    if name in ENTRIES:
        return ENTRIES[name]
    if not is_own(name):
        raise unknown_name("algorithm", name, [*list_optimisers(), "or your own module:name"])
    return user_entry(name)


def check_optimiser(name: str) -> str:
    """``name`` if an optimiser has it, see :func:`entry`."""
    entry(name)
    return name


def tunable(name: str) -> tuple[Stage, Stage]:
    """What the two stages of the tuning command change in that optimiser.

    Raises:
        InputError: for an unknown name, or an optimiser that has nothing to tune.
    """
    stages = entry(name).tunable
    if stages is None:
        known = ", ".join(other for other, brought in ENTRIES.items() if brought.tunable)
        raise InputError(f"{name} has nothing to tune; choose one of {known}")
    return stages


def default_hyperparameters(name: str) -> dict[str, Any]:
    """Every hyperparameter of that optimiser that can be set, with its default.

    Raises:
        InputError: for an unknown name.
    """
    settings = entry(name).settings
    if settings is None:
        return {}
    defaults = settings()()
    return {field.name: getattr(defaults, field.name) for field in fields(defaults)}


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
    settings = entry(name).settings
    if settings is not None:
        try:
            settings()(**given)
        except ValueError as error:
            raise InputError(f"{name}: {error}") from None
    return {key: value for key, value in given.items() if value != defaults[key]}


def load_optimiser(name: str) -> Factory:
    """What builds the optimiser of that name; imports all that the optimiser needs.

    Raises:
        InputError: for an unknown name.
    """
    return entry(name).load()


@cache
def optimiser_fingerprint(name: str) -> str:
    """Hash of the code and the libraries that decide what an optimiser proposes.

    Imports, comments and docstrings of the code do not count.

    Raises:
        InputError: for an unknown name.
    """
    known = entry(name)
    digest = hashlib.sha256()
    if name not in ENTRIES:
        digest.update(user_fingerprint(name, GROUP, WHAT).encode())
    package = Path(str(files("mcu_nas_moo")))
    sources = [(package / part).read_text(encoding="utf-8") for part in known.code]
    digest.update(code_fingerprint(sources).encode())
    for library in known.libraries:
        digest.update(f"{library} {installed_version(library)}".encode())
    return digest.hexdigest()[:16]


@cache
def installed_version(package: str) -> str:
    """Version of an installed package; says so if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
