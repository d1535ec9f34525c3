from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_results import history, problem
from toy_task import pairwise_front

from mcu_nas_moo.benchmark.analysis.problem_analysis import Curve, analyse
from mcu_nas_moo.benchmark.report import figure_data
from mcu_nas_moo.benchmark.report.appearance import COLOURS, looks


def feasible_points(task, name, seed, budget):
    """All feasible evaluations of a run, from its full history."""
    run = history(task, name, seed, budget, share=0.1 if name == "weak" else 1.0)
    met = (run.G <= 0).all(axis=1)
    return task.space.canonical(run.X[met]), run.F[met]


def test_bands_are_quartiles_where_every_seed_has_a_value(analysis):
    ratios = np.array([[0.0, 0.2, 0.4], [0.1, 0.4, np.nan], [0.5, 0.6, 0.9]])
    curve = Curve(100, (0, 1, 2), np.array([1, 10, 100]), ratios)
    hopeless = Curve(100, (0,), np.array([1, 10]), np.full((1, 2), np.nan))
    changed = replace(analysis, ranking=("a", "b", "c"), curves={"a": curve, "b": hopeless})
    bands = figure_data.any_time(changed)
    assert list(bands) == ["a"]
    assert bands["a"].evaluations.tolist() == [1, 10]
    assert bands["a"].median.tolist() == [0.1, 0.4]
    assert bands["a"].lower == pytest.approx([0.05, 0.3])
    assert bands["a"].upper == pytest.approx([0.3, 0.5])


@pytest.mark.parametrize("objectives", [("error", "latency"), ("error", "latency", "energy")])
def test_fronts_equal_those_of_all_evaluations(objectives):
    results = problem(objectives=objectives, seeds=3)
    fronts = figure_data.fronts(analyse(results))
    assert fronts.evaluations == 120
    assert fronts.left_out == 0
    for name in results.algorithms:
        runs = [feasible_points(results.task, name, seed, 120) for seed in range(3)]
        X, F = (np.concatenate(parts) for parts in zip(*runs, strict=True))
        best = pairwise_front(F)
        rows = fronts.rows[name]
        assert (np.unique(fronts.F[rows], axis=0) == np.unique(F[best], axis=0)).all()
        assert {tuple(x) for x in fronts.X[rows].tolist()} <= {tuple(x) for x in X[best].tolist()}
        assert (results.task.evaluate(fronts.X[rows]).F == fronts.F[rows]).all()


def test_dense_fronts_are_thinned_and_keep_their_ends(analysis, monkeypatch):
    whole = figure_data.fronts(analysis)
    monkeypatch.setattr(figure_data, "REFERENCE_POINTS", 5)
    thin = figure_data.fronts(analysis)
    assert thin.left_out == len(whole.reference) - 5
    assert (thin.reference[[0, -1]] == whole.reference[[0, -1]]).all()


def test_attainment_counts_runs(results, analysis):
    attainment = figure_data.attainment(analysis)
    for name in results.algorithms:
        assert attainment.runs[name] == 5
        runs = [feasible_points(results.task, name, seed, 120)[1] for seed in range(5)]
        for row, upwards in enumerate(attainment.upwards):
            for column, across in enumerate(attainment.across):
                attained = [(F <= [upwards, across]).all(axis=1).any() for F in runs]
                assert attainment.attaining[name][row, column] == sum(attained)
        for point in attainment.surfaces[name]:
            assert sum((F <= point).all(axis=1).any() for F in runs) >= 3
            # Nowhere better in both objectives do half of the runs attain anything.
            assert sum((F < point).all(axis=1).any() for F in runs) < 3
    difference = attainment.difference("good", "weak")
    assert (difference == -attainment.difference("weak", "good")).all()
    assert difference.max() > 0.5


def test_attainment_grid_is_coarse_but_right_for_many_values(analysis, results, monkeypatch):
    monkeypatch.setattr(figure_data, "GRID_LINES", 7)
    coarse = figure_data.attainment(analysis)
    assert coarse.across.shape == coarse.upwards.shape == (7,)
    runs = [feasible_points(results.task, "good", seed, 120)[1] for seed in range(5)]
    point = [coarse.upwards[3], coarse.across[4]]
    expected = sum((F <= point).all(axis=1).any() for F in runs)
    assert coarse.attaining["good"][3, 4] == expected


def test_no_attainment_for_three_objectives():
    results = problem(objectives=("error", "latency", "energy"), seeds=1)
    assert figure_data.attainment(analyse(results)) is None


def test_reached_counts_runs(analysis):
    functions = figure_data.reached(analysis)
    table = analysis.targets
    for name, own in functions.items():
        values = table[(table["algorithm"] == name) & (table["target"] == 0.9)]["evaluations"]
        steps = own[0.9]
        assert steps.end == 120
        for count in (1, 10, 50, 120):
            known = steps.shares[steps.evaluations <= count]
            share = known[-1] if len(known) else 0.0
            assert share == pytest.approx((values <= count).mean())


def test_runs_without_a_feasible_network():
    results = problem(limits={"flash_kib": 1.0}, seeds=2)
    analysis = analyse(results)
    assert figure_data.attainment(analysis) is None
    fronts = figure_data.fronts(analysis)
    assert fronts.rows == {}
    assert fronts.X.shape == (0, 6)
    assert (figure_data.any_time(analysis)["good"].median == 0).all()
    assert all(len(own[0.9].shares) == 0 for own in figure_data.reached(analysis).values())


def test_half_of_all_runs_counts_runs_without_a_point(results):
    """Two of five runs have points: no surface is attained by half."""
    empty = [
        replace(run, at=run.at[:0], X=run.X[:0], F=run.F[:0], first_feasible=None)
        if run.seed > 1
        else run
        for run in results.trajectories
    ]
    analysis = analyse(replace(results, trajectories=tuple(empty)))
    attainment = figure_data.attainment(analysis)
    assert len(attainment.surfaces["good"]) == 0
    assert attainment.attaining["good"].max() == 2
    assert attainment.runs["good"] == 5


def test_looks_differ():
    names = [f"algorithm-{n}" for n in range(3 * len(COLOURS))]
    chosen = looks(names)
    assert len({(one.colour, one.plotly_line) for one in chosen.values()}) == len(names)
    assert len({(one.colour, str(one.line)) for one in chosen.values()}) == len(names)
    # The look of an algorithm does not change when others are added behind it.
    assert looks(names[:4])["algorithm-2"] == chosen["algorithm-2"]
