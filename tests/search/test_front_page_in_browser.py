"""The page of a front in headless Chromium."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo.benchmark.references.reference import known_reference
from mcu_nas_moo.search.front import front_of, knee
from mcu_nas_moo.search.front_page import write_front_page
from mcu_nas_moo.search.subnets import Subnets

HOSTILE = "</script><script>alert(1)</script>{{plotly}}"


@pytest.fixture(scope="module")
def subnets(some_subnets):
    """With a profile's name that does its worst."""
    problem = some_subnets.problem.model_copy(update={"profile": HOSTILE})
    return Subnets(
        problem, some_subnets.names, some_subnets.genes, some_subnets.metrics, some_subnets.trials
    )


@pytest.fixture(params=[1280, 390], ids=["desktop", "phone"])
def opened(request, browser, subnets, real_task, tmp_path):
    path = tmp_path / "pareto_front.html"
    write_front_page(path, real_task, subnets, front_of(subnets), known_reference(real_task))
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.complaints, page.requests = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
    yield page
    assert page.complaints == []
    assert page.requests == [path.as_uri()]
    page.close()


def test_what_the_error_is_on_is_said(some_subnets, real_task, tmp_path):
    problem = some_subnets.problem.model_copy(update={"accuracy_of": "nothing <a guess>"})
    guessed = Subnets(
        problem, some_subnets.names, some_subnets.genes, some_subnets.metrics, some_subnets.trials
    )
    path = tmp_path / "page.html"
    write_front_page(path, real_task, guessed, front_of(guessed), None)
    assert "went by: error on nothing &lt;a guess&gt;.</p>" in path.read_text("utf-8")


def marks(page, name):
    """Number of marks that plotly drew for a trace, and its x values."""
    drawn, x = page.evaluate(
        """name => {
            const chart = document.getElementById("chart");
            const trace = chart._fullData.find((own) => own.name === name);
            const group = chart.querySelector(`.trace${trace.uid}`);
            return [group.querySelectorAll(".points path").length, Array.from(trace.x)];
        }""",
        name,
    )
    return drawn, x


def test_every_subnet_is_a_mark(opened, subnets):
    front = front_of(subnets)
    drawn, latency = marks(opened, "found front")
    assert drawn == len(front)
    assert latency == pytest.approx(front.metrics["latency_ms"], rel=1e-5)
    dominated = int(subnets.feasible.sum()) - len(front)
    assert marks(opened, "feasible")[0] == dominated
    opened.check("#infeasible")
    assert len(marks(opened, "infeasible")[1]) == int((~subnets.feasible).sum())
    assert opened.locator("#front tbody tr").count() == len(front)
    assert HOSTILE in opened.inner_text("h1")
    assert opened.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_pointing_and_clicking_name_the_file(opened, subnets):
    front = front_of(subnets)
    assert f"subnets/{front.names[knee(front)]}.yaml" in opened.inner_text("#chosen")
    number = opened.evaluate(
        "document.getElementById('chart').data.findIndex((one) => one.name === 'found front')"
    )
    opened.evaluate(f"Plotly.Fx.hover('chart', [{{curveNumber: {number}, pointNumber: 0}}])")
    hover = opened.text_content("#chart .hoverlayer")
    for part in (f"subnets/{front.names[0]}.yaml", "SRAM", "resolution", "energy"):
        assert part in hover
    opened.locator("#front tbody tr").nth(len(front) - 1).click()
    assert f"subnets/{front.names[-1]}.yaml" in opened.inner_text("#chosen")
    opened.evaluate(
        "n => document.getElementById('chart').emit("
        "'plotly_click', {points: [{customdata: JSON.parse("
        "document.getElementById('data').textContent).order[n]}]})",
        1,
    )
    assert f"subnets/{front.names[1]}.yaml" in opened.inner_text("#chosen")


def test_any_two_figures_can_be_drawn(opened, subnets):
    opened.select_option("#across", "2")
    opened.select_option("#upwards", "4")
    _, sram = marks(opened, "found front")
    assert sorted(sram) == pytest.approx(np.sort(front_of(subnets).metrics["sram_kib"]), rel=1e-5)
    titles = opened.evaluate(
        "(() => { const { xaxis, yaxis } = document.getElementById('chart').layout;"
        " return [xaxis.title.text, yaxis.title.text]; })()"
    )
    assert titles == ["SRAM, KiB", "energy per inference, mJ"]
    assert marks(opened, "exact front")[0] > 0
