"""The page in headless Chromium: what no parser can tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_results import HOSTILE, problem

from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.report import figure_data, write_report, writing
from mcu_nas_moo.benchmark.results.loading import load_results
from mcu_nas_moo.benchmark.results.problem_results import Results

#: The committed results of the suite.
FULL = Path(__file__).parents[3] / "benchmarks" / "results" / "full"
FIGURES = (
    "ranks",
    "rank-curves",
    "runtimes",
    "any-time",
    "reached",
    "fronts",
    "surfaces",
    "difference",
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    problems = (
        problem(seeds=3),
        problem(
            ("good", "weak"),
            seeds=2,
            objectives=("error", "latency", "sram", "flash"),
            profile="second-board",
        ),
    )
    return write_report(Results(problems), tmp_path_factory.mktemp("page"))


class Opened:
    """A page, and all that it complained of or asked for."""

    def __init__(self, browser, path, width):
        self.complaints, self.requests = [], []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready=yes]", timeout=60_000)

    def drawn(self, figure):
        """Lines, marks and images that a figure consists of."""
        return self.page.locator(
            f"#chart-{figure}.js-plotly-plot :is(path.js-line, path.js-fill, .points path, image)"
        ).count()

    def lines(self, figure):
        """Names of the traces of a figure."""
        return self.page.evaluate(
            "id => document.getElementById(id).data.map(trace => trace.name)", f"chart-{figure}"
        )

    def overflow(self):
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.fixture(params=[1280, 390], ids=["desktop", "phone"])
def opened(request, browser, path):
    opened = Opened(browser, path, request.param)
    yield opened
    opened.page.close()


def test_figures_are_drawn_without_complaint_or_network(opened, path):
    for figure in FIGURES:
        assert opened.drawn(figure), figure
    assert opened.complaints == []
    assert opened.requests == [path.as_uri()]
    assert opened.overflow() <= 0


@pytest.mark.timeout(900)
def test_the_page_of_the_suite_full(browser, tmp_path, monkeypatch):
    # Pictures take longest, and the page has figures of its own.
    monkeypatch.setattr(writing, "draw", lambda *_: None)
    results = load_results([FULL])
    opened = Opened(browser, write_report(results, tmp_path), 1280)
    page = opened.page
    for number, one in enumerate(results.problems):
        page.select_option("#choose-problem", str(number))
        assert one.task.profile.name in page.inner_text("#problem-title")
        for figure in FIGURES:
            if one.task.n_obj == 2 or figure not in {"surfaces", "difference"}:
                page.locator(f"#chart-{figure}").scroll_into_view_if_needed()
                page.wait_for_function(
                    "id => document.getElementById(id).classList.contains('js-plotly-plot')",
                    arg=f"chart-{figure}",
                )
                assert opened.drawn(figure), (one.name, figure)
    assert opened.complaints == []
    assert opened.overflow() <= 0
    page.close()


def test_another_problem(opened):
    page = opened.page
    first = page.inner_text("#problem-title")
    page.select_option("#choose-problem", "1")
    assert page.inner_text("#problem-title") != first
    assert "second-board" in page.inner_text("#problem-tables")
    assert not page.is_visible("#attainment")
    assert page.is_visible("#front-pair")
    page.select_option("#front-pair", "3,2")
    title = page.evaluate("document.getElementById('chart-fronts').layout.xaxis.title.text")
    assert title == "Flash, KiB"
    assert opened.drawn("fronts")
    assert opened.overflow() <= 0
    page.select_option("#choose-problem", "0")
    assert page.inner_text("#problem-title") == first
    assert page.is_visible("#attainment")
    assert opened.complaints == []


def test_number_of_evaluations(opened):
    page = opened.page
    for count in ("30", "120"):
        page.select_option("#choose-count", count)
        seen = page.locator("[data-count]:visible").all_inner_texts()
        assert seen
        assert all(f"after {count} evaluations" in text for text in seen)
        assert all(f"after {150 - int(count)} evaluations" not in text for text in seen)
    assert opened.complaints == []


def test_algorithms_are_shown_and_hidden(opened):
    page = opened.page
    assert "weak" in opened.lines("any-time")
    page.click("[data-algorithm=weak]")
    for figure in ("any-time", "reached", "fronts", "surfaces", "runtimes"):
        assert "weak" not in opened.lines(figure), figure
        assert "good" in opened.lines(figure), figure
    page.click("#chips button:text-is('all')")
    assert "weak" in opened.lines("any-time")
    assert opened.complaints == []


def test_scales_targets_and_pairs(opened):
    page = opened.page
    page.select_option("#any-time-scale", "gap")
    assert page.evaluate("document.getElementById('chart-any-time').layout.yaxis.type") == "log"
    page.select_option("#reached-target", "0.9")
    assert opened.drawn("reached")
    page.select_option("#difference-first", "weak")
    page.select_option("#difference-second", HOSTILE)
    assert HOSTILE in page.inner_text("#difference-note")
    seen = np.array(page.evaluate("document.getElementById('chart-difference').data[0].z"))
    truth = figure_data.attainment(analyse(problem(seeds=3))).difference("weak", HOSTILE)
    assert seen == pytest.approx(truth[:-1, :-1])
    assert opened.drawn("difference")
    assert opened.complaints == []


def test_hover_shows_the_network(browser, path):
    opened = Opened(browser, path, 1280)
    texts = opened.page.evaluate("document.getElementById('chart-fronts').data[1].text")
    assert "accuracy" in texts[0]
    assert "stage1 width" in texts[0]
    opened.page.evaluate("Plotly.Fx.hover('chart-fronts', [{curveNumber: 1, pointNumber: 0}])")
    assert "latency" in opened.page.text_content("#chart-fronts .hoverlayer")
    opened.page.close()
