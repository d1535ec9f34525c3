import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas_moo.common.genotypes import cross, mutate, random_genotypes, row_keys

spaces = st.lists(st.integers(1, 6), min_size=1, max_size=8).map(np.array)


@settings(deadline=None)
@given(n_choices=spaces, seed=st.integers(0, 1000), rate=st.sampled_from([None, 0.3, 1.0]))
def test_mutants_stay_in_the_space(n_choices, seed, rate):
    rng = np.random.default_rng(seed)
    X = random_genotypes(20, n_choices, rng)
    before = X.copy()
    mutants = mutate(X, n_choices, rng, rate)
    assert mutants.dtype == np.int64
    assert ((mutants >= 0) & (mutants < n_choices)).all()
    np.testing.assert_array_equal(X, before)
    if rate == 1.0:
        np.testing.assert_array_equal(mutants != X, np.broadcast_to(n_choices > 1, X.shape))


def test_one_gene_changes_on_average_whatever_the_genes():
    n_choices = np.array([1, 2, 6, 1, 3])
    rng = np.random.default_rng(0)
    X = random_genotypes(30_000, n_choices, rng)
    assert (mutate(X, n_choices, rng) != X).sum(axis=1).mean() == pytest.approx(1, abs=0.02)


def test_distribution_of_the_new_option():
    # From option 1 of 5: half a step (to 0 or 2), half uniform over 0, 2, 3 and 4.
    X = np.ones((40_000, 1), dtype=np.int64)
    mutants = mutate(X, np.array([5]), np.random.default_rng(0), rate=1.0)
    share = np.bincount(mutants[:, 0], minlength=5) / len(X)
    np.testing.assert_allclose(share, [0.375, 0, 0.375, 0.125, 0.125], atol=0.01)
    # At the border the only step is inwards.
    mutants = mutate(0 * X, np.array([5]), np.random.default_rng(0), rate=1.0)
    share = np.bincount(mutants[:, 0], minlength=5) / len(X)
    np.testing.assert_allclose(share, [0, 0.625, 0.125, 0.125, 0.125], atol=0.01)


def test_children_take_each_gene_from_either_parent():
    first, second = np.zeros((20_000, 3), dtype=np.int64), np.full((20_000, 3), 2)
    children = cross(first, second, np.random.default_rng(0))
    assert set(np.unique(children)) == {0, 2}
    np.testing.assert_allclose(children.mean(axis=0), 1.0, atol=0.03)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 300), min_size=3, max_size=3), min_size=1, max_size=8))
def test_keys_are_equal_exactly_when_rows_are(rows):
    keys = row_keys(np.array(rows))
    assert [a == b for a in keys for b in keys] == [a == b for a in rows for b in rows]
    # Neither memory order nor the width of the integers matters.
    assert row_keys(np.asfortranarray(np.array(rows, dtype=np.int32))) == keys
