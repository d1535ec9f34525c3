from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_task import NO_PROBLEM

from mcu_nas_moo.benchmark.analysis.indicators import hypervolume_curve, hypervolume_ratios_at
from mcu_nas_moo.benchmark.references.reference import Reference


def corner_reference(n_obj):
    front = 1.0 - np.eye(n_obj)
    return Reference(NO_PROBLEM, np.zeros((n_obj, 1), dtype=np.int64), front)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(2, 4),
    st.lists(st.integers(1, 80), min_size=1, max_size=6),
)
def test_ratios_are_those_of_the_curve(seed, n, n_obj, counts):
    rng = np.random.default_rng(seed)
    # Coarse values give ties and repetitions.
    F, G = rng.integers(0, 6, (n, n_obj)) / 4.0, rng.normal(-0.5, 1, (n, 2))
    reference = corner_reference(n_obj)
    curve = hypervolume_curve(F, G, reference)
    expected = [curve[min(count, n) - 1] for count in counts]
    assert hypervolume_ratios_at(F, G, reference, counts) == pytest.approx(expected, rel=1e-12)


def test_nothing_feasible_is_worth_nothing():
    F, G = np.zeros((3, 2)), np.ones((3, 1))
    assert hypervolume_ratios_at(F, G, corner_reference(2), [1, 3]).tolist() == [0.0, 0.0]


def test_no_counts_no_ratios():
    assert hypervolume_ratios_at(
        np.zeros((3, 2)), np.zeros((3, 1)), corner_reference(2), []
    ).shape == (0,)


@pytest.mark.parametrize("count", [0, -1])
def test_counts_begin_at_one(count):
    with pytest.raises(ValueError, match=f"at least 1, got {count}"):
        hypervolume_ratios_at(np.zeros((3, 2)), np.zeros((3, 1)), corner_reference(2), [5, count])
