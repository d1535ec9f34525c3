"""Ranges of the objectives of a search without a known front."""

import numpy as np

from mcu_nas_moo import Task
from mcu_nas_moo.search.streams import FEW, SAMPLE, objective_ranges


class Counted:
    """An error of a gene, and how many networks it was asked about."""

    metrics = ("error",)

    def __init__(self, cost):
        self.cost = cost
        self.asked = 0

    @property
    def fingerprint(self):
        return f"counted {self.cost}"

    def evaluate(self, space, X):
        self.asked += len(X)
        return {"error": (1 + X[:, 0]) / 10}


def ranges(cost, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    counted = Counted(cost)
    task = Task("mbconv-stage", "cortex-m4", evaluators=[counted])
    return task, counted, objective_ranges(task)


def test_few_slow_evaluations_set_the_ranges(monkeypatch, tmp_path):
    task, counted, (ideal, nadir) = ranges("seconds", monkeypatch, tmp_path)
    assert 2 <= counted.asked <= FEW
    assert (ideal < nadir).all()
    assert nadir[1] <= task.limits["latency_ms"]


def test_quick_ones_many(monkeypatch, tmp_path):
    _, counted, (ideal, nadir) = ranges("microseconds", monkeypatch, tmp_path)
    assert counted.asked >= SAMPLE
    np.testing.assert_allclose([ideal[0], nadir[0]], [0.1, 0.3])
