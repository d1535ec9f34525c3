"""The documentation as a site: complete, without a network, and true to the programs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import mcu_nas_moo
from mcu_nas_moo.cli.bench.main import main as bench
from mcu_nas_moo.cli.nas.main import main as nas

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TYPED = sorted([*DOCS.glob("tutorials/*.md"), *DOCS.glob("how-to/*.md")])
BLOCKS = [
    (page, block)
    for page in TYPED
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
]
COMMANDS = [
    line.removeprefix("$ ")
    for _, block in BLOCKS
    for line in block.splitlines()
    if line[:2] == "$ "
]


#: Attributes that a browser fetches without being asked.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Resources(HTMLParser):
    """What a browser fetches of a page, and where its links lead."""

    def __init__(self):
        super().__init__()
        self.fetched, self.links = [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if values.get(FETCHED.get(tag)) and values.get("rel") != "canonical":
            self.fetched.append(values[FETCHED[tag]])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; a link or a page that is wrong fails the build, which is strict."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    read = {}
    for path in site.rglob("*.html"):
        read[path] = Resources()
        read[path].feed(path.read_text("utf-8"))
    return read


def test_every_page_is_there(pages, site):
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in pages}
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert {name for name in written if not name.startswith("optunahub/")} <= built


def test_nothing_comes_from_a_network(pages, site):
    fetched = {url for page in pages.values() for url in page.fetched}
    assert len(fetched) > 3
    assert [url for url in fetched if re.match(r"(https?:)?//", url)] == []
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text("utf-8"))


def test_files_that_pages_need_are_there(pages):
    for path, page in pages.items():
        if path.name == "404.html":  # it does not know where it is shown
            continue
        for url in page.fetched + page.links:
            name = url.partition("#")[0].partition("?")[0]
            if name and not re.match(r"[a-z]+:", name):
                assert (path.parent / name).exists(), f"{path}: {url}"


def test_every_command_is_described(site):
    page = (site / "reference" / "command-line.html").read_text("utf-8")

    def names_of(command, path):
        yield path
        for name, inner in getattr(command, "commands", {}).items():
            if not inner.hidden:
                yield from names_of(inner, f"{path} {name}")

    names = [*names_of(nas, "mcu-nas"), *names_of(bench, "mcu-nas-bench")]
    assert len(names) > 20
    assert [name for name in names if f'id="{name.replace(" ", "-")}"' not in page] == []


def test_every_public_name_is_described_once():
    page = (DOCS / "reference" / "api.md").read_text("utf-8")
    described = re.findall(r"^::: mcu_nas_moo\.(\w+)$", page, re.MULTILINE)
    assert sorted(described) == sorted(mcu_nas_moo.__all__)


@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if c.startswith("mcu-nas")}))
def test_commands_are_understood(command):
    name, *arguments = shlex.split(command)
    command_of = {"mcu-nas": nas, "mcu-nas-bench": bench}[name]
    while arguments and arguments[0] in getattr(command_of, "commands", {}):
        command_of = command_of.commands[arguments.pop(0)]
    command_of.make_context(name, arguments)  # raises for what is no option or value


def test_every_command_has_its_output():
    for page, block in BLOCKS:
        for part in block.split("\n\n$ "):
            assert len(part.strip().splitlines()) > 1, f"{page.name}: {part}"
