"""What the optimisers of benchmarks/ablation_variants.py do otherwise than the usual one."""

from __future__ import annotations

import importlib
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from mcu_nas_moo.discrete import row_keys
from mcu_nas_moo.ppo import PPOOptimiser
from mcu_nas_moo.ppo.memory import Memory, Rows
from mcu_nas_moo.ppo.settings import PPOSettings

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
variants = importlib.import_module("ablation_variants")
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


def test_a_policy_alone_has_no_offspring(monkeypatch):
    def breed(*_):
        raise AssertionError

    for module in ("optimiser", "search"):
        monkeypatch.setattr(f"mcu_nas_moo.ppo.{module}.offspring", breed)
    changes = command.VARIANTS["policy proposes alone"].changes
    told(made(variants.WithoutOffspring, **changes), 4)
    with pytest.raises(AssertionError):
        told(made(PPOOptimiser, **changes), 6)


def test_repeats_are_proposed():
    usual, repeating = (
        told(made(kind), 6)._memory.rows.X for kind in (PPOOptimiser, variants.WithRepeats)
    )
    assert len(usual) == len(ALL)
    assert len(repeating) < len(ALL)
    optimiser = told(made(variants.WithRepeats), 10)
    assert len(optimiser.ask()) == 4


def filled(kind, X):
    memory = kind(3, 2, 1, 5)
    memory.add(row_keys(X), Rows(X, *evaluate(X)))
    return memory


def test_points_beyond_one_that_broke_a_limit_are_barred():
    memory = filled(variants.MonotoneMemory, np.array([[2, 0, 3], [0, 0, 1], [0, 1, 1]]))
    barred = [key in memory for key in row_keys(ALL)]
    # Known, or nowhere smaller than (2, 0, 3), which breaks the limit.
    expected = {(2, 0, 3), (0, 0, 1), (0, 1, 1), (2, 1, 3)}
    assert {tuple(x) for x in ALL[barred].tolist()} == expected
    F, G = memory.recall(row_keys(np.array([[2, 1, 3]]))[0])
    assert G == pytest.approx([1 / 4])
    assert evaluate(np.array([[2, 0, 3]]))[0][0] == pytest.approx(F)
    assert memory.recall(row_keys(np.array([[0, 0, 1]]))[0])[1] == pytest.approx([-3 / 4])


def test_masking_proposes_nothing_that_must_break_a_limit():
    optimiser = made(variants.WithMasking)
    for _ in range(6):
        broken = optimiser._memory.rows
        broken = broken.X[(broken.G > 0).any(axis=1)]
        X = optimiser.ask()
        assert not (broken[None] <= X[:, None]).all(axis=2).any()
        optimiser.tell(X, *evaluate(X))
    assert len(optimiser.ask()) == 0


def test_the_first_scale_stays():
    first = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1]])
    memory, usual = (filled(kind, first) for kind in (variants.FirstScale, Memory))
    scale = memory.scale
    for each in (memory, usual):
        each.add(row_keys(ALL), Rows(ALL, *evaluate(ALL)))
    assert memory.scale is scale
    assert usual.scale.ideal[0] < scale.ideal[0]


def test_no_scale_is_kept_before_a_point_is_feasible():
    memory = filled(variants.FirstScale, np.array([[2, 1, 3]]))
    _ = memory.scale
    memory.add(row_keys(ALL), Rows(ALL, *evaluate(ALL)))
    assert memory.scale.ideal == pytest.approx(filled(Memory, ALL).scale.ideal)


def test_a_penalty_may_leave_the_infeasible_ahead():
    weights, F = np.full((2, 2), 0.5), np.array([[0.0, 0.0], [1.0, 1.0]])
    G = np.array([[0.05], [-0.5]])
    scales = [filled(kind, ALL).scale for kind in (Memory, variants.PenaltyMemory)]
    usual, penalised = (scale.reward(F, G, weights) for scale in scales)
    assert usual[0] < 0 < usual[1]
    assert penalised[0] > penalised[1]
    assert penalised[1] == pytest.approx(usual[1])


def test_tchebycheff_reward():
    scale = variants.TchebycheffScale(np.zeros(2), np.array([1.0, 10.0]))
    F, G = np.array([[0.5, 2.0], [-1.0, 0.0], [0.5, 2.0]]), np.array([[0.0], [0.0], [0.25]])
    reward = scale.reward(F, G, np.array([0.4, 0.6]))
    # Distances 0.4 * 0.5 and 0.6 * 0.2, the larger one and a twentieth of the sum.
    assert reward == pytest.approx([1 / (1 + 0.2 + 0.05 * 0.32), 1.0, -0.2])


def sampled_shares(optimiser, weights):
    actions = optimiser._agent.sample(np.tile(weights, (4000, 1))).actions
    return np.stack([(actions == option).mean(axis=0) for option in range(4)])


def test_a_blind_policy_takes_every_preference_for_the_same():
    ends = np.array([[0.9, 0.1], [0.1, 0.9]])
    changes = {"imitation_steps": 200}
    gaps = []
    for kind in (PPOOptimiser, variants.WithoutPreference):
        optimiser = told(made(kind, **changes), 3)
        one, other = (sampled_shares(optimiser, weights) for weights in ends)
        gaps.append(np.abs(one - other).max())
    assert gaps[0] > 0.3
    assert gaps[1] < 0.1


@pytest.fixture
def ordered_genes():
    torch.manual_seed(0)
    genes = variants.GenesInOrder(CHOICES.tolist())
    torch.nn.init.normal_(genes.influence)
    return genes


def test_probabilities_of_genes_in_order(ordered_genes):
    logits = torch.randn(1, 12).expand(len(ALL), 12)
    points = torch.as_tensor(ALL)
    with torch.no_grad():
        shares = ordered_genes.proba_distribution(logits).log_prob(points).exp()
        assert shares.sum() == pytest.approx(1.0, abs=1e-5)
        ordered_genes.proba_distribution(logits[:1].expand(20_000, 12))
        sample = ordered_genes.sample()
        found = (sample[:, None] == points).all(dim=2).float().mean(dim=0)
        assert (found - shares).abs().max() < 0.015
        ordered_genes.log_prob(sample)
        entropy = -(shares * shares.log()).sum()
        assert ordered_genes.entropy().mean() == pytest.approx(float(entropy), abs=0.03)
        # No product of the shares of the single genes.
        single = [(shares[:, None] * (points == option)).sum(dim=0) for option in range(4)]
        product_of = torch.stack([torch.stack(single)[x, range(3)].prod() for x in points])
        assert (shares - product_of).abs().max() > 0.02


def test_untrained_genes_in_order_are_independent():
    logits, points = torch.randn(1, 12).expand(len(ALL), 12), torch.as_tensor(ALL)
    usual = variants.IndependentGenes(CHOICES.tolist()).proba_distribution(logits)
    other = variants.GenesInOrder(CHOICES.tolist()).proba_distribution(logits)
    assert torch.allclose(usual.log_prob(points), other.log_prob(points))
    assert torch.equal(usual.mode(), other.mode())


def test_the_influence_of_earlier_genes_is_trained():
    optimiser = told(made(variants.Autoregressive), 3)
    influence = optimiser._agent._model.policy.influence
    assert influence[:, 0, :, 1].abs().max() > 0
    assert influence[:, 1, :, 0].abs().max() == 0
