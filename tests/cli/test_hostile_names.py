"""Names that would break pages, pictures, tables or folders, through the commands."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from mcu_nas_moo.cli.bench.main import main as bench
from mcu_nas_moo.cli.nas.main import main as nas

NAME = r"</script><script>alert(1)</script> $\frac$ %_&#~^{} |`<!-- ../café [1em] @" + "x" * 300
PROFILE = """
description: <img src=x onerror=alert(1)> $\\bad$
device: nucleo-h743zi2
runtime: tflm-cmsis-nn
limits: {flash_kib: 1024, sram_kib: 512, latency_ms: 60}
"""


class Page(HTMLParser):
    """Elements of a page, and all text but that of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.comments, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        if self.cdata_elem is None:
            self.text += data


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.SAMPLE", 400)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.EVOLUTION", 200)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.BATCH", 200)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.VARIATIONS", 1)
    here = tmp_path / "here"
    here.mkdir()
    (here / "plain.yaml").write_text("name: plain" + PROFILE)
    (here / "hostile.yaml").write_text(f"name: '{NAME}'{PROFILE}", encoding="utf-8")
    monkeypatch.chdir(here)
    return here


def run(program, *arguments):
    result = CliRunner().invoke(program, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def check_pages(plain, hostile):
    plain, hostile = Page(plain.read_text("utf-8")), Page(hostile.read_text("utf-8"))
    assert hostile.tags == plain.tags
    assert hostile.comments == plain.comments
    assert NAME in hostile.text


def test_a_search(folder):
    for name in ("plain", "hostile"):
        options = ("--algo", "random", "--budget", 40, "--out", name)
        run(nas, "search", "--profile", f"{name}.yaml", *options)
        run(nas, "front", "pick", "--from", name, "--knee", "--out", f"{name}-knee.yaml")
    check_pages(folder / "plain" / "pareto_front.html", folder / "hostile" / "pareto_front.html")
    run(nas, "search", "--profile", "hostile.yaml", "--algo", "random", "--budget", 5)
    (made,) = (folder / "search").iterdir()
    assert {path.parent for path in folder.glob("**/search.json")} == {
        *(folder / "hostile", folder / "plain", made)
    }


def test_a_comparison_and_its_report(folder):
    for name in ("plain", "hostile"):
        options = ("--algos", "random,local-search", "--budget", 60, "--seeds", 2, "--jobs", 1)
        run(bench, *options, "--profile", f"{name}.yaml", "--out", name)
        run(bench, "report", name, "--out", f"{name}-report", "--jobs", 1)
    check_pages(folder / "plain-report" / "report.html", folder / "hostile-report" / "report.html")
    pictures = {path.suffix for path in (folder / "hostile-report").glob("**/figures/*")}
    assert pictures == {".png", ".svg"}
    tables = list((folder / "hostile-report").glob("**/tables/*.tex"))
    assert any("script" in table.read_text("utf-8") for table in tables)
    for table in tables:
        for line in table.read_text("utf-8").splitlines():
            assert not re.search(r"(?<!\\)[#_~^]|(?<!\\)%(?!$)", line.replace(r"\label", "")), line
    for path in folder.rglob("*"):
        assert path.name.isascii()
        assert len(path.name) < 200
