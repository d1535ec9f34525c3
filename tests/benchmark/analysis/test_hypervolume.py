from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV

from mcu_nas_moo.benchmark.analysis import hypervolume
from mcu_nas_moo.benchmark.analysis.hypervolume import growing_hypervolume


def test_staircase_by_hand():
    points = np.array([[2.0, 2.0], [1.0, 3.0], [3.0, 3.0], [1.0, 1.0], [4.0, 0.0], [0.5, 0.5]])
    # The corner is (4, 4): 2 x 2; one more column of height 1; nothing; the square of 3; nothing,
    # since on the edge of the box; the square of 3.5.
    expected = [4.0, 5.0, 5.0, 9.0, 9.0, 12.25]
    assert growing_hypervolume(points, np.array([4.0, 4.0])).tolist() == expected


def test_cubes_by_hand():
    points = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    assert growing_hypervolume(points, np.full(3, 2.0)).tolist() == [1.0, 2.0, 2.0, 8.0]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_every_step_counts_the_cells_of_a_grid(seed, n_obj):
    points = np.random.default_rng(seed).integers(0, 5, (20, n_obj))
    cells = np.indices((4,) * n_obj).reshape(n_obj, -1).T
    dominated = (points[:, None] <= cells).all(axis=2)
    counted = [dominated[: step + 1].any(axis=0).sum() for step in range(20)]
    assert growing_hypervolume(points.astype(float), np.full(n_obj, 4.0)).tolist() == counted


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 70), st.integers(2, 4), st.booleans())
def test_every_step_equals_recomputation_from_scratch(seed, n, n_obj, coarse):
    rng = np.random.default_rng(seed)
    # Coarse values give ties and repetitions; some points are outside the box.
    points = rng.integers(0, 7, (n, n_obj)) / 4 if coarse else rng.uniform(0, 1.4, (n, n_obj))
    corner = np.linspace(1.1, 1.3, n_obj)
    grown = growing_hypervolume(points, corner)
    scratch = [moocore.hypervolume(points[: step + 1], ref=corner) for step in range(n)]
    assert grown == pytest.approx(np.array(scratch), abs=1e-12)


@pytest.mark.parametrize("n_obj", [2, 3, 4])
def test_long_runs_agree_with_pymoo(n_obj):
    rng = np.random.default_rng(n_obj)
    n = 12 * hypervolume._BLOCK  # the archive forgets dominated points in between
    # Points approach the front, as in a search.
    points = rng.dirichlet(np.ones(n_obj), n) + np.linspace(0.5, 0.0, n)[:, None]
    corner = np.full(n_obj, 1.2)
    grown = growing_hypervolume(points, corner)
    for step in np.linspace(0, n - 1, 9).astype(int):
        assert grown[step] == pytest.approx(HV(ref_point=corner)(points[: step + 1]), rel=1e-12)


def test_points_outside_the_box_are_worth_nothing():
    points = np.array([[0.0, 2.0], [-1.0, 1.0], [1.0, -5.0]])
    assert growing_hypervolume(points, np.ones(2)).tolist() == [0.0, 0.0, 0.0]
