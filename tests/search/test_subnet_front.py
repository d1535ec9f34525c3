from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_subnets import made_up

from mcu_nas_moo.search.front import front_of, knee, on_front, sorted_by

#: Whole numbers in a small range, so that ties and repeats are common; some exceed a limit.
FIGURES = st.integers(1, 12)
ROWS = st.lists(st.tuples(FIGURES, FIGURES, FIGURES), min_size=1, max_size=40)


def drawn(rows, objectives=("error", "latency")):
    error, latency, sram = np.array(rows, dtype=float).T
    return made_up(objectives, error=error / 20, latency_ms=latency, sram_kib=5 * sram)


def undominated(rows, keys):
    """Rows that no other one dominates in ``keys``, each against each."""
    points = [tuple(row[key] for key in keys) for row in rows]
    return [
        not any(
            all(a <= b for a, b in zip(other, own, strict=True)) and other != own
            for other in points
        )
        for own in points
    ]


@given(ROWS, st.sampled_from([("error", "latency"), ("error", "latency", "sram")]))
def test_the_front_is_that_of_all_pairs(rows, objectives):
    allowed = [n for n, (_, latency, sram) in enumerate(rows) if latency <= 10 and sram <= 10]
    keys = range(len(objectives))
    truth = np.zeros(len(rows), dtype=bool)
    truth[allowed] = undominated([rows[n] for n in allowed], keys)
    assert on_front(drawn(rows, objectives)).tolist() == truth.tolist()


@given(ROWS, st.integers(1, 10))
def test_a_further_limit_holds_before_the_front_is_taken(rows, sram):
    subnets = drawn(rows)
    allowed = [n for n, row in enumerate(rows) if row[1] <= 10 and row[2] <= sram]
    if not allowed:
        with pytest.raises(ValueError, match="feasible"):
            front_of(subnets, {"sram_kib": 5.0 * sram})
        return
    kept = undominated([rows[n] for n in allowed], (0, 1))
    truth = {f"a{n + 1}" for n, keep in zip(allowed, kept, strict=True) if keep}
    front = front_of(subnets, {"sram_kib": 5.0 * sram})
    assert set(front.names) == truth
    assert (np.diff(front.metrics["latency_ms"]) >= 0).all()


def test_knee_is_nearest_to_the_ideal_point():
    # Squared distances by hand: 1, 0.01 + 0.36, 0.09 + 0.16, 0.64 + 0.01, 1.
    latency = np.array([0.0, 0.1, 0.3, 0.8, 1.0]) * 8 + 1
    error = np.array([1.0, 0.6, 0.4, 0.1, 0.0]) * 0.2 + 0.1
    front = front_of(made_up(error=error, latency_ms=latency))
    assert front.names[knee(front)] == "a3"
    # The same front in other units and another order has the same knee.
    order = [4, 2, 0, 3, 1]
    other = made_up(error=error[order] * 3, latency_ms=latency[order] / 100)
    assert knee(other) == 1


def test_knee_of_costs_that_rise_together_is_no_end():
    # The first is best in three of four objectives: its sum of scaled objectives, 1, is least.
    front = made_up(
        ("error", "latency", "sram", "flash"),
        error=[0.3, 0.2, 0.1],
        latency_ms=[1, 4, 9],
        sram_kib=[10, 22, 40],
        flash_kib=[20, 35, 60],
    )
    assert knee(front) == 1


def test_knee_of_a_single_subnet_and_of_equal_ones():
    assert knee(made_up(error=[0.2], latency_ms=[3])) == 0
    assert knee(made_up(error=[0.2, 0.2], latency_ms=[3, 3])) == 0


def test_best_and_order_by_any_figure():
    front = made_up(error=[0.3, 0.1, 0.2], latency_ms=[1, 3, 2], sram_kib=[9, 9, 4])
    assert sorted_by(front, "error")[0] == 1
    assert sorted_by(front, "sram")[0] == 2
    assert sorted_by(front, "latency") == [0, 2, 1]
    with pytest.raises(ValueError, match="did you mean 'latency'"):
        sorted_by(front, "latncy")


def test_without_a_feasible_subnet_the_nearest_is_named():
    subnets = made_up(
        error=[0.1, 0.2, 0.3], latency_ms=[10.5, 30, 12], sram_kib=[60, 40, 55], flash_kib=[9, 9, 9]
    )
    # Sums of relative excess: 0.05 + 0.2, 2.0, 0.2 + 0.1.
    expected = "none of 3 subnets is feasible: the nearest one, a1, exceeds SRAM by 20.0 % "
    with pytest.raises(ValueError, match=re.escape(expected + "(60 KiB of 50 KiB) and latency by")):
        front_of(subnets)


def test_a_limit_that_nothing_meets_names_the_least():
    subnets = made_up(error=[0.1, 0.2], latency_ms=[9, 4])
    with pytest.raises(ValueError, match=r"error of at most 5 %; the least is 10 %"):
        front_of(subnets, {"error": 0.05})
    with pytest.raises(ValueError, match=r"each is 10 % and 4 ms"):
        front_of(subnets, {"error": 0.15, "latency_ms": 5})
