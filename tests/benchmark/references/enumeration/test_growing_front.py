from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas_moo.benchmark.references.enumeration.growing_front import Front


def points(n_obj):
    value = st.integers(0, 6).map(float)
    return st.lists(st.tuples(*[value] * n_obj), max_size=25).map(
        lambda rows: np.array(rows).reshape(-1, n_obj)
    )


def non_dominated(F):
    F = np.unique(F, axis=0)
    return F[[not ((F <= f).all(axis=1) & (F < f).any(axis=1)).any() for f in F]]


def numbered(F):
    return np.arange(len(F), dtype=np.int64)[:, None]


@given(st.integers(2, 4).flatmap(points))
def test_holds_each_non_dominated_point_once_with_its_smallest_genotype(F):
    front = Front(numbered(F), F)
    assert np.array_equal(front.F, non_dominated(F))
    for x, f in zip(front.X, front.F, strict=True):
        assert x[0] == np.flatnonzero((F == f).all(axis=1))[0]


@given(st.integers(2, 4).flatmap(lambda n: st.tuples(points(n), points(n))))
def test_joining_does_not_depend_on_the_order(both):
    one, two = both
    X = numbered(np.concatenate(both))
    first = Front(X[: len(one)], one).joined(X[len(one) :], two)
    second = Front(X[len(one) :], two).joined(X[: len(one)], one)
    assert np.array_equal(first.F, second.F)
    assert np.array_equal(first.X, second.X)


@given(st.integers(2, 4).flatmap(lambda n: st.tuples(points(n), points(n))))
def test_no_point_that_belongs_to_the_front_is_left_out(both):
    known, new = both
    front = Front(numbered(known), known)
    if not len(new):
        return
    kept = front.may_grow_by(new[:, 0], list(new[:, 1:].T))
    belongs = np.array([(non_dominated(np.vstack([known, f])) == f).all(axis=1).any() for f in new])
    assert not (belongs & ~kept).any()


def test_the_table_leaves_out_what_is_clearly_dominated():
    F = np.array([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]])
    kept = Front(numbered(F), F).may_grow_by(
        np.array([0.5, 0.0, 1.5, 3.0, 9.0]), [np.array([3.0, 9.0, 1.0, -1.0, 0.0])]
    )
    assert kept.tolist() == [False, True, False, True, False]


@given(points(3))
def test_projection_is_the_front_of_fewer_objectives(F):
    if len(F):
        projected = Front(numbered(F), F).projected([0, 2])
        assert np.array_equal(projected.F, non_dominated(F[:, [0, 2]]))
