from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import mannwhitneyu
from toy_task import ToyTask, brute_force_reference

from mcu_nas_moo.benchmark.analysis.head_to_head import (
    compare_algorithms,
    compare_results,
    duel_tables,
    tally,
)
from mcu_nas_moo.benchmark.analysis.overall import overall_tables
from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.analysis.statistics import NOT_SHOWN
from mcu_nas_moo.benchmark.results.problem_results import ProblemResults, Results
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.run import run_optimiser

SEEDS = range(12)
COUNTS = (60, 400)


@pytest.fixture(scope="module")
def results():
    """Random search and NSGA-II on two toy problems."""
    problems = []
    for objectives in (("error", "latency"), ("error", "energy")):
        task = ToyTask(objectives)
        reference = brute_force_reference(task)
        runs = [
            Trajectory.of(run_optimiser(name, task, reference, budget, seed), task.space.canonical)
            for name, budgets in (("random", (400,)), ("nsga2", COUNTS))
            for budget in budgets
            for seed in SEEDS
        ]
        problems.append(ProblemResults(task, reference, COUNTS, tuple(runs)))
    return Results(tuple(problems))


def samples(results, problem, name, count):
    scores = analyse(results.problems[problem]).scores
    own = scores[(scores["algorithm"] == name) & (scores["evaluations"] == count)]
    return own["hypervolume_ratio"].to_numpy()


def test_the_figures_are_those_of_scipy_with_holm_by_hand(results):
    duels = compare_algorithms(results, "nsga2", "random")
    by_case = {(duel.problem, duel.evaluations): duel for duel in duels}
    titles = [problem.title for problem in results.problems]
    assert {case for case in by_case if case[1] is not None} == {
        (title, count) for title in titles for count in COUNTS
    }
    for number, title in enumerate(titles):
        for count in COUNTS:
            one, two = (samples(results, number, name, count) for name in ("nsga2", "random"))
            duel = by_case[title, count]
            assert duel.runs == (12, 12)
            assert duel.median_first == pytest.approx(np.median(one))
            assert duel.median_second == pytest.approx(np.median(two))
            u, p = mannwhitneyu(one, two)
            assert duel.a12 == pytest.approx(u / 144)
            assert duel.p_holm >= p
            difference = np.median(one) - np.median(two)
            assert duel.interval.low <= difference <= duel.interval.high
            if duel.p_holm >= 0.05:
                assert duel.verdict == NOT_SHOWN
            else:
                assert duel.verdict == ("ahead" if duel.a12 > 0.5 else "behind")
    # Holm by hand: the smallest p is multiplied by the number of tests.
    plain = [
        mannwhitneyu(*(samples(results, n, name, c) for name in ("nsga2", "random"))).pvalue
        for n in range(2)
        for c in COUNTS
    ]
    to_target = [duel for duel in duels if duel.evaluations is None]
    for duel in to_target:
        targets = analyse(results.problems[titles.index(duel.problem)]).targets
        own = targets[targets["target"] == 0.99].groupby("algorithm")["evaluations"]
        one, two = (own.get_group(name).replace(np.inf, 1e9) for name in ("nsga2", "random"))
        u, p = mannwhitneyu(two, one)  # fewer are better
        assert duel.a12 == pytest.approx(u / 144)
        plain.append(p)
    assert len(plain) == len(duels)
    smallest = min(duel.p_holm for duel in duels)
    assert smallest == pytest.approx(min(1.0, len(plain) * min(plain)))


def test_the_other_way_round_is_the_mirror_image(results):
    there = compare_algorithms(results, "nsga2", "random")
    back = compare_algorithms(results, "random", "nsga2")
    mirror = {"ahead": "behind", "behind": "ahead", NOT_SHOWN: NOT_SHOWN}
    assert len(there) == len(back)
    for one, two in zip(there, back, strict=True):
        assert one.p_holm == pytest.approx(two.p_holm)
        assert one.a12 == pytest.approx(1 - two.a12)
        assert two.verdict == mirror[one.verdict]


def shortened(results, share):
    """The same runs with all that is on the first part of the front taken away."""
    problems = []
    for problem in results.problems:
        middle = np.quantile(problem.reference.F[:, 0], share)
        runs = []
        for run in problem.trajectories:
            kept = run.F[:, 0] >= middle
            runs.append(replace(run, at=run.at[kept], X=run.X[kept], F=run.F[kept]))
        problems.append(replace(problem, trajectories=tuple(runs)))
    return Results(tuple(problems))


def test_old_results_against_new_ones(results):
    worse = shortened(results, 0.6)
    duels = [duel for duel in compare_results(results, worse) if duel.evaluations == 400]
    assert {duel.algorithm for duel in duels} == {"random", "nsga2"}
    assert {duel.verdict for duel in duels} == {"ahead"}
    assert all(duel.median_first > duel.median_second for duel in duels)
    same = compare_results(results, results)
    assert {duel.verdict for duel in same} == {NOT_SHOWN}
    assert {duel.a12 for duel in same} == {0.5}


def test_evaluations_to_the_target_count_fewer_as_better(results):
    duels = compare_results(results, shortened(results, 0.6))
    to_target = [duel for duel in duels if duel.evaluations is None]
    assert to_target
    for duel in to_target:
        assert duel.median_second == np.inf
        assert duel.interval is None
        assert duel.a12 >= 0.5


def test_nothing_in_common_is_said(results):
    one = replace(results, problems=results.problems[:1])
    two = replace(results, problems=results.problems[1:])
    with pytest.raises(ValueError, match="nothing to compare"):
        compare_results(one, two)
    with pytest.raises(ValueError, match="unknown algorithm of these results 'rando'"):
        compare_algorithms(results, "nsga2", "rando")


def shown(*parts):
    console = Console(width=100, record=True)
    for part in parts:
        console.print(part)
    return console.export_text()


def test_tables_fit_on_the_screen(results):
    duels = compare_algorithms(results, "nsga2", "random")
    text = shown(*duel_tables(duels, "nsga2", "random"))
    for problem in results.problems:
        assert problem.title in text
    assert all(f"{duel.median_first:.4f}" in text for duel in duels if duel.evaluations)
    line = tally(duels, "nsga2", "random")
    rows = [duel for duel in duels if duel.evaluations]
    ahead = sum(duel.verdict == "ahead" for duel in rows)
    assert line.startswith(f"nsga2 is ahead of random in {ahead} of {len(rows)}")


def test_the_overall_ranking_has_means_over_the_problems_of_each_set(results):
    analyses = [analyse(problem) for problem in results.problems]
    text = shown(*overall_tables(analyses))
    assert "error and latency: one problem" in text
    assert "error and energy: one problem" in text
    # Two problems with the same objectives stand in one table.
    text = shown(*overall_tables([analyses[0], _renamed(analyses[0])]))
    assert "error and latency: 2 problems" in text
    assert "mean over the problems" in text
    expected = np.median(samples(results, 0, "nsga2", 400))
    (row,) = (line for line in text.splitlines() if "nsga2" in line)
    assert f"{expected:.4f}" in row


def _renamed(analysis):
    task = ToyTask(board="other-board")
    return replace(analysis, results=replace(analysis.results, task=task))


def test_an_algorithm_that_lacks_on_a_problem_has_no_rank(results):
    analyses = [analyse(problem) for problem in results.problems]
    only = analyse(
        replace(
            results.problems[0],
            trajectories=tuple(
                run for run in results.problems[0].trajectories if run.algorithm == "random"
            ),
        )
    )
    text = shown(*overall_tables([analyses[0], _renamed(only)]))
    (row,) = (line for line in text.splitlines() if "nsga2" in line)
    assert row.split()[2:] == ["–", "–", "–"]
