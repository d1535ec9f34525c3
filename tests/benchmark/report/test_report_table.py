from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas_moo.benchmark.report.table import CLOSE_MARK, Cell, Table
from mcu_nas_moo.common.text import latex

# Letters that mean something to one of the formats.
texts = st.text(st.sampled_from("ab 0.,-<>&\"'|\\_*`[]{}$%#^~±"), min_size=1, max_size=12).map(
    lambda text: " ".join(text.split()) or "x"
)
tables = st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=4).map(
    lambda rows: Table("title", ("a", "b", "c"), tuple(tuple(map(Cell, row)) for row in rows))
)


def cells_of(table):
    return [[cell.text for cell in row] for row in table.rows]


def read_markdown(text):
    """Rows below the rule; a backslash makes the next character an ordinary one."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| :--"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        parts = re.findall(r"((?:\\.|[^|\\])*)\|", line[1:])
        rows.append([re.sub(r"\\(.)", r"\1", part[1:-1]) for part in parts])
    return rows


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.open = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self.open = True

    def handle_endtag(self, tag):
        self.open &= tag not in {"td", "th"}

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data


def read_html(text):
    reader = Cells()
    reader.feed(text)
    return reader.rows


def read_latex(text):
    """Rows between the rules, with commands turned back."""
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    names = {
        r"\textbackslash{}": "\\",
        r"\textasciicircum{}": "^",
        r"\textasciitilde{}": "~",
        r"$\pm$": "±",
        "{[}": "[",
        "{*}": "*",
        **{f"${letter}$": letter for letter in "<>|"},
    }
    pattern = "|".join(map(re.escape, names)) + r"|\\([{}$&#%_])"
    rows = []
    for line in body.strip().splitlines():
        assert line.endswith(r" \\")
        parts = re.split(r"(?<!\\) & ", line[:-3])
        rows.append([re.sub(pattern, lambda m: names.get(m[0], m[1]), part) for part in parts])
    return rows


@given(tables)
def test_every_format_holds_the_same_cells(table):
    assert read_markdown(table.to_markdown()) == cells_of(table)
    assert read_latex(table.to_latex()) == cells_of(table)
    assert read_html(table.to_html())[1:] == cells_of(table)


@given(texts)
def test_latex_leaves_no_command_of_the_text(text):
    escaped = latex(text)
    allowed = (
        r"\\textbackslash\{\}|\\textascii(circum|tilde)\{\}|\$(\\pm|[<>|])\$|\{[\[*]\}|\\[{}$&#%_]"
    )
    assert not set(re.sub(allowed, "", escaped)) & set("\\{}$&#%_^~")


def test_marks():
    best, close = Cell("0.9", best=True), Cell("0.8", close=True)
    table = Table("t", ("algorithm", "x"), ((Cell("a"), best), (Cell("b"), close)), note="n & m")
    assert "| a | **0.9** |" in table.to_markdown()
    assert f"| b | 0.8 {CLOSE_MARK} |" in table.to_markdown()
    assert r"a & \textbf{0.9} \\" in table.to_latex()
    assert r"b & 0.8\,$\approx$ \\" in table.to_latex()
    assert r"\caption{t. n \& m}" in table.to_latex()
    assert r"\begin{tabular}{lr}" in table.to_latex()
    assert "<strong>0.9</strong>" in table.to_html()
    assert read_html(table.to_html())[2] == ["b", f"0.8{CLOSE_MARK}"]


def test_rows_must_fit_the_headings():
    with pytest.raises(ValueError, match="2 cells for 1 headings"):
        Table("t", ("a",), ((Cell("x"), Cell("y")),))


def test_latex_compiles_and_fits_the_text(tmp_path):
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("no pdflatex is installed")
    names = [f"algorithm-{number}" for number in range(20)]
    wide = Table("A & B_1, 50 %", ("x", *names), ((Cell("1"),) * 21,) * 3)
    narrow = Table("t", ("x", "y"), ((Cell("1", best=True), Cell("2", close=True)),))
    page = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    page += wide.to_latex() + narrow.to_latex() + r"\end{document}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1000:]
    assert "Overfull" not in done.stdout
