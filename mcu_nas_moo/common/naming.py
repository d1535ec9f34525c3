"""Names that users give: what may be one, how files are named after them, unknown ones."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import quote

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Longest file name that is made of names, without its ending; longer ones end in a hash.
LONGEST = 100
#: What Windows takes for a device, with any ending.
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)\d)(\..*)?", re.IGNORECASE)


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


def file_name(*names: str) -> str:
    """The name of a file or folder, without ending, for a name or for several joined by ``--``.

    ASCII letters, digits, ``.``, ``_``, ``-`` and ``~`` stay. All else is percent-quoted, and so is
    what would make a path, a hidden file or a device of it: no name leaves its folder, and
    different ones, or as many joined ones, stay different on every file system that tells capitals
    apart.
    """
    parts = [quote(name, safe="", errors="surrogatepass") for name in names]
    if len(parts) > 1:  # "--" only joins: not within a name, nor made by one of its ends
        parts = [re.sub("(?<=-)-|^-|-$", "%2D", part) for part in parts]
    text = "--".join(parts)
    if text.startswith(".") or _DEVICE.fullmatch(text):
        text = f"%{ord(text[0]):02X}{text[1:]}"
    if text.endswith("."):
        text = f"{text[:-1]}%2E"
    if len(text) > LONGEST:  # "%-" and a lone "%" are in no quoted text
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        text = f"{text[: LONGEST - len(digest) - 2]}%-{digest}"
    return text or "%"


def printable(name: str) -> str:
    """``name`` in its composed form, so that names that look alike by their accents are equal.

    Raises:
        InputError: if it is empty or holds what cannot be seen, such as line breaks and marks that
            turn the direction of writing.
    """
    name = unicodedata.normalize("NFC", name)
    if not name.strip() or not name.isprintable():
        raise InputError(f"expected a name of printable characters on one line, got {name!a}")
    return name
