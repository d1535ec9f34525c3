import copy
import pickle
import subprocess
import sys
from dataclasses import replace
from math import ceil

import moocore
import numpy as np
import pytest
import torch

from mcu_nas_moo.optimisers.ppo import PPOOptimiser, PPOSettings
from mcu_nas_moo.optimisers.ppo.search import SHORTLIST, SurrogateSearch
from mcu_nas_moo.optimisers.ppo.surrogate import Surrogate

N_CHOICES = np.array([4, 3, 5, 4, 3, 5, 4, 3, 5, 4, 3, 5])
REFERENCE = (1.0, 1.0)
MODEL_FREE = PPOSettings(surrogate_points=0)


def evaluate(X):
    """Two conflicting objectives in [0, 1], coupled genes, and a limit on a third quantity."""
    x = X / (N_CHOICES - 1)
    mixed = (x[:, ::2] - 0.7 * x[:, 1::2]) ** 2
    F = np.stack([x.mean(axis=1) ** 2 + mixed.mean(axis=1) / 3, (1 - x).mean(axis=1)], axis=1)
    F[:, 0] += 0.5 * (np.diff(X, axis=1) % 2 != 0).mean(axis=1)
    return F, (x[:, :4].sum(axis=1) / 1.5 - 1)[:, None]


def hypervolume(F, G):
    return moocore.hypervolume(F[(G <= 0).all(axis=1)], ref=REFERENCE)


def run(optimiser, budget, problem=evaluate):
    X = np.empty((0, len(N_CHOICES)), dtype=np.int64)
    while len(X) < budget:
        new = optimiser.ask()[: budget - len(X)]
        optimiser.tell(new, *problem(new))
        X = np.concatenate([X, new])
    return X


def test_learns_far_beyond_random_search():
    budget, gains = 800, []
    for seed in range(3):
        found = hypervolume(*evaluate(run(PPOOptimiser(N_CHOICES, 2, 1, seed), budget)))
        drawn = np.random.default_rng(seed).integers(0, N_CHOICES, size=(10 * budget, 12))
        gains.append(found - hypervolume(*evaluate(drawn)))
    # Random search gets ten times the budget, and still loses with every seed.
    assert min(gains) > 0


def test_the_surrogate_pays():
    for seed in range(3):
        with_it, without = (
            hypervolume(*evaluate(run(PPOOptimiser(N_CHOICES, 2, 1, seed, settings), 400)))
            for settings in (PPOSettings(), MODEL_FREE)
        )
        assert with_it > without


def test_learns_beyond_random_search_without_a_surrogate():
    budget, gains = 800, []
    for seed in range(3):
        found = hypervolume(*evaluate(run(PPOOptimiser(N_CHOICES, 2, 1, seed, MODEL_FREE), budget)))
        drawn = np.random.default_rng(seed).integers(0, N_CHOICES, size=(budget, 12))
        gains.append(found - hypervolume(*evaluate(drawn)))
    assert min(gains) > 0


def test_the_policy_itself_learns():
    # From evaluations alone: neither surrogate nor offspring nor imitation help.
    settings = replace(MODEL_FREE, variation_start=0, variation_end=0, imitation_steps=0)
    X = run(PPOOptimiser(N_CHOICES, 2, 1, 0, settings), 1500)
    _, G = evaluate(X)
    F = evaluate(X)[0].sum(axis=1)
    assert (G[-200:] <= 0).mean() > (G[:200] <= 0).mean() + 0.2
    assert F[-200:].mean() < F[:200].mean() - 2 * F[:200].std() / np.sqrt(200)


def test_the_policy_follows_the_preference():
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, 0)
    run(optimiser, 1500)
    means = []
    for weights in ([0.9, 0.1], [0.1, 0.9]):
        sample = optimiser._agent.sample(np.tile(weights, (300, 1)))
        means.append(evaluate(sample.actions)[0].mean(axis=0))
    assert means[0][0] < means[1][0]
    assert means[1][1] < means[0][1]


def test_single_objective_without_constraints_reaches_the_optimum():
    optimiser = PPOOptimiser(N_CHOICES, 1, seed=0)
    target = N_CHOICES // 2
    best = np.inf
    for _ in range(12):
        X = optimiser.ask()
        F = (X != target).sum(axis=1, keepdims=True)
        optimiser.tell(X, F)
        best = min(best, F.min())
    assert best == 0


def test_finds_the_feasible_region_when_it_is_rare():
    def hard(X):
        # All of the first six genes must be right: 1 point in 3,600 is feasible.
        wrong = (X[:, :6] != N_CHOICES[:6] // 2).sum(axis=1)
        return evaluate(X)[0], (wrong - 0.5)[:, None]

    X = run(PPOOptimiser(N_CHOICES, 2, 1, 0), 700, hard)
    assert (hard(X)[1] <= 0).sum() > 50


def test_same_seed_same_proposals_whatever_the_global_generators():
    np.random.seed(1)  # noqa: NPY002 - the global generator is what is tested
    torch.manual_seed(1)
    first = run(PPOOptimiser(N_CHOICES, 2, 1, seed=7), 300)
    np.random.seed(2)  # noqa: NPY002
    torch.manual_seed(2)
    np.testing.assert_array_equal(run(PPOOptimiser(N_CHOICES, 2, 1, seed=7), 300), first)
    assert not np.array_equal(run(PPOOptimiser(N_CHOICES, 2, 1, seed=8), 300), first)


def test_global_state_is_left_alone():
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    run(PPOOptimiser(N_CHOICES, 2, 1, seed=0), 200)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.get_num_threads() == before[2]


def test_nothing_is_proposed_twice():
    X = run(PPOOptimiser(N_CHOICES, 2, 1, seed=0), 1500)
    assert len(np.unique(X, axis=0)) == len(X)


def test_asking_ahead_gives_different_points():
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0)
    X = np.concatenate([optimiser.ask(40), optimiser.ask(1), optimiser.ask(40)])
    assert len(np.unique(X, axis=0)) == 81


def test_small_space_is_exhausted_without_repeats():
    n_choices = np.array([3, 1, 2, 4])
    optimiser = PPOOptimiser(n_choices, 2, 0, seed=0, settings=PPOSettings(batch_size=7))
    seen = []
    while len(X := optimiser.ask()):
        assert optimiser.exhausted == (len(seen) + len(X) == 24)
        optimiser.tell(X, np.stack([X.sum(axis=1), -X.sum(axis=1)], axis=1))
        seen += X.tolist()
    assert len(seen) == len({tuple(x) for x in seen}) == 24
    assert optimiser.ask(5).shape == (0, 4)


def test_exhausted_counts_what_points_denote():
    optimiser = PPOOptimiser([3, 4], 1, seed=0, canonical=lambda X: X * [1, 0])
    assert sorted(optimiser.ask(50).tolist()) == [[0, 0], [1, 0], [2, 0]]
    assert optimiser.exhausted


def test_released_points_are_proposed_again():
    optimiser = PPOOptimiser([2, 2], 1, seed=0)
    X = optimiser.ask(4)
    optimiser.release(X[:1])
    assert not optimiser.exhausted
    assert optimiser.ask(4).tolist() == X[:1].tolist()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_on_like_the_original(copied):
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0, settings=PPOSettings(batch_size=16))
    run(optimiser, 64)
    assert optimiser._surrogate is not None
    other = copied(optimiser)
    assert (run(optimiser, 64) == run(other, 64)).all()


def test_proposals_are_canonical_and_credit_reaches_the_sample():
    def canonical(X):
        return np.where(np.arange(12) < 8, X, 0)

    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0, canonical=canonical)
    X = optimiser.ask(20)
    assert not X[:, 8:].any()
    # Told in another form of the same points.
    X[:, 8:] = 2
    optimiser.tell(X, *evaluate(X))
    assert len(optimiser._earned) == 20
    assert any(earned.sample.actions[0, 8:].any() for earned in optimiser._earned)


def test_credit_goes_to_samples_of_the_present_policy_only(monkeypatch):
    settings = replace(MODEL_FREE, batch_size=16, variation_start=0, variation_end=0)
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0, settings=settings)
    learnt = []

    def learn(experience, rewards, entropy):
        learnt.append(experience.actions.copy())

    monkeypatch.setattr(optimiser._agent, "learn", learn)
    foreign = np.random.default_rng(0).integers(0, N_CHOICES, size=(6, 12))
    asked = optimiser.ask()
    told = np.concatenate([foreign, asked[4::-1], asked[4::-1]])
    optimiser.tell(told, *evaluate(told))
    # 16 rows came, so the policy learns: from the five that were asked, each of them once.
    (first,) = learnt
    np.testing.assert_array_equal(first, asked[4::-1])

    # The rest of that batch was sampled by the policy before the update.
    optimiser.tell(asked[5:], *evaluate(asked[5:]))
    again = optimiser.ask(5)
    optimiser.tell(again, *evaluate(again))
    np.testing.assert_array_equal(learnt[1], again)


def test_real_evaluations_are_learnt_besides_imagined_ones(monkeypatch):
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0)
    run(optimiser, 192)
    assert optimiser._surrogate is not None
    learnt = []
    monkeypatch.setattr(optimiser._agent, "learn", lambda *args: learnt.append(args))
    asked = optimiser.ask()
    sampled = {key for key, sample in optimiser._pending.items() if sample is not None}
    known = len(optimiser._earned)
    F, G = evaluate(asked)
    optimiser.tell(asked, F, G)
    ((experience, rewards, _),) = learnt
    n_real = len(sampled) + known
    assert len(sampled) < len(asked)
    assert n_real > 0
    assert len(rewards) == optimiser.settings.rollouts + n_real
    # The real ones earn what was told, the imagined ones what the surrogate expects.
    scale = optimiser._memory.scale
    truth = scale.reward(*evaluate(experience.actions), experience.weights)
    np.testing.assert_allclose(rewards[-n_real:], truth[-n_real:])
    imagined, right = rewards[:-n_real], truth[:-n_real]
    assert (imagined != right).all()
    assert np.corrcoef(imagined, right)[0, 1] > 0.8


def test_noise_is_left_to_the_mode_without_a_surrogate():
    noise = np.random.default_rng(0).random((4**6, 2))

    def nothing_to_learn(X):
        F = noise[np.ravel_multi_index(X.T, np.full(6, 4))]
        return F, F[:, :1] - 0.9

    optimiser = PPOOptimiser(np.full(6, 4), 2, 1, seed=0)
    told = []
    for _ in range(15):
        X = optimiser.ask()
        assert optimiser._surrogate is None
        optimiser.tell(X, *nothing_to_learn(X))
        told += X.tolist()
    assert len({tuple(x) for x in told}) == 15 * 32
    for parameter in optimiser._agent._model.policy.parameters():
        assert torch.isfinite(parameter).all()


def test_the_most_promising_are_asked_first(monkeypatch):
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0)
    run(optimiser, 192)
    found, best = [], SurrogateSearch.best

    def watched(search, count):
        found.append(best(search, count))
        return found[-1]

    monkeypatch.setattr(SurrogateSearch, "best", watched)
    F, G = evaluate(optimiser._memory.rows.X)
    for n in (32, 1, 7):
        X = optimiser.ask(n)
        n_searched = ceil(optimiser.settings.surrogate_share * n)
        np.testing.assert_array_equal(X[:n_searched], found[-1][0])
        assert len(X) == n
        if n == 32:
            # The first few add more than the last few.
            gain = [
                hypervolume(
                    *(np.concatenate(pair) for pair in zip((F, G), evaluate(part), strict=True))
                )
                for part in (X[:4], X[-4:])
            ]
            assert gain[0] > gain[1]


def test_what_the_surrogate_does_not_choose_are_mostly_neighbours_of_elites():
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0)
    run(optimiser, 192)
    assert optimiser._surrogate is not None
    elites = optimiser._memory.elites
    elites = elites.X[(elites.G <= 0).all(axis=1)]
    X = optimiser.ask(100)[ceil(100 * optimiser.settings.surrogate_share) :]
    beside = [((elites != x).sum(axis=1) == 1).any() for x in X]
    assert 0.85 <= np.mean(beside) <= 1.0


def test_more_points_than_a_search_chooses_from():
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0)
    run(optimiser, 128)
    assert optimiser._surrogate is not None
    X = optimiser.ask(3 * SHORTLIST)
    assert len(np.unique(X, axis=0)) == 3 * SHORTLIST
    optimiser.tell(X, *evaluate(X))
    assert len(optimiser.ask()) == 32


@pytest.mark.parametrize("ordered", [True, False, [True, False] * 6])
def test_ordered_reaches_the_surrogate(ordered):
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0, ordered=ordered)
    run(optimiser, 128)
    rows = optimiser._memory.rows
    expected = Surrogate(rows, N_CHOICES, np.broadcast_to(ordered, 12))
    np.testing.assert_array_equal(optimiser._surrogate.fit, expected.fit)
    others = Surrogate(rows, N_CHOICES, ~np.broadcast_to(ordered, 12))
    assert (optimiser._surrogate.fit != others.fit).all()


def test_ordered_must_fit_the_genes():
    with pytest.raises(ValueError, match="broadcast"):
        PPOOptimiser([2, 2, 2], 1, ordered=[True, False])


def test_samples_of_known_points_are_learnt_without_an_evaluation(monkeypatch):
    settings = PPOSettings(batch_size=16, variation_start=0, variation_end=0)
    optimiser = PPOOptimiser([2, 2, 2, 2], 1, 0, seed=0, settings=settings)
    known = optimiser.ask()
    optimiser.tell(known, known.sum(axis=1, keepdims=True))
    optimiser.ask(4)
    assert optimiser._earned
    for earned in optimiser._earned:
        assert earned.F == earned.sample.actions.sum()


def test_learns_without_having_been_asked():
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0)
    X = np.random.default_rng(0).integers(0, N_CHOICES, size=(500, 12))
    optimiser.tell(X, *evaluate(X))
    new = optimiser.ask(300)
    assert not {tuple(x) for x in X.tolist()} & {tuple(x) for x in new.tolist()}
    assert evaluate(new)[0].sum(axis=1).mean() < evaluate(X)[0].sum(axis=1).mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 2, 0), "n_choices"),
        (([2.5, 3], 2, 0), "n_choices"),
        (([2, 0], 2, 0), "at least one option"),
        (([2, 2], 0, 0), "n_objectives"),
        (([2, 2], 1, -1), "n_constraints"),
    ],
)
def test_bad_spaces_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PPOOptimiser(*arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((2, 11), dtype=int)}, "shape"),
        ({"X": np.zeros((2, 12))}, "integers"),
        ({"X": np.full((2, 12), 5)}, "outside"),
        ({"F": np.zeros((2, 3))}, "F must have shape"),
        ({"F": np.zeros((3, 2))}, "F must have shape"),
        ({"F": np.array([[0, np.nan], [0, 0]])}, "NaN"),
        ({"G": None}, "G must have shape"),
        ({"G": np.array([[0], [np.inf]])}, "infinity"),
    ],
)
def test_bad_answers_are_refused_and_change_nothing(change, message):
    optimiser = PPOOptimiser(N_CHOICES, 2, 1, seed=0)
    answer = {"X": np.zeros((2, 12), dtype=int), "F": np.zeros((2, 2)), "G": np.zeros((2, 1))}
    with pytest.raises(ValueError, match=message):
        optimiser.tell(**{**answer, **change})
    assert len(optimiser._memory) == 0
    with pytest.raises(ValueError, match="at least 1"):
        optimiser.ask(0)


def test_torch_loads_only_with_the_first_optimiser():
    code = (
        "import sys, mcu_nas_moo.optimisers.ppo as p; assert 'torch' not in sys.modules; "
        "p.PPOOptimiser([2, 2], 1); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
