"""The shipped profiles make a search problem worth solving, with the shipped predictor."""

import moocore
import numpy as np
import pytest

from mcu_nas_moo import Task, list_profiles
from mcu_nas_moo.benchmark.references.reference import shipped_reference
from mcu_nas_moo.training.supernet.labels import sample_for_labels


@pytest.fixture(params=list_profiles())
def task(request, space):
    return Task(space, request.param)


def test_between_1_and_50_percent_of_random_subnets_are_feasible(task):
    X = task.space.sample(5000, np.random.default_rng(0))
    share = (task.evaluate(X).G <= 0).all(axis=1).mean()
    assert 0.01 <= share <= 0.5


def test_each_limit_cuts_off_part_of_the_unconstrained_front(task):
    """The front of a sample that reaches from the smallest to the largest networks."""
    X = sample_for_labels(task.space, 20_000).X
    F, G = task.evaluate(X)
    front = moocore.is_nondominated(F)
    assert front.sum() > 20
    cut = (G[front] > 0).mean(axis=0)
    assert (cut > 0).all()
    assert (cut < 1).all()


def test_the_shipped_reference_front_is_that_of_the_task(task):
    reference = shipped_reference(task)
    assert reference is not None, "remake it: python benchmarks/make_references.py"
    F, G = task.evaluate(reference.X)
    np.testing.assert_allclose(F, reference.F)
    assert (G <= 0).all()
    assert moocore.is_nondominated(F).all()
