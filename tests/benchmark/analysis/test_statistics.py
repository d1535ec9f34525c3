from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, bootstrap, mannwhitneyu

from mcu_nas_moo.benchmark.analysis.statistics import (
    AHEAD,
    BEHIND,
    NOT_SHOWN,
    caution,
    compare_pairs,
    holm,
    mann_whitneys,
    median,
    median_difference_interval,
    percentile_interval,
    quartiles,
    resampled_medians,
    verdict,
)


def mann_whitney(first, second):
    (test,) = mann_whitneys([(first, second)])
    return test


SAMPLE = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


def test_quartiles_by_hand():
    assert quartiles([5.0, 1.0, 3.0, 2.0, 4.0]) == (2.0, 3.0, 4.0)
    assert quartiles([1.0, 2.0]) == (1.25, 1.5, 1.75)


@given(SAMPLE, SAMPLE)
def test_a12_counts_pairs(first, second):
    wins = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    assert mann_whitney(first, second).a12 == pytest.approx(wins / len(first) / len(second))


@pytest.mark.parametrize("seed", range(5))
def test_mann_whitney_p_is_that_of_all_permutations(seed):
    rng = np.random.default_rng(seed)
    values = rng.permutation(11) + 0.5
    first, second = values[:5], values[5:]

    def distance(chosen):
        others = [value for value in values if value not in chosen]
        return abs(sum(a > b for a in chosen for b in others) - 15)

    everything = [distance(chosen) for chosen in combinations(values, 5)]
    expected = np.mean(np.array(everything) >= distance(tuple(first)))
    assert mann_whitney(first, second).p == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(1, 25), st.integers(1, 40))
def test_mann_whitney_is_that_of_scipy(seed, n, m, values):
    rng = np.random.default_rng(seed)
    # Few different values give ties; many, none.
    first, second = rng.integers(0, values**2, n) / 7, rng.integers(0, values**2, m) / 7
    expected = mannwhitneyu(first, second)
    found = mann_whitney(first, second)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert found.a12 == pytest.approx(expected.statistic / n / m, rel=1e-12)


def test_mann_whitney_is_the_same_from_both_sides():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.4, 1, 21), rng.normal(0, 1, 21)
    one, two = mann_whitney(first, second), mann_whitney(second, first)
    assert one.p == pytest.approx(two.p)
    assert one.a12 == pytest.approx(1 - two.a12)


def test_samples_without_any_difference():
    assert mann_whitney([1.0] * 21, [1.0] * 21) == (1.0, 0.5)


def test_holm_on_a_worked_example():
    # The example of Wikipedia's article on the method; R's p.adjust gives the same numbers.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.999))
def test_holm_rejects_what_its_definition_rejects(p_values, level):
    rejected = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[index] * (len(p_values) - step) >= level:
            break
        rejected.add(index)
    adjusted = holm(p_values)
    assert {index for index in range(len(p_values)) if adjusted[index] < level} == rejected
    assert (adjusted >= np.array(p_values)).all()


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [float("nan")], [[0.5]]])
def test_holm_refuses_what_is_no_p_value(bad):
    with pytest.raises(ValueError, match="p-values"):
        holm(bad)


def median_interval(values):
    return percentile_interval(resampled_medians(values))


def test_median_interval_is_that_of_the_exact_bootstrap_distribution():
    n = 21
    values = np.random.default_rng(1).permutation(np.arange(n) ** 2.0)
    # A resample's median is at most the k-th smallest value if 11 or more draws are.
    below = binom.sf((n - 1) // 2, n, np.arange(1, n + 1) / n)
    ordered = np.sort(values)
    expected = ordered[np.searchsorted(below, 0.025)], ordered[np.searchsorted(below, 0.975)]
    assert median_interval(values) == expected
    assert median_interval(values) == median_interval(values)


def test_median_interval_of_samples_without_spread():
    assert median_interval([0.3]) == (0.3, 0.3)
    assert median_interval([0.3] * 7) == (0.3, 0.3)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_resampled_medians_are_distributed_as_those_of_all_resamples(n):
    values = np.array([5.0, 1.0, 2.0, 9.0, 2.0, 30.0])[:n]
    everything = [np.median(resample) for resample in product(values, repeat=n)]
    medians, counts = np.unique(everything, return_counts=True)
    draws = 40_000
    drawn = resampled_medians(values, seed=3, resamples=draws)
    assert np.isin(drawn, medians).all()
    for value, share in zip(medians, counts / len(everything), strict=True):
        # Five standard deviations of the count, and never less than a single draw.
        tolerance = 5 * np.sqrt(draws * share * (1 - share)) + 1
        assert (drawn == value).sum() == pytest.approx(draws * share, abs=tolerance)


@pytest.mark.parametrize("sizes", [(21, 21), (12, 9), (20, 6)])
def test_interval_of_a_difference_agrees_with_scipy(sizes):
    rng = np.random.default_rng(5)
    first, second = rng.normal(1.0, 1.0, sizes[0]), rng.normal(0.0, 2.0, sizes[1])
    expected = bootstrap(
        (first, second),
        lambda one, two, axis: np.median(one, axis=axis) - np.median(two, axis=axis),
        method="percentile",
        n_resamples=20_000,
        rng=rng,
    ).confidence_interval
    low, high = median_difference_interval(first, second, resamples=20_000)
    # Ends of intervals are noisy: the tolerance is a twentieth of the width.
    tolerance = (expected.high - expected.low) / 20
    assert low == pytest.approx(expected.low, abs=tolerance)
    assert high == pytest.approx(expected.high, abs=tolerance)
    again = median_difference_interval(first, second, resamples=20_000)
    assert again == (low, high)


def test_interval_of_a_difference_resamples_each_sample_by_itself():
    # Resampled alike, equal samples would never differ.
    low, high = median_difference_interval(np.arange(9.0), np.arange(9.0))
    assert low < 0 < high
    assert median_difference_interval([0.5], [0.2]) == (pytest.approx(0.3), pytest.approx(0.3))


@pytest.mark.parametrize("bad", [[], [np.nan], [np.inf, 1.0], [[1.0]]])
def test_samples_must_be_lists_of_finite_numbers(bad):
    for call in (quartiles, median_interval, lambda v: mann_whitney(v, [1.0])):
        with pytest.raises(ValueError, match="sample"):
            call(bad)


def test_verdicts():
    assert verdict(0.049, 0.2) == AHEAD
    assert verdict(0.049, -0.2) == BEHIND
    assert verdict(0.05, 0.5) == NOT_SHOWN
    assert verdict(0.0, 0.0) == NOT_SHOWN


def test_all_pairs_of_all_cases_are_one_family():
    high, low = [10.0 + i for i in range(8)], [float(i) for i in range(8)]
    samples = {"easy": {"a": high, "b": low, "c": low}, "hard": {"a": low, "c": high}}
    pairs = compare_pairs(samples)
    assert [(pair.case, pair.first, pair.second) for pair in pairs] == [
        ("easy", "a", "b"),
        ("easy", "a", "c"),
        ("easy", "b", "c"),
        ("hard", "a", "c"),
    ]
    assert [pair.verdict for pair in pairs] == [AHEAD, AHEAD, NOT_SHOWN, BEHIND]
    separated = 2 / 12870  # 8 of 16 ranks can be chosen in 12,870 ways; two are as extreme
    assert [pair.p for pair in pairs] == pytest.approx([separated, separated, 1.0, separated])
    assert [pair.p_holm for pair in pairs] == pytest.approx(
        [4 * separated] * 2 + [1, 4 * separated]
    )
    assert pairs[0].difference == 10.0


def test_one_algorithm_alone_has_no_pairs():
    assert compare_pairs({"easy": {"a": [1.0, 2.0]}}) == []


def test_few_seeds_are_called_a_look():
    assert "5 seeds are a look, not a claim; take" in caution(5)
    assert "1 seed is a look, not a claim (tpe: 1 run); take" in caution(1, "tpe: 1 run")
    assert caution(10) is None


def test_medians_beside_infinity_are_not_interpolated():
    assert median([1.0, 4.0, 2.0, np.nan, 3.0]) == 2.5
    assert median([1.0, np.inf]) == np.inf
    assert median([1.0, np.inf, 2.0]) == 2.0
    assert np.isnan(median([np.nan]))
