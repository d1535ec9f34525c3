"""Fronts of whole spaces, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from toy_task import ToyTask

from mcu_nas_moo.benchmark.references.whole_space import exhaustive_reference
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.task import Task


class Lost:
    n_choices = (3, 3)
    objectives = ("a", "b")
    constraints = ("c",)

    def evaluate(self, X):
        F = np.full((len(X), 2), np.nan)
        return F, np.ones((len(X), 1)), ["no board is there"] * len(X)


class TooMuch(Lost):
    def evaluate(self, X):
        return X.astype(float), np.ones((len(X), 1))


def test_the_front_is_that_of_brute_force(task, exact):
    reference = exhaustive_reference(task)
    assert reference.kind == "exact"
    np.testing.assert_array_equal(reference.F[np.lexsort(reference.F.T[::-1])], exact.F)
    assert reference.origin["networks"] == 3328


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Task.of_problem(Lost()), "of Lost could be evaluated; the first: no board is there$"),
        (Task.of_problem(TooMuch()), "none of 9 networks of TooMuch meets the limits; relax one$"),
        (ToyTask(limits={"flash_kib": 1.0}), "toy meets the limits of toy-board; relax one$"),
    ],
)
def test_a_front_of_nothing_says_why(task, message):
    with pytest.raises(InputError, match=message):
        exhaustive_reference(task)
