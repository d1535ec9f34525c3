import importlib.util
import pickle

import moocore
import numpy as np
import pytest

from mcu_nas_moo.optimisers.ppo import PPOOptimiser, PPOSettings
from mcu_nas_moo.optimisers.ppo.search import SurrogateSearch

N_CHOICES = np.full(8, 4)
ALWAYS = {
    "search/elites",
    "search/feasible_share",
    "search/reward",
    "search/gradient_share_of_imitation",
}


def evaluate(X):
    x = X / 3
    F = np.stack([np.square(x - 0.2).sum(axis=1), np.square(x - 0.9).sum(axis=1)], axis=1)
    return F, (x[:, :2].sum(axis=1) - 0.9)[:, None]


def figures(folder):
    """Every figure by its name: steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return {
        name: {event.step: event.value for event in accumulator.Scalars(name)}
        for name in accumulator.Tags()["scalars"]
    }


def run(optimiser, batches, problem=evaluate):
    told = [np.empty((0, len(N_CHOICES)), dtype=np.int64)]
    for _ in range(batches):
        told.append(optimiser.ask())
        optimiser.tell(told[-1], *problem(told[-1]))
    return np.concatenate(told)


def test_records_figures_of_the_search_and_of_the_update(tmp_path):
    pytest.importorskip("tensorboard")
    X = run(PPOOptimiser(N_CHOICES, 2, 1, seed=0, tensorboard=tmp_path), 6)
    shown = figures(tmp_path)
    steps = list(range(32, 193, 32))
    for name in ALWAYS:
        assert list(shown[name]) == steps
    assert {"train/entropy_loss", "train/value_loss", "train/approx_kl"} <= shown.keys()

    F, G = evaluate(X)
    feasible = (G <= 0).all(axis=1)
    for step in steps:
        assert shown["search/feasible_share"][step] == pytest.approx(feasible[:step].mean())
    # By the hypervolume of all feasible points, from the worst of the first batch with one.
    first = next(step for step in steps if feasible[:step].any())
    for step in steps[steps.index(first) :]:
        expected = moocore.hypervolume(F[:step][feasible[:step]], ref=F[:first].max(axis=0))
        assert shown["search/hypervolume"][step] == pytest.approx(expected, rel=1e-5)
    # 5 steps imitate; PPO takes 3 epochs, on 32 samples in 1 part or on 288 of them in 2.
    ppo_steps = 6 if 32 in shown["search/surrogate_fit"] else 3
    share = shown["search/gradient_share_of_imitation"][32]
    assert share == pytest.approx(5 / (5 + ppo_steps))
    assert 0.5 < shown["search/surrogate_fit"][192] <= 1
    shares = shown["search/policy_share_of_proposals"]
    assert all(0 <= share <= 1 for share in shares.values())
    # The first search follows the first surrogate, fitted at the first update.
    assert min(shares) == min(shown["search/surrogate_fit"]) + 32


def test_leaves_out_what_there_is_not(tmp_path):
    pytest.importorskip("tensorboard")

    def infeasible(X):
        return evaluate(X)[0], np.ones((len(X), 1))

    settings = PPOSettings(surrogate_points=0)
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, 0, settings, tensorboard=str(tmp_path))
    run(optimiser, 2, infeasible)
    shown = figures(tmp_path)
    assert {name for name in shown if name.startswith("search/")} == ALWAYS
    assert set(shown["search/feasible_share"].values()) == {0.0}


def test_policy_share_is_that_of_the_last_batch(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0, tensorboard=tmp_path)
    best, shares = SurrogateSearch.best, {}

    def watched(search, count):
        X, sampled = best(search, count)
        shares[optimiser._told + 32] = sampled.mean()
        return X, sampled

    monkeypatch.setattr(SurrogateSearch, "best", watched)
    run(optimiser, 6)
    shown = figures(tmp_path)["search/policy_share_of_proposals"]
    assert shown == pytest.approx(shares)
    assert len(set(shown.values())) > 1


def test_recording_changes_no_proposal(tmp_path):
    pytest.importorskip("tensorboard")
    recorded = run(PPOOptimiser(N_CHOICES, 2, 1, seed=0, tensorboard=tmp_path), 4)
    np.testing.assert_array_equal(recorded, run(PPOOptimiser(N_CHOICES, 2, 1, seed=0), 4))


def test_a_copy_goes_on_in_the_same_folder(tmp_path):
    pytest.importorskip("tensorboard")
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0, tensorboard=tmp_path)
    run(optimiser, 3)
    other = pickle.loads(pickle.dumps(optimiser))
    rest = run(other, 2)
    # Two files of the same second are read in any order.
    assert sorted(figures(tmp_path)["search/elites"]) == [32, 64, 96, 128, 160]
    np.testing.assert_array_equal(rest, run(optimiser, 2))


def test_says_what_to_install(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "mcu_nas_moo.optimisers.ppo.agent.find_spec",
        lambda name: None if name == "tensorboard" else found(name),
    )
    with pytest.raises(ValueError, match="pip install tensorboard"):
        PPOOptimiser(N_CHOICES, 2, 1, tensorboard=tmp_path)
    PPOOptimiser(N_CHOICES, 2, 1)
