from __future__ import annotations

import csv
import re
import struct

import numpy as np
import pytest
from mcu_nas_moo.benchmark.report.study_report import write_report
from mcu_nas_moo.benchmark.report.study_summary import pooled_front, rank, ranked_table, verdict
from rich.console import Console
from toy_task import ToyTask, brute_force_reference, pairwise_front

from mcu_nas_moo.benchmark.analysis.indicators import Score
from mcu_nas_moo.benchmark.runs.history import History
from mcu_nas_moo.benchmark.runs.study import Run, Study


def one_score(algorithm, seed, ratio, first=1):
    return Score(algorithm, seed, 100, ratio, first, 0.5, 0.9, 0.1 * (seed + 1), 2.0)


def scores(**ratios):
    return [one_score(a, s, r) for a, own in ratios.items() for s, r in enumerate(own)]


def test_ranking_is_by_the_median():
    standings = rank(scores(a=[0.1, 0.5, 0.9], b=[0.6, 0.6, 0.7], c=[0.2, 0.3, 1.0]))
    assert [one.algorithm for one in standings] == ["b", "a", "c"]
    a = standings[1]
    assert (a.lower_quartile, a.hypervolume_ratio, a.upper_quartile) == pytest.approx(
        (0.3, 0.5, 0.7)
    )
    assert a.optimiser_ms == pytest.approx(0.2)
    assert a.seeds == 3


def test_first_feasible_counts_runs_that_never_are():
    never = rank([one_score("a", s, 0.0, first) for s, first in enumerate([5, None, None])])
    mostly = rank([one_score("a", s, 0.0, first) for s, first in enumerate([5, 9, None])])
    assert np.isinf(never[0].first_feasible)
    assert mostly[0].first_feasible == 9


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ({"a": [0.9, 0.91], "b": [0.5, 0.6]}, "a leads .* ahead of b"),
        ({"a": [0.7, 0.9], "b": [0.6, 0.8]}, "a leads .* close: the quartiles of b overlap"),
        ({"a": [0.0], "b": [0.0]}, "No algorithm found a feasible subnet"),
        ({"a": [0.5]}, r"a leads with a median hypervolume ratio of 0\.5000\.$"),
    ],
)
def test_verdict(ratios, expected):
    assert re.search(expected, verdict(rank(scores(**ratios))))


@pytest.mark.parametrize("width", [80, 100])
def test_table_fits_the_screen(width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(ranked_table(rank(scores(random=[0.1], optuna=[1.0])), "title"))
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    assert "[quartiles]" in text
    assert width < 100 or "[0.1000, 0.1000]" in text
    assert text.index("optuna") < text.index("random")


def test_pooled_front_equals_pairwise_comparison_and_names_finders(task):
    rng = np.random.default_rng(0)
    histories = []
    for name in ("a", "b", "a"):
        X = task.space.sample(300, rng)
        histories.append(History(name, 0, X, *task.evaluate(X), np.zeros(300), 0.0, 0.0))
    front = pooled_front(task, histories)
    X = np.concatenate([history.X for history in histories])
    F, G = task.evaluate(X)
    kept = np.flatnonzero((G <= 0).all(axis=1))
    expected = np.unique(task.space.canonical(X[kept[pairwise_front(F[kept])]]), axis=0)
    assert (np.unique(front.X, axis=0) == expected).all()
    assert len(front.X) == len(expected)
    for x, names in zip(front.X, front.algorithms, strict=True):
        finders = {
            history.algorithm
            for history in histories
            if (task.space.canonical(history.X) == x).all(axis=1).any()
        }
        assert set(names) == finders
        assert len(names) == len(set(names))


@pytest.mark.parametrize("objectives", [("error", "latency"), ("error", "latency", "energy")])
def test_report_files(tmp_path, objectives):
    task = ToyTask(objectives)
    reference = brute_force_reference(task)
    study = Study(tmp_path, task, 80)
    runs = [Run("random", 0), Run("random", 1), Run("nsga2", 0)]
    list(study.run(runs, reference, 1))
    standings = write_report(study, runs, reference)
    assert {one.algorithm for one in standings} == {"random", "nsga2"}

    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["algorithm"], row["seed"]) for row in rows] == [
        ("random", "0"),
        ("random", "1"),
        ("nsga2", "0"),
    ]
    with (tmp_path / "pareto.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        genes = {n: int(v) for n, v in row.items() if n.startswith("stage") and v}
        metrics = task.metrics(task.space.encode(genes))
        for name, values in metrics.items():
            assert float(row[name]) == pytest.approx(values[0], rel=1e-5)
        assert metrics["flash_kib"][0] <= task.limits["flash_kib"]
    # The gene without an effect is left empty.
    assert any(row["stage6_width"] == "" for row in rows) == any(
        row["stage1_width"] == "1" for row in rows
    )
    for picture in ("pareto_front.png", "hypervolume.png"):
        head = (tmp_path / picture).read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert min(struct.unpack(">II", head[16:])) > 500
    page = (tmp_path / "pareto_front.html").read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page
    assert "stage1 width" in page
    assert '<script src="http' not in page


def test_report_without_a_feasible_subnet(tmp_path, exact):
    task = ToyTask(limits={"flash_kib": 1.0})
    study = Study(tmp_path, task, 30)
    list(study.run([Run("random", 0)], exact, 1))
    standings = write_report(study, [Run("random", 0)], exact)
    assert standings[0].hypervolume_ratio == 0
    assert (tmp_path / "pareto.csv").read_text().count("\n") == 1


def test_report_without_runs(tmp_path, task, exact):
    assert write_report(Study(tmp_path, task, 30), [Run("random", 0)], exact) == []
    assert not (tmp_path / "results.csv").exists()
