from __future__ import annotations

import base64
import gzip
import json
import re
import struct
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from small_results import HOSTILE, problem

from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.report import figure_data, write_report
from mcu_nas_moo.benchmark.report.contents import summary_table
from mcu_nas_moo.benchmark.results.problem_results import Results
from mcu_nas_moo.common.text import script_json


class Page(HTMLParser):
    """Elements, their attributes, the JSON and the text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.data, self.text, self.inside, self.json = [], {}, "", None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.inside = tag
            if dict(attrs).get("type") == "application/gzip":
                self.json = dict(attrs)["id"]

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = self.json = None

    def handle_data(self, data):
        if self.json:
            text = gzip.decompress(base64.b64decode(data)).decode()
            if self.json.startswith("data-"):
                self.data[self.json] = json.loads(text)
            elif self.json.startswith("tables-"):
                inside = Page(text)
                self.elements += inside.elements
                self.text += inside.text
        elif not self.inside:
            self.text += data


@pytest.fixture(scope="module")
def report(tmp_path_factory, results):
    second = problem(
        ("good", "weak"),
        seeds=2,
        profile="second-board",
        objectives=("error", "latency", "sram", "flash"),
    )
    folder = tmp_path_factory.mktemp("report")
    record = {"name": "<i>suite", "suite_file": "a: </pre><script>alert(2)</script>"}
    path = write_report(
        Results((results, second), ("beware of <b>this</b>",)),
        folder,
        command="mcu-nas-bench report '<u>folder</u>'",
        records=[{**record, "command": "mcu-nas-bench suite x.yaml", "machine": {"cores": 2}}],
    )
    assert path == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def page(report):
    return Page((report / "report.html").read_text(encoding="utf-8"))


def test_page_is_one_file_without_links_to_others(page):
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "data", "action"):
            target = attributes.get(name) or ""
            assert target.startswith(("#", "data:,")) or not target, (tag, attributes)
    assert sum(tag == "script" and not a.get("type") for tag, a in page.elements) == 2
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in (
        page.elements
    )


def test_what_users_named_is_text(page):
    assert not any(tag in {"img", "b", "u", "i"} and a for tag, a in page.elements)
    assert not any(tag in {"u", "i", "img"} for tag, _ in page.elements)
    for text in (HOSTILE, "beware of <b>this</b>", "'<u>folder</u>'", "</pre><script>alert(2)"):
        assert text in page.text
    assert HOSTILE in page.data["data-overview"]["looks"]


def test_cautions_stand_in_the_head(page):
    assert "2 seeds are a look, not a claim" in page.text
    assert "The reference front is pooled, not exact" in page.text
    # What the head says of all problems is not repeated at each.
    for number in (0, 1):
        assert not any("pooled" in one for one in page.data[f"data-{number}"]["cautions"])


@pytest.mark.parametrize(("number", "folded"), [(0, 0), (11, 0), (73, 63)])
def test_many_warnings_are_folded(tmp_path, number, folded):
    warnings = tuple(f"left out: <file {place}>" for place in range(number))
    few = problem(("good",), seeds=1, budgets=(5,))
    text = write_report(Results((few,), warnings), tmp_path).read_text(encoding="utf-8")
    head = text[text.index("<header>") : text.index("</header>")]
    shown, _, rest = head.partition("<details>")
    assert shown.count("left out: &lt;file") == number - folded
    assert rest.count("left out: &lt;file") == folded
    assert ("<summary>63 more warnings</summary>" in rest) == bool(folded)
    # What the results mean comes before what happened to files.
    assert head.index("a look, not a claim") < (head + "left out").index("left out")


def test_page_says_the_family_of_the_tests_and_what_ranks_presume(page):
    assert page.text.count("Holm's correction over all pairs and numbers of evaluations of the") > 2
    assert "those on related chips are not" in page.text


def test_page_shows_settings_and_fingerprints(page, results):
    for text in (results.task.fingerprint, "fingerprint of the code", "0123", "latency_ms ≤ 30"):
        assert text in page.text


def test_page_draws_the_data(page, analysis, results):
    data = page.data["data-0"]
    assert data["ranking"] == list(analysis.ranking)
    for name, band in figure_data.any_time(analysis).items():
        assert data["anyTime"][name]["at"] == band.evaluations.tolist()
        assert data["anyTime"][name]["median"] == pytest.approx(band.median.tolist(), rel=1e-5)
    fronts = figure_data.fronts(analysis)
    accuracy, latency = (np.array(data["networks"]["metrics"][n]) for n in (0, 1))
    assert data["objectives"] == [None, 1]  # the error is what the accuracy lacks to 100 %
    assert np.stack([1 - accuracy / 100, latency], axis=1) == pytest.approx(fronts.F, rel=1e-4)
    assert data["fronts"] == {name: rows.tolist() for name, rows in fronts.rows.items()}
    # The characters of a network are the options that the space decodes.
    for row, text in enumerate(data["networks"]["genes"]):
        values = {
            gene["name"]: gene["options"][int(letter, 36)]
            for gene, letter in zip(data["genes"], text, strict=True)
            if letter != "-"
        }
        assert values == results.task.space.decode(fronts.X[[row]])[0].values
        latency = results.task.metrics(fronts.X[[row]])["latency_ms"][0]
        assert float(data["networks"]["metrics"][1][row]) == pytest.approx(latency, rel=1e-3)
    attainment = figure_data.attainment(analysis)
    for name, counts in attainment.attaining.items():
        packed = data["attainment"]["runs"][name]
        columns = np.frombuffer(base64.b64decode(packed["columns"]), np.uint8)
        first = columns.reshape(len(counts), -1)
        for column in range(counts.shape[1]):
            assert ((first <= column).sum(axis=1) == counts[:, column]).all()
        assert packed["runs"] == attainment.runs[name]
    assert page.data["data-1"]["attainment"] is None
    assert len(page.data["data-1"]["axes"]) == 4


def test_files_for_papers(report, results, analysis):
    name = results.name
    figures = {path.name for path in (report / "figures").iterdir()}
    stems = [f"{name}-{what}" for what in ("any-time", "targets", "fronts", "attainment")]
    stems += [f"{name}-attainment-difference", "ranks", "targets", "critical-difference-120"]
    for stem in stems:
        assert {f"{stem}.png", f"{stem}.svg"} <= figures
        head = (report / "figures" / f"{stem}.png").read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert min(struct.unpack(">II", head[16:])) > 200
        assert "<svg" in (report / "figures" / f"{stem}.svg").read_text(encoding="utf-8")
    legend = (report / "figures" / f"{name}-any-time.svg").read_text(encoding="utf-8")
    assert re.search(r">good</text>", legend)
    for path in (report / "tables").glob("*.md"):
        assert path.with_suffix(".tex").read_text(encoding="utf-8").startswith(r"\begin{table}")
    text = (report / "tables" / "summary-120.md").read_text(encoding="utf-8")
    median = np.median(
        analysis.scores.query("evaluations == 120 and algorithm == 'weak'")["hypervolume_ratio"]
    )
    assert f"{median:.4f}" in text


def test_csv_files_hold_the_analysis(report, analysis, results):
    scores = pd.read_csv(report / "results.csv")
    own = scores[scores["problem"] == results.name].drop(columns="problem").reset_index(drop=True)
    pd.testing.assert_frame_equal(own, analysis.scores, rtol=1e-6, check_dtype=False)
    pairs = pd.read_csv(report / "pairs.csv")
    own = pairs[pairs["problem"] == results.name].drop(columns="problem").reset_index(drop=True)
    # Holm's correction is for the tests of one problem, so that merging changes nothing.
    pd.testing.assert_frame_equal(own, analysis.pairs, rtol=1e-6, check_dtype=False)


def test_same_results_same_figures(tmp_path):
    results = Results((problem(("good", "weak"), seeds=2),))
    for jobs, folder in enumerate(("one", "two"), start=1):
        write_report(results, tmp_path / folder, jobs=jobs)
    # The page holds the date.
    paths = [path for path in (tmp_path / "one").rglob("*.*") if path.suffix != ".html"]
    assert len(paths) > 20
    for path in paths:
        again = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == again.read_bytes(), path.name


@pytest.mark.parametrize(
    "case",
    [
        {"algorithms": ("good",), "seeds": 1},
        {"algorithms": ("good", "weak"), "limits": {"flash_kib": 1.0}, "seeds": 2},
        {"algorithms": ("good", "weak"), "budgets": (5,), "seeds": 1},
        {"algorithms": ("good", "weak"), "objectives": ("error", "latency", "energy"), "seeds": 2},
    ],
    ids=["one run", "nothing feasible", "very short", "three objectives"],
)
def test_unusual_results_make_a_report(tmp_path, case):
    path = write_report(Results((problem(**case),)), tmp_path)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.data["data-0"]["ranking"][0] in case["algorithms"]


def test_algorithms_of_different_problems_and_budgets(tmp_path):
    short = problem(("weak",), seeds=2, budgets=(30,))
    long = problem(("good",), seeds=2)
    both = replace(long, trajectories=long.trajectories + short.trajectories)
    other = problem(("third",), seeds=2, profile="second-board", budgets=(50,))
    page = Page(write_report(Results((both, other)), tmp_path).read_text(encoding="utf-8"))
    assert set(page.data["data-overview"]["looks"]) == {"good", "weak", "third"}
    # No number of evaluations is common to the problems.
    assert page.data["data-overview"]["ranks"] == []
    table = summary_table([analyse(both)], 120, {})
    assert [row[0].text for row in table.rows] == ["good"]


def test_no_run_is_an_error(tmp_path, results):
    empty = replace(results, trajectories=())
    with pytest.raises(ValueError, match="no finished run"):
        write_report(Results((empty,)), tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_json_in_a_script_cannot_close_it():
    data = {"</script><!--": ["<b>", "\u2028", "ü"]}
    text = script_json(data)
    assert "<" not in text
    assert json.loads(text) == data
    with pytest.raises(ValueError):
        script_json({"x": float("nan")})
