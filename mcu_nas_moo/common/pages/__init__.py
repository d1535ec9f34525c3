"""What all HTML pages share: style, drawing library, and texts that stay texts.

A page is one file that needs no network. ``plotly-cartesian.min.js.gz`` is the file of that name in
npm's ``plotly.js-cartesian-dist-min`` 4.1.1 (MIT licence, which stands in it), compressed.
"""

from __future__ import annotations

import base64
import gzip
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def fill(package: str, name: str, parts: Mapping[str, str]) -> str:
    """The page ``name`` of ``package``: its HTML with each ``{{part}}`` filled in.

    Args:
        package: that holds ``name.html`` and ``name.js``.
        name: of both.
        parts: HTML by the name of the place. ``style`` and ``scripts`` are known here.
    """
    here, there = files(__name__), files(package)

    def script(text: str) -> str:
        return f"<script>\n{text}</script>\n"

    plotly = (here / "plotly-cartesian.min.js.gz").read_bytes()
    known = {
        "style": (here / "page.css").read_text(encoding="utf-8"),
        "scripts": _element("plotly", plotly)
        + script((here / "unpack.js").read_text(encoding="utf-8"))
        + script((there / f"{name}.js").read_text(encoding="utf-8")),
        **parts,
    }
    first, *pieces = (there / f"{name}.html").read_text(encoding="utf-8").split("{{")
    text = [first]
    # One pass, so that no text of a user is taken for a place to fill.
    for piece in pieces:
        place, rest = piece.split("}}", 1)
        text += [known[place], rest]
    return "".join(text)


def packed(name: str, text: str) -> str:
    """An element that holds a text in little space; ``unpack(name)`` of the script reads it."""
    return _element(name, gzip.compress(text.encode(), mtime=0))


def _element(name: str, content: bytes) -> str:
    text = base64.b64encode(content).decode("ascii")
    return f'<script type="application/gzip" id="{name}">{text}</script>\n'
