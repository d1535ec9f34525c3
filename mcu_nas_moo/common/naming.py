"""One wording for names that do not exist."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error to raise for a ``name`` that is not among the ``known`` ones, on one line.

    Args:
        kind: what the name should refer to, as users call it ("profile", "algorithm").
        name: what was given.
        known: every valid name; the nearest one is suggested if it is near enough.
    """
    names = list(known)
    nearest = get_close_matches(name.lower(), names, n=1)
    hint = f" did you mean {nearest[0]!r}?" if nearest else ""
    return InputError(f"unknown {kind} {name!r};{hint} choose one of {', '.join(names)}")
