"""Texts of users in other languages: pages, Markdown, LaTeX, C, pictures; URLs without passwords.

Texts in HTML are escaped by ``html.escape`` of the standard library.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    # An option or a star after the end of a row.
    "[": "{[}",
    "*": "{*}",
    "\n": " ",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "≈": r"$\approx$",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "ε": r"$\varepsilon$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "→": r"$\to$",
}
_SECRET = re.compile(
    r"://[^:/@]*:(?P<password>.*)@|:(?P<typo>[^:@]+)@|[?&][^=&]*(?:pass|pwd|secret|token)[^=&]*=(?P<value>[^&#]*)",
    re.IGNORECASE,
)


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: ``a, b and c``."""
    *most, last = [*names] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def latex(text: str) -> str:
    """``text`` with all that LaTeX would take for a command escaped."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def markdown(text: str) -> str:
    """``text`` on one line, with all that Markdown and HTML take for markup escaped."""
    return re.sub(r"([\\|*_`<>\[\]&~$])", r"\\\1", " ".join(text.splitlines()))


def script_json(data: object) -> str:
    """JSON that stands in a ``script`` element, whatever texts it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Nothing inside may close the element or open a comment.
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def c_string(text: str) -> str:
    """A C literal of the UTF-8 bytes of ``text``."""
    plain = set(range(0x20, 0x7F)) - set(b'"?\\')  # "?": trigraphs
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'


def picture_text(text: str) -> str:
    """``text`` that Matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def without_passwords(text: str, url: str) -> str:
    """``text`` with ``***`` for the passwords in ``url``, those among its parameters included."""
    for match in _SECRET.finditer(url):
        secret = match[match.lastgroup or 0]
        for form in {secret, unquote_plus(secret)} - {""}:
            text = text.replace(form, "***")
    return text
