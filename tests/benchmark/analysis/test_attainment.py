from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_task import NO_PROBLEM

from mcu_nas_moo.benchmark.analysis.attainment import attainment_surface, box_corner
from mcu_nas_moo.benchmark.references.reference import Reference
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import History

FRONT = np.array([[0.0, 10.0], [5.0, 0.0]])
REFERENCE = Reference(NO_PROBLEM, np.zeros((2, 1), dtype=np.int64), FRONT)


def trajectory(F, feasible=True):
    n = len(F)
    G = np.full((n, 1), -1.0 if feasible else 1.0)
    facts = {"budget": n}
    made = History("a", 0, np.arange(n)[:, None], F, G, np.zeros(n), 0.0, 0.0, facts)
    return Trajectory.of(made, lambda X: X)


def random_runs(rng, count, empty):
    # Multiples of a half: points between them are not on any edge.
    runs = [trajectory(rng.integers(0, 16, (rng.integers(1, 9), 2)) / 2) for _ in range(count)]
    return [*runs, *(trajectory(np.zeros((3, 2)), feasible=False) for _ in range(empty))]


def attaining(runs, point, evaluations):
    return sum(any((f <= point).all() for f in run.archive(evaluations)) for run in runs)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 3), st.integers(1, 9))
def test_surfaces_divide_what_so_many_runs_attain(seed, count, empty, evaluations):
    rng = np.random.default_rng(seed)
    runs = random_runs(rng, count, empty)
    levels = (10, 25, 50, 75, 100)
    surfaces = {level: attainment_surface(runs, evaluations, level) for level in levels}
    for point in rng.integers(0, 20, (40, 2)) / 2 + 0.25:
        attained = attaining(runs, point, evaluations)
        for level in levels:
            assert (surfaces[level] <= point).all(axis=1).any() == (
                attained * 100 >= level * len(runs)
            )
    for surface in surfaces.values():
        assert (np.diff(surface[:, 0]) > 0).all()
        assert (np.diff(surface[:, 1]) < 0).all()


def test_the_box_ends_at_the_reference_point():
    assert box_corner(REFERENCE).tolist() == pytest.approx([5.5, 11.0])


def test_the_box_of_a_single_point_is_the_one_of_the_hypervolume():
    one = Reference(NO_PROBLEM, np.zeros((1, 1), dtype=np.int64), np.array([[2.0, 4.0]]))
    assert one.normalise(box_corner(one)) == pytest.approx(one.reference_point)


def test_what_cannot_be_told():
    with pytest.raises(ValueError, match="at least one run"):
        attainment_surface([], 10)
    with pytest.raises(ValueError, match="two objectives, not 3"):
        attainment_surface([trajectory(np.zeros((2, 3)))], 10)
    nothing = [trajectory(np.zeros((3, 2)), feasible=False)]
    assert attainment_surface(nothing, 3).shape == (0, 2)
