"""What the optimisers of benchmarks/ablation_variants.py do otherwise than the usual one."""

from __future__ import annotations

import importlib
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from mcu_nas_moo.optimisers.ppo import PPOOptimiser
from mcu_nas_moo.optimisers.ppo.settings import PPOSettings

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
variants = importlib.import_module("ablation_variants")
optimiser_module = importlib.import_module("mcu_nas_moo.optimisers.ppo.optimiser")
command = importlib.import_module("ablation")

CHOICES = np.array([3, 2, 4])
ALL = np.array(list(product(*map(range, CHOICES))))


def evaluate(X):
    """Two objectives that conflict, and a limit on the sum of the genes."""
    size = X.sum(axis=1)
    F = np.stack([1.0 - X[:, 0] / 3 - X[:, 2] / 9, size + 0.1 * X[:, 1]], axis=1)
    return F, size[:, None] / 4 - 1


def told(optimiser, batches):
    for _ in range(batches):
        X = optimiser.ask()
        optimiser.tell(X, *evaluate(X))
    return optimiser


def made(kind, **changes):
    return kind(CHOICES, 2, 1, 0, PPOSettings(batch_size=4, minibatch_size=8, **changes))


@pytest.mark.parametrize("name", list(command.VARIANTS))
def test_every_row_optimises(name):
    row = command.VARIANTS[name]
    optimiser = row.optimiser([4] * 6, 2, 1, 0, row.settings)
    for _ in range(4):
        X = optimiser.ask()
        assert X.shape == (row.settings.batch_size, 6)
        optimiser.tell(X, *evaluate(X))


def weights_of(optimiser):
    return torch.cat([weight.flatten() for weight in optimiser._agent._model.policy.parameters()])


def test_without_updates_and_imitation_the_policy_stays_as_it_began():
    changes = command.VARIANTS["without trained policy"].changes
    before = made(variants.WithoutEarnings, **changes)
    after = told(made(variants.WithoutEarnings, **changes), 4)
    assert torch.equal(weights_of(before), weights_of(after))
    after = told(made(PPOOptimiser, **changes), 4)
    assert not torch.equal(weights_of(before), weights_of(after))


def refuse(*_):
    raise AssertionError


def test_a_policy_alone_has_neither_offspring_nor_neighbours(monkeypatch):
    for place in ("optimiser.offspring", "search.offspring", "optimiser.neighbours"):
        monkeypatch.setattr(f"mcu_nas_moo.optimisers.ppo.{place}", refuse)
    changes = command.VARIANTS["policy proposes alone"].changes
    told(made(variants.PolicyAlone, **changes), 4)
    with pytest.raises(AssertionError):
        told(made(PPOOptimiser, **changes), 6)


def guided(kind):
    """One that trusts its surrogate, in a space of which it knows little."""
    settings = PPOSettings(surrogate_fit=0.0)
    return told(kind([4] * 10, 2, 1, 0, settings), 3)


@pytest.mark.parametrize(
    ("kind", "judged", "proposed"),
    [
        (PPOOptimiser, True, True),
        (variants.WithoutProposedNeighbours, True, False),
        (variants.WithoutNeighbours, False, False),
    ],
)
def test_what_becomes_of_neighbours(monkeypatch, kind, judged, proposed):
    optimiser = guided(kind)
    assert optimiser._surrogate is not None
    around, offered = [], []
    usual = optimiser_module.neighbours
    monkeypatch.setattr(
        optimiser_module, "neighbours", lambda *own: around.append(own) or usual(*own)
    )
    explore = optimiser._explore
    monkeypatch.setattr(
        optimiser,
        "_explore",
        lambda n, proposals: (
            (before := len(proposals), explore(n, proposals))
            and offered.append(len(proposals) - before)
        ),
    )
    optimiser.ask()
    assert (len(around) > 0) == judged
    assert (sum(offered) > 0) == proposed


def test_repeats_are_proposed():
    usual, repeating = (
        told(made(kind), 6)._memory.rows.X for kind in (PPOOptimiser, variants.WithRepeats)
    )
    assert len(usual) == len(ALL)
    assert len(repeating) < len(ALL)
    optimiser = told(made(variants.WithRepeats), 10)
    assert len(optimiser.ask()) == 4
