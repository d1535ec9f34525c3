from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas_moo.optimisers.ppo.variation import neighbours


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 40), st.integers(0, 10**6)
)
def test_neighbours_differ_in_one_gene_and_are_all_there_are(n_choices, at_most, seed):
    n_choices, rng = np.array(n_choices), np.random.default_rng(seed)
    x = rng.integers(n_choices)
    X = neighbours(x, n_choices, at_most, rng)
    total = (n_choices - 1).sum()
    assert X.shape == (min(at_most, total), len(n_choices))
    assert ((X >= 0) & (X < n_choices)).all()
    assert ((X != x).sum(axis=1) == 1).all()
    assert len(np.unique(X, axis=0)) == len(X)


def test_every_neighbour_is_as_likely():
    rng = np.random.default_rng(0)
    n_choices = np.array([2, 4, 3])
    drawn = [tuple(neighbours(np.array([1, 0, 2]), n_choices, 1, rng)[0]) for _ in range(3000)]
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 6
    assert (np.abs(counts - 500) < 100).all()
