from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare

from mcu_nas_moo.benchmark.analysis.ranks import critical_difference, mean_ranks

# Table 6 of Demšar (2006): AUC of C4.5 without and with tuned m and cf on 14 data sets.
NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
AUC = [
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9751, 0.975),  # ranked second and third there; the third digit is the same
    (0.957, 0.978, 0.946, 0.970),
]
EXAMPLE = {f"data set {n}": dict(zip(NAMES, row, strict=True)) for n, row in enumerate(AUC)}


def test_mean_ranks_of_demsar():
    ranks = mean_ranks(EXAMPLE, 1000)
    assert ranks.algorithms == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    assert [round(rank, 3) for rank in ranks.mean_ranks] == [1.964, 2.0, 2.893, 3.143]
    assert round(ranks.critical_difference, 2) == 1.25
    # At 5 %, Nemenyi's test finds no difference, although Friedman's does.
    assert ranks.cliques == (ranks.algorithms,)
    assert ranks.p_friedman == pytest.approx(friedmanchisquare(*np.array(AUC).T).pvalue)
    assert ranks.p_friedman < 0.05
    assert ranks.notes == ()
    assert ranks.evaluations == 1000
    # chi-square of 9.28 (page 13), which does not correct for ties.
    chi_square = 12 * 14 / (4 * 5) * (np.square(ranks.mean_ranks).sum() - 4 * 5**2 / 4)
    assert round(chi_square, 2) == 9.28


def test_groups_of_demsar_at_ten_percent():
    ranks = mean_ranks(EXAMPLE, 1000, level=0.10)
    assert round(ranks.critical_difference, 2) == 1.12
    assert ranks.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))


@pytest.mark.parametrize(
    ("algorithms", "level", "quantile"),
    [(2, 0.05, 1.960), (3, 0.05, 2.343), (7, 0.05, 2.949), (10, 0.05, 3.164), (10, 0.1, 2.920)],
)
def test_critical_values_of_demsars_table_5a(algorithms, level, quantile):
    problems = 9
    spread = np.sqrt(algorithms * (algorithms + 1) / (6 * problems))
    found = critical_difference(algorithms, problems, level)
    assert found == pytest.approx(quantile * spread, abs=1.1e-3 * spread)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(2, 7))
def test_cliques_are_the_largest_groups_within_the_critical_difference(seed, problems, algorithms):
    values = np.random.default_rng(seed).normal(size=(problems, algorithms)) - np.arange(algorithms)
    names = [f"a{n}" for n in range(algorithms)]
    ranks = mean_ranks(
        {str(n): dict(zip(names, row, strict=True)) for n, row in enumerate(values)}, 1
    )
    groups = set()
    for low in range(algorithms):
        for high in range(low + 1, algorithms):
            near = ranks.mean_ranks[high] - ranks.mean_ranks[low] <= ranks.critical_difference
            groups |= {(low, high)} if near else set()
    largest = {
        (low, high)
        for low, high in groups
        if not any((a <= low and high <= b) and (a, b) != (low, high) for a, b in groups)
    }
    expected = tuple(ranks.algorithms[low : high + 1] for low, high in sorted(largest))
    assert ranks.cliques == expected


def test_many_problems_tell_three_algorithms_apart():
    medians = {f"p{n}": {"good": 3.0, "bad": 1.0, "fair": 2.0} for n in range(40)}
    ranks = mean_ranks(medians, 1)
    assert (ranks.algorithms, ranks.mean_ranks) == (("good", "fair", "bad"), (1.0, 2.0, 3.0))
    assert ranks.cliques == ()


def test_few_problems_are_no_claim():
    one = mean_ranks({"p": {"a": 1.0, "b": 2.0, "c": 0.0}}, 1)
    assert one.notes == ("Ranks over one problem are a look, not a claim.",)
    assert np.isnan(one.p_friedman)
    two = mean_ranks({"p": {"a": 1.0, "b": 2.0, "c": 0.0}, "q": {"a": 3.0, "b": 2.0, "c": 1.0}}, 1)
    assert two.notes[0] == "Ranks over 2 problems are a look, not a claim."
    assert "shows no difference" in two.notes[1]


def test_algorithms_missing_somewhere_are_left_out():
    medians = {
        "p": {"a": 1.0, "new": 9.0, "b": 0.0},
        "q": {"b": 0.0, "a": 1.0},
        "r": {"a": 1.0, "b": 2.0},
    }
    ranks = mean_ranks(medians, 1)
    assert ranks.algorithms == ("a", "b")
    assert ranks.mean_ranks == (pytest.approx(4 / 3), pytest.approx(5 / 3))
    assert ranks.notes == ("Left out, since not judged on all problems: new.",)
    assert np.isnan(ranks.p_friedman)  # is for three algorithms or more


def test_nothing_but_ties():
    ranks = mean_ranks({name: {"a": 1.0, "b": 1.0, "c": 1.0} for name in "pqr"}, 1)
    assert ranks.mean_ranks == (2.0, 2.0, 2.0)
    assert ranks.p_friedman == 1.0
    assert ranks.cliques == (("a", "b", "c"),)


def test_no_algorithm_on_all_problems():
    ranks = mean_ranks({"p": {"a": 1.0}, "q": {"b": 1.0}}, 1)
    assert (ranks.algorithms, ranks.mean_ranks, ranks.cliques) == ((), (), ())
    assert "a, b" in ranks.notes[-1]


def test_ranks_need_a_problem():
    with pytest.raises(ValueError, match="at least one problem"):
        mean_ranks({}, 1)
