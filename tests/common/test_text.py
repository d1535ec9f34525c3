"""Hostile names in every format, judged by a reader of that format."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.figure import Figure

from mcu_nas_moo.common.text import (
    c_string,
    latex,
    listed,
    markdown,
    picture_text,
    script_json,
    without_passwords,
)

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "]]> & &lt;b&gt;",
    "line\u2028separator\u2029",
    "a|b `c` **d** [e](javascript:f) ~~g~~ $h$",
    r"\input{/etc/passwd} $ % # & _ ^ ~ { } [1em] *",
    '"); system("id"); //',
    "*/ int x; /* ??/ \\",
    "two\nlines\nand three",
    r"$\frac$ cost$ \$",
    "猫 🐱 \N{COMBINING ACUTE ACCENT}",
]


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.comments, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_data_in_a_script_add_no_element(text):
    written = script_json({text: [text]})
    reader = Elements()
    reader.feed(f'<script type="application/json">{written}</script>')
    assert (reader.tags, reader.comments) == (["script"], [])
    assert json.loads(reader.text) == {text: [text]}
    assert not set(written) & set("\u2028\u2029<")


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_nothing_else(text):
    shown = MarkdownIt("gfm-like", {"linkify": False})
    reader = Elements()
    reader.feed(shown.render(f"| x |\n| :-- |\n| .{markdown(text)}. |\n"))
    assert reader.tags == ["table", "thead", "tr", "th", "tbody", "tr", "td"]
    assert reader.text.split() == ["x", *f".{' '.join(text.splitlines())}.".split()]


@given(st.text(st.sampled_from("ab\\{}$&#%_^~[]*<>|\n≈–\"'`"), max_size=12))
def test_latex_leaves_no_special(text):
    allowed = (
        r"\\text(backslash|ascii(circum|tilde))\{\}|\$(\\approx|[<>|])\$|\{[\[*]\}|\\[{}$&#%_]"
    )
    assert not set(re.sub(allowed, "", latex(text))) & set("\\{}$&#%_^~[*\n")


def test_a_compiler_reads_the_text_that_was_written(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    lines = "".join(f"    puts({c_string(text)});\n" for text in HOSTILE)
    source = tmp_path / "names.c"
    source.write_text(f"#include <stdio.h>\nint main(void) {{\n{lines}    return 0;\n}}\n")
    program = tmp_path / "names"
    flags = ["-std=c99", "-trigraphs", "-Wall", "-Werror"]
    subprocess.run([compiler, *flags, source, "-o", program], check=True)
    written = subprocess.run([program], check=True, capture_output=True).stdout
    assert written.decode() == "".join(f"{text}\n" for text in HOSTILE)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("text", HOSTILE)
def test_a_picture_holds_the_text_and_no_formula(text, tmp_path):
    figure = Figure()
    shown = figure.text(0, 0, picture_text(text))
    figure.savefig(tmp_path / "text.svg")
    written, formula = shown._preprocess_math(shown.get_text())
    assert (written, formula) == (text, False)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:secret@host/db", "postgresql://user:***@host/db"),
        ("mysql+pymysql://user:se:cr/et@host:33/db", "mysql+pymysql://user:***@host:33/db"),
        ("postgresql://user:s%40cret@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:with@at@host/db", "postgresql://user:***@host/db"),
        (
            "postgresql:///db?user=u&password=secret&sslmode=require",
            "postgresql:///db?user=u&password=***&sslmode=require",
        ),
        ("postgresql:user:secret@host", "postgresql:user:***@host"),
        ("sqlite:///runs.db", "sqlite:///runs.db"),
        ("C:\\studies\\runs.journal", "C:\\studies\\runs.journal"),
    ],
)
def test_passwords_of_urls_are_hidden(url, shown):
    assert without_passwords(url, url) == shown


def test_a_decoded_password_is_hidden_in_messages_too():
    url = "postgresql://user:s%40cret@host/db"
    assert without_passwords("no access for s@cret", url) == "no access for ***"


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_names_in_a_sentence(names, text):
    assert listed(iter(names)) == text
