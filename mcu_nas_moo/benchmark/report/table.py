"""A table described once: for the page, for Markdown and for LaTeX."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.text import latex, markdown

if TYPE_CHECKING:
    from collections.abc import Sequence


#: What stands behind a value that is not shown to differ from the best.
CLOSE_MARK = "≈"


@dataclass(frozen=True)
class Cell:
    """Text of one cell.

    Attributes:
        text: shown as it is; escaped by each renderer.
        best: the best of its column or row, in bold.
        close: no difference from the best is shown.
    """

    text: str
    best: bool = False
    close: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under headings. The first column names the row.

    Attributes:
        title: one line.
        headings: one per column.
        rows: cells, as many per row as there are headings.
        note: what marks and columns mean; may be empty.
        left: columns, by number, that are aligned to the left; the others hold figures.
        stem: name of the files, without ending.

    Raises:
        InputError: if a row has more or fewer cells than there are headings.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    left: frozenset[int] = frozenset({0})
    stem: str = "table"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headings):
                raise InputError(
                    f"a row of table {self.title!r} has {len(row)} cells for "
                    f"{len(self.headings)} headings"
                )

    def to_markdown(self) -> str:
        """As GitHub shows it, under its title."""

        def line(cells: Sequence[str]) -> str:
            return "| " + " | ".join(cells) + " |"

        def cell(one: Cell) -> str:
            text = markdown(one.text)
            return (f"**{text}**" if one.best else text) + (f" {CLOSE_MARK}" if one.close else "")

        rules = [":--" if column in self.left else "--:" for column in range(len(self.headings))]
        lines = [f"**{markdown(self.title)}**", ""]
        lines += [line([markdown(text) for text in self.headings]), line(rules)]
        lines += [line([cell(one) for one in row]) for row in self.rows]
        if self.note:
            lines += ["", markdown(self.note)]
        return "\n".join(lines) + "\n"

    def to_latex(self) -> str:
        r"""A ``table``, made narrower if it is wider than the text.

        Needs ``\usepackage{booktabs,graphicx}``.
        """

        def cell(one: Cell) -> str:
            text = latex(one.text)
            text = rf"\textbf{{{text}}}" if one.best else text
            return text + (rf"\,{latex(CLOSE_MARK)}" if one.close else "")

        columns = "".join("l" if n in self.left else "r" for n in range(len(self.headings)))
        caption = latex(self.title if not self.note else f"{self.title}. {self.note}")
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{self.stem.replace('%', '+')}}}",  # "%" begins a comment
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(latex(text) for text in self.headings) + r" \\",
            r"\midrule",
            *(" & ".join(cell(one) for one in row) + r" \\" for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """A ``figure`` whose table scrolls inside its box."""

        def side(column: int) -> str:
            return ' class="left"' if column in self.left else ""

        def cell(column: int, one: Cell) -> str:
            text = escape(one.text)
            text = f"<strong>{text}</strong>" if one.best else text
            mark = '<span class="close" title="no difference from the best is shown">'
            mark = f"{mark}{CLOSE_MARK}</span>" if one.close else ""
            # The first cell names the row.
            tag = "th" if column == 0 else "td"
            scope = ' scope="row"' if column == 0 else ""
            return f"<{tag}{scope}{side(column)}>{text}{mark}</{tag}>"

        head = "".join(
            f'<th scope="col"{side(column)}>{escape(text)}</th>'
            for column, text in enumerate(self.headings)
        )
        body = "\n".join(
            "<tr>" + "".join(cell(column, one) for column, one in enumerate(row)) + "</tr>"
            for row in self.rows
        )
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        return (
            f'<figure class="table"><figcaption>{escape(self.title)}</figcaption>'
            f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>\n'
            f"<tbody>{body}</tbody></table></div>{note}</figure>"
        )
