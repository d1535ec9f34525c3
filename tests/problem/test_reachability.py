"""Limits that are checked beforehand although an evaluation takes seconds."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo import FunctionEvaluator, InputError
from mcu_nas_moo.benchmark.references.whole_space import FEW, sampled_reference
from mcu_nas_moo.problem.reachability import check_limits
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.testing import ToySpace, toy_figures

ASKED = []


class Slow:
    """An accuracy that takes seconds; notes which networks it was asked about."""

    metrics = ("accuracy",)
    cost = "seconds"
    fingerprint = "slow"

    def evaluate(self, space, X):
        ASKED.extend(map(tuple, X.tolist()))
        return {"accuracy": toy_figures(space, X)["accuracy"]}


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ASKED.clear()


def task(**limits):
    costs = FunctionEvaluator(toy_figures, ["latency_ms", "flash_kib"])
    return Task(ToySpace(), None, evaluators=[Slow(), costs], limits=limits)


def test_costs_alone_tell_that_nothing_meets_the_limits():
    with pytest.raises(InputError, match=r"Flash ≤ 10 KiB \(smallest 13.5 KiB\)"):
        check_limits(task(flash_kib=10.0))
    check_limits(task(flash_kib=20.0))
    assert ASKED == []


def test_limits_on_what_takes_seconds_are_not_checked():
    check_limits(task(accuracy=0.9999))
    check_limits(task(accuracy=0.9999, flash_kib=1.0))
    assert ASKED == []


def test_the_reference_is_of_networks_that_meet_the_limits():
    tight = task(flash_kib=20.0)
    everything = toy_figures(tight.space, _everything(tight.space))
    assert (everything["flash_kib"] <= 20).mean() < 1 / FEW  # 32 random ones miss them as a rule
    reference = sampled_reference(tight)
    assert reference.origin["feasible_share"] == 1
    assert 0 < len(set(ASKED)) <= FEW
    assert (tight.metrics(reference.X)["flash_kib"] <= 20).all()
    ASKED.clear()
    assert sampled_reference(task()).origin["networks"] > FEW / 2
    with pytest.raises(InputError, match=r"none of .* networks of toy meets the limits"):
        sampled_reference(task(flash_kib=1.0))


def _everything(space):
    X = np.indices(tuple(space.n_choices)).reshape(space.n_genes, -1).T
    return np.unique(space.canonical(X), axis=0)
