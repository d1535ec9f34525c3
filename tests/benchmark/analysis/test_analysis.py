from __future__ import annotations

from dataclasses import replace

import moocore
import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from toy_task import ToyTask, brute_force_reference

from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.analysis.ranks import ranks_of
from mcu_nas_moo.benchmark.analysis.statistics import AHEAD, NOT_SHOWN
from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import History

BUDGETS = (40, 120)
TARGETS = [0.9, 0.95, 0.99, 0.999]


def history(task, algorithm, seed, budget):
    """`good` prefers small networks, which are feasible; `poor` finds nothing feasible for long."""
    rng = np.random.default_rng([seed, budget, *algorithm.encode()])
    X = rng.integers(0, 4, (budget, task.n_genes))
    if algorithm == "good":
        X = np.minimum(X, rng.integers(0, 4, (budget, task.n_genes)))
    F, G = task.evaluate(X)
    G[: {"poor": 50, "none": budget}.get(algorithm, 0)] = 1.0
    facts = {"budget": budget}
    return History(algorithm, seed, X, F, G, np.full(budget, 1e-3), 0.1, 0.5, facts)


def made(task, reference, runs):
    """Results of runs ``(algorithm, seed, budget)``, and their histories."""
    histories = {run: history(task, *run) for run in runs}
    trajectories = tuple(Trajectory.of(one, task.space.canonical) for one in histories.values())
    return ProblemResults(task, reference, BUDGETS, trajectories), histories


# `good` has a run for each budget; the others have one that is judged twice.
RUNS = [
    *(("poor", seed, 120) for seed in range(12)),
    *(("good", seed, budget) for budget in BUDGETS for seed in range(12)),
    *(("none", seed, 120) for seed in range(12)),
]


@pytest.fixture(scope="module", params=[("error", "latency"), ("error", "latency", "flash")])
def problem(request):
    task = ToyTask(request.param)
    reference = replace(brute_force_reference(task), kind="exact")
    results, histories = made(task, reference, RUNS)
    return analyse(results), histories, reference


def judged_history(histories, algorithm, seed, count):
    return histories[algorithm, seed, count if algorithm == "good" else 120]


def feasible_points(found, count):
    F, G = found.F[:count], found.G[:count]
    return F[(G <= 0).all(axis=1)]


def test_scores_equal_recomputation_from_the_histories(problem):
    analysis, histories, reference = problem
    assert len(analysis.scores) == 3 * 12 * 2
    low, high = reference.F.min(axis=0), reference.F.max(axis=0)
    front = (reference.F - low) / (high - low)

    def volume(points, corner):
        return moocore.hypervolume(points, ref=corner) if len(points) else 0.0

    for row in analysis.scores.itertuples():
        found = judged_history(histories, row.algorithm, row.seed, row.evaluations)
        points = (feasible_points(found, row.evaluations) - low) / (high - low)
        ratio = volume(points, 1.1) / volume(front, 1.1)
        assert row.hypervolume_ratio == pytest.approx(ratio, abs=1e-12)
        assert row.second_ratio == pytest.approx(volume(points, 2.0) / volume(front, 2.0))
        met = np.flatnonzero((found.G <= 0).all(axis=1)) + 1
        first = met.min() if len(met) and met.min() <= row.evaluations else np.inf
        assert row.first_feasible == first
        assert row.budget == len(found.X)
        assert row.optimiser_ms == pytest.approx(1.0)
        if len(points):
            assert row.igd_plus == pytest.approx(moocore.igd_plus(points, ref=front))
            assert row.epsilon == pytest.approx(moocore.epsilon_additive(points, ref=front))
            assert 0 < row.area < row.hypervolume_ratio
        else:
            assert (row.igd_plus, row.epsilon, row.area) == (np.inf, np.inf, 0.0)


def test_curves_and_targets_are_those_of_the_longest_runs(problem):
    analysis, histories, reference = problem
    whole = reference.hypervolume
    assert list(analysis.curves) == list(analysis.ranking)
    for name, curve in analysis.curves.items():
        assert (curve.budget, curve.seeds) == (120, tuple(range(12)))
        assert set(BUDGETS) <= set(curve.evaluations.tolist())
        for seed, ratios in zip(curve.seeds, curve.ratios, strict=True):
            found = histories[name, seed, 120]
            expected = np.zeros(120)
            for count in range(1, 121):
                points = reference.normalise(feasible_points(found, count))
                if len(points):
                    expected[count - 1] = moocore.hypervolume(points, ref=1.1) / whole
            assert ratios == pytest.approx(expected[curve.evaluations - 1], abs=1e-12)
            rows = analysis.targets.query("algorithm == @name and seed == @seed")
            assert rows["target"].tolist() == TARGETS
            needed = [next(iter(np.flatnonzero(expected >= t) + 1), np.inf) for t in TARGETS]
            assert rows["evaluations"].tolist() == needed
            solved = analysis.runtimes[name].evaluations[seed]
            assert (solved <= 60).sum() == sum(
                expected[59] >= 1 - 10 ** (-step / 10) for step in range(1, 31)
            )


def test_pairs_and_medians_are_those_of_scipy(problem):
    analysis, _, _ = problem
    assert analysis.ranking == ("good", "poor", "none")
    assert analysis.compared_at == 120
    samples = analysis.scores.groupby(["evaluations", "algorithm"])["hypervolume_ratio"]
    for row in analysis.medians.itertuples():
        values = samples.get_group((row.evaluations, row.algorithm))
        assert (row.runs, row.median) == (12, pytest.approx(values.median()))
        assert row.lower == pytest.approx(values.quantile(0.25))
        assert row.upper == pytest.approx(values.quantile(0.75))
        assert values.min() <= row.low <= row.median <= row.high <= values.max()
    pairs = analysis.pairs
    names = [("good", "poor"), ("good", "none"), ("poor", "none")]
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == names * 2
    assert pairs["evaluations"].tolist() == [40] * 3 + [120] * 3
    for row in pairs.itertuples():
        one = samples.get_group((row.evaluations, row.first))
        two = samples.get_group((row.evaluations, row.second))
        test = mannwhitneyu(one, two, alternative="two-sided")
        assert row.p == pytest.approx(test.pvalue)
        assert row.a12 == pytest.approx(test.statistic / 144)
        assert row.difference == pytest.approx(one.median() - two.median())
        assert row.low <= row.difference <= row.high
        assert row.p <= row.p_holm <= 6 * row.p
        assert row.verdict == (AHEAD if row.p_holm < 0.05 else NOT_SHOWN)
    assert AHEAD in pairs["verdict"].tolist()


def test_a_claim_without_cautions(problem):
    analysis, _, _ = problem
    assert analysis.second_ranking == analysis.ranking
    assert analysis.cautions == ()


def test_an_algorithm_with_shorter_runs(task, exact):
    runs = [*RUNS, *(("short", seed, 40) for seed in range(4))]
    analysis = analyse(made(task, exact, runs)[0])
    # The largest number of evaluations after which all four were judged.
    assert analysis.compared_at == 40
    assert set(analysis.ranking) == {"good", "poor", "none", "short"}
    curve = analysis.curves["short"]
    beyond = curve.evaluations > 40
    assert np.isnan(curve.ratios[:, beyond]).all()
    assert np.isfinite(curve.ratios[:, ~beyond]).all()
    assert analysis.cautions == (
        "4 seeds are a look, not a claim (short: 4 runs); take --seeds 21 to compare algorithms in "
        "earnest.",
        "Algorithms have different numbers of runs, from 4 to 12.",
        "The reference front is pooled, not exact: ratios compare algorithms with each other, "
        "and may exceed 1.",
    )


def test_samples_are_resampled_independently(task, exact):
    results, _ = made(task, exact, [("good", seed, 120) for seed in range(10)])
    twins = tuple(replace(run, algorithm="twin") for run in results.trajectories)
    analysis = analyse(replace(results, trajectories=results.trajectories + twins))
    for row in analysis.pairs.itertuples():
        assert (row.difference, row.verdict, row.a12) == (0.0, NOT_SHOWN, 0.5)
        assert row.low < 0 < row.high


def test_one_algorithm_alone(task, exact):
    analysis = analyse(made(task, exact, [("good", seed, 120) for seed in range(10)])[0])
    assert (analysis.ranking, analysis.compared_at) == (("good",), 120)
    assert len(analysis.pairs) == 0
    assert "verdict" in analysis.pairs.columns


def test_equal_medians_keep_their_order(task, exact):
    runs = [(name, seed, 120) for name in ("none", "nono") for seed in range(2)]
    results, _ = made(task, exact, runs)
    nothing = tuple(replace(run, at=run.at[:0], F=run.F[:0]) for run in results.trajectories)
    assert analyse(replace(results, trajectories=nothing)).ranking == ("none", "nono")
    assert analyse(replace(results, trajectories=nothing[::-1])).ranking == ("nono", "none")


def test_a_ranking_that_depends_on_the_reference_point_is_said_to():
    task = ToyTask()
    front = np.array([[0.0, 1.0], [1.0, 0.0]])
    reference = replace(brute_force_reference(task), F=front, X=np.zeros((2, 6), dtype=np.int64))

    def run(name, F):
        F = np.array(F)
        facts = {"budget": 40}
        X, G = np.zeros((len(F), 6), dtype=np.int64), np.full((len(F), 1), -1.0)
        made_history = History(name, 0, X, F, G, np.zeros(len(F)), 0.0, 0.0, facts)
        return Trajectory.of(made_history, lambda X: X)

    # 0.7 x 0.7 = 0.49 against 1.1 x 0.1 + 1.0 x 0.1 = 0.21; 1.6 x 1.6 = 2.56 against 3.0.
    runs = (run("middle", [[0.4, 0.4]]), run("ends", [[0.0, 1.0], [1.0, 0.0]]))
    analysis = analyse(ProblemResults(task, reference, (40,), runs))
    assert (analysis.ranking, analysis.second_ranking) == (("middle", "ends"), ("ends", "middle"))
    assert "With a reference point 100% of the range beyond the nadir" in analysis.cautions[-1]
    # And no run is ahead of an exact front.
    exact = analyse(ProblemResults(task, replace(reference, kind="exact"), (40,), runs))
    assert any("middle with seed 0 beats the exact front" in line for line in exact.cautions)


def test_runs_that_are_too_short_to_judge(task, exact):
    results, _ = made(task, exact, [("good", 0, 10)])
    with pytest.raises(ValueError, match=r"toy on toy-board.*no run is as long"):
        analyse(results)


def test_ranks_over_analyses(problem):
    analysis, _, _ = problem
    ranks = ranks_of([analysis], 120)
    assert (ranks.algorithms, ranks.mean_ranks) == (("good", "poor", "none"), (1.0, 2.0, 3.0))
    assert ranks.problems == (analysis.results.name,)
    with pytest.raises(ValueError, match="after 77 evaluations"):
        ranks_of([analysis], 77)
