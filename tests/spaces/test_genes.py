"""Genotypes of a small space, checked by enumerating it."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas_moo.spaces import Gene, SearchSpace, Subnet


class Chain(SearchSpace):
    """Gene ``b`` matters only where ``a`` is 2."""

    def __init__(self):
        super().__init__("chain", (Gene("a", (1, 2)), Gene("b", (3, 5, 7)), Gene("c", (8, 16))))

    def active(self, X):
        mask = super().active(X)
        mask[:, 1] = self.check(X)[:, 0] == 1
        return mask


@pytest.fixture
def chain():
    return Chain()


def everything(space):
    return np.array(list(product(*(range(k) for k in space.n_choices))))


def test_counts(chain):
    assert chain.n_genes == 3
    assert chain.n_genotypes == len(everything(chain)) == 12


def test_canonical_forms_are_equal_exactly_for_equal_networks(chain):
    X = everything(chain)
    readable = [str(subnet) for subnet in chain.decode(X)]
    canonical = [tuple(row) for row in chain.canonical(X)]
    for i, j in product(range(len(X)), repeat=2):
        assert (readable[i] == readable[j]) == (canonical[i] == canonical[j])
    assert len(set(canonical)) == 8


def test_encode_reads_what_decode_writes(chain):
    X = chain.canonical(everything(chain))
    again = np.concatenate([chain.encode(subnet) for subnet in chain.decode(X)])
    np.testing.assert_array_equal(again, X)
    np.testing.assert_array_equal(chain.encode(chain.decode(X)[5].to_dict()), X[5:6])


def test_neighbours_are_the_networks_one_gene_away(chain):
    X = everything(chain)
    for x in X:
        one_away = X[(X != x).sum(axis=1) == 1]
        expected = {tuple(row) for row in chain.canonical(one_away)}
        expected -= {tuple(chain.canonical(x[None])[0])}
        found = [tuple(row) for row in chain.neighbours(x)]
        assert len(found) == len(set(found))
        assert set(found) == expected


def test_samples_are_uniform_and_repeat_with_the_seed(chain):
    X = chain.sample(12_000, np.random.default_rng(1))
    counts = np.unique(X, axis=0, return_counts=True)[1]
    assert len(counts) == 12
    assert abs(counts - 1000).max() < 150  # 4.9 standard deviations
    np.testing.assert_array_equal(X, chain.sample(12_000, np.random.default_rng(1)))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(3, dtype=int), r"shape \(N, 3\)"),
        (np.zeros((2, 4), dtype=int), r"shape \(N, 3\)"),
        (np.zeros((2, 3)), "must hold integers"),
        ([[0, 3, 0]], r"X\[0, 1\] = 3 is outside \[0, 3\) of gene 'b'"),
        ([[0, 0, 0], [0, 0, -1]], r"X\[1, 2\] = -1 is outside"),
    ],
)
def test_check_names_the_expectation(chain, X, message):
    with pytest.raises(ValueError, match=message):
        chain.check(X)


@pytest.mark.parametrize(
    ("subnet", "message"),
    [
        (Subnet("other", {"a": 1}), "belongs to space 'other'"),
        ({"a": 1, "c": 9}, r"c = 9 is not one of \(8, 16\)"),
        ({"a": 2, "c": 8}, r"lacks the active genes \['b'\]"),
        ({"a": 1, "c": 8, "d": 1}, "unknown gene 'd'"),
    ],
)
def test_encode_refuses(chain, subnet, message):
    with pytest.raises(ValueError, match=message):
        chain.encode(subnet)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=6))
def test_gene_wants_increasing_options(options):
    if options == sorted(set(options)):
        assert Gene("g", tuple(options)).options == tuple(options)
    else:
        with pytest.raises(ValueError, match="must increase"):
            Gene("g", tuple(options))


def test_space_refuses_a_gene_named_twice():
    with pytest.raises(ValueError, match="names a gene twice"):
        SearchSpace("s", (Gene("a", (1,)), Gene("a", (2,))))
