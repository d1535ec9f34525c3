from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo.benchmark.analysis.runtimes import Runtimes, log_spaced, runtime_distribution


def test_shares_by_counting():
    rng = np.random.default_rng(0)
    times = rng.integers(1, 150, (3, 5)).astype(float)
    times[times > 100] = np.inf
    other = rng.integers(1, 100, (3, 5)).astype(float)
    problems = [{"a": Runtimes(100, times)}, {"a": Runtimes(100, other)}]
    found = runtime_distribution(problems)
    for count, share in zip(found.evaluations, found.shares["a"], strict=True):
        solved = sum(t <= count for t in times.ravel()) + sum(t <= count for t in other.ravel())
        assert share == pytest.approx(solved / 30)
    assert found.evaluations[-1] == 100


def test_problems_count_the_same_and_budgets_end_lines():
    solved, never = np.ones((4, 2)), np.full((1, 2), np.inf)
    problems = [
        {"a": Runtimes(1000, solved), "b": Runtimes(50, solved), "new": Runtimes(9, solved)},
        {"a": Runtimes(1000, never), "b": Runtimes(1000, never)},
    ]
    found = runtime_distribution(problems, points=30)
    assert set(found.shares["a"].tolist()) == {0.5}
    ended = found.evaluations > 50
    assert np.isnan(found.shares["b"][ended]).all()
    assert (found.shares["b"][~ended] == 0.5).all()
    assert 50 in found.evaluations
    assert found.left_out == ("new",)


def test_log_spaced_numbers():
    counts = log_spaced(1000, 50, [77, 500])
    assert (counts[0], counts[-1]) == (1, 1000)
    assert (np.diff(counts) > 0).all()
    assert {77, 500} <= set(counts.tolist())
    assert (np.diff(np.log10(counts[counts > 20])) < 3 / 49 * 1.2).all()
    assert log_spaced(1, 50).tolist() == [1]


def test_a_distribution_needs_runs():
    with pytest.raises(ValueError, match="at least one run"):
        runtime_distribution([])
