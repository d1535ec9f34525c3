import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.distributions import MultiCategoricalDistribution

from mcu_nas_moo.common.genotypes import row_keys
from mcu_nas_moo.optimisers.ppo import PPOSettings
from mcu_nas_moo.optimisers.ppo.agent import Agent, Experience, IndependentGenes, OneStepBuffer
from mcu_nas_moo.optimisers.ppo.memory import Memory, Rows
from mcu_nas_moo.optimisers.ppo.reward import AUGMENTATION, Scale, violation


def test_reward_by_hand():
    scale = Scale(np.array([1.0, 10.0]), np.array([3.0, 30.0]))
    F = np.array([[2.0, 10.0], [3.0, 30.0], [1.0, 10.0], [1.0, 10.0]])
    G = np.array([[-1.0, 0.0], [0.0, 0.0], [0.5, -9.0], [0.5, 0.5]])
    rewards = scale.reward(F, G, np.array([0.5, 0.5]))
    # Scaled objectives are (0.5, 0) and (1, 1): so far inside the corner of (1.1, 1.1).
    # Along the diagonal, the reference point of the corner is reached after the smaller one.
    reach = [
        0.6 * np.sqrt(2) + AUGMENTATION * (0.6 + 1.1) / 2,
        0.1 * np.sqrt(2) + AUGMENTATION * 0.1,
    ]
    expected = [(1 + r / (1 + r)) / 2 for r in reach] + [-0.5 / 1.5, -1 / 2]
    np.testing.assert_allclose(rewards, expected)


def test_reward_of_points_beyond_the_corner_still_tells_them_apart():
    scale = Scale(np.zeros(2), np.ones(2))
    F = np.array([[1.2, 0.5], [2.0, 0.5], [50.0, 50.0], [1e6, 1e6]])
    rewards = scale.reward(F, np.zeros((4, 1)), np.array([0.5, 0.5]))
    assert (np.diff(rewards) < 0).all()
    assert 0 < rewards[-1] < rewards[0] < 0.5


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_reward_and_hypervolume_share_rank_alike(seed, n_obj):
    rng = np.random.default_rng(seed)
    F, weights = rng.uniform(-1, 1, size=(30, n_obj)), rng.dirichlet(np.full(n_obj, 2.0)) + 1e-3
    scale = Scale(np.full(n_obj, -1.0), np.ones(n_obj))
    share = scale.hypervolume_share(F, (weights / np.linalg.norm(weights))[None])[:, 0]
    rewards = scale.reward(F, np.empty((30, 0)), weights / weights.sum())
    # They differ by no more than the small sum that is added.
    reach = share ** (1 / n_obj)
    clearly = reach[:, None] > reach + 1.1 * AUGMENTATION
    assert (rewards[:, None] > rewards)[clearly].all()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_reward_ranks_feasibility_first_and_respects_dominance(seed, n_obj):
    rng = np.random.default_rng(seed)
    F, G = rng.normal(size=(30, n_obj)) * 100, rng.normal(size=(30, 2))
    feasible = violation(G) == 0
    scale = Scale.of(F, F)
    weights = rng.dirichlet(np.ones(n_obj))
    rewards = scale.reward(F, G, weights)
    assert (np.abs(rewards) <= 1).all()
    if feasible.any() and not feasible.all():
        assert rewards[feasible].min() > 0 > rewards[~feasible].max()
    worse = scale.reward(F + rng.uniform(0.1, 1, size=F.shape), np.minimum(G, 0), weights)
    assert (worse < scale.reward(F, np.minimum(G, 0), weights)).all()


def test_scale_of_a_flat_front_falls_back():
    one = np.array([[1.0, 2.0]])
    scale = Scale.of(one, np.array([[1.0, 2.0], [5.0, 2.0]]))
    assert scale.ideal.tolist() == [1.0, 2.0]
    # The ranges of all feasible points, 4 and, for want of another, 1: doubled, as the front is
    # one point.
    assert scale.nadir.tolist() == [9.0, 4.0]


def test_the_more_points_on_the_front_the_less_its_range_is_stretched():
    x = np.linspace(0, 1, 11)
    front = np.stack([x, 5 - 5 * x], axis=1)
    scale = Scale.of(front, front + 100)
    np.testing.assert_allclose(scale.ideal, [0, 0])
    # Ten points and one stretch it by half; a point known twice counts once.
    np.testing.assert_allclose(scale.nadir, [1.5, 7.5])
    again = np.concatenate([front, front])
    np.testing.assert_allclose(Scale.of(again, again).nadir, scale.nadir)
    assert (Scale.of(front[[0, -1]], front).nadir > scale.nadir).all()


def brute_force_order(F, G):
    """Rank by constrained dominance, peeling off one front after the other."""
    excess = np.maximum(G, 0).sum(axis=1)
    left, order = set(np.flatnonzero(excess == 0)), []
    while left:
        front = {
            i for i in left if not any((F[j] <= F[i]).all() and (F[j] < F[i]).any() for j in left)
        }
        order.append(front)
        left -= front
    return order, np.argsort(excess, kind="stable")[int((excess == 0).sum()) :]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n_obj=st.integers(1, 3), share=st.sampled_from([0, 0.3, 1]))
def test_elites_are_the_best_of_all(seed, n_obj, share):
    rng = np.random.default_rng(seed)
    F, G = rng.normal(size=(60, n_obj)), np.abs(rng.normal(size=(60, 2)))
    G[rng.random(60) < share] *= -1
    X = np.stack([np.arange(60), np.zeros(60, dtype=int)], axis=1)
    memory = Memory(2, n_obj, 2, size=12)
    for rows in np.array_split(np.arange(60), 7):
        memory.add(row_keys(X[rows]), Rows(X[rows], F[rows], G[rows]))
    fronts, infeasible = brute_force_order(F, G)
    elites = memory.elites.X[:, 0].tolist()
    first = fronts[0] if fronts else set()
    feasible = set().union(*fronts)
    assert len(elites) == len(set(elites)) == max(12, len(first))
    assert set(elites[: len(first)]) == first
    # Which dominated points fill up depends on what was known when; all of them are feasible.
    n_feasible = min(len(feasible), len(elites))
    assert set(elites[:n_feasible]) <= feasible
    assert elites[n_feasible:] == infeasible[: len(elites) - n_feasible].tolist()
    if fronts:
        np.testing.assert_array_equal(memory.scale.ideal, F[list(first)].min(axis=0))


def test_memory_counts_repeats_once_and_recalls():
    memory = Memory(2, 1, 0, size=5)
    X = np.array([[0, 1], [0, 1], [1, 1]])
    rows = Rows(X, np.array([[3.0], [4.0], [5.0]]), np.empty((3, 0)))
    memory.add(row_keys(X), rows)
    memory.add(row_keys(X), rows)
    assert len(memory) == 2
    assert len(memory.elites.X) == 2
    F, G = memory.recall(row_keys(X)[0])
    assert (F.tolist(), G.tolist()) == ([3.0], [])
    assert row_keys(X)[2] in memory
    assert row_keys(X[:, ::-1])[0] not in memory


def memory_of(n, seed=0):
    """A memory of n points with number ``X[:, 0]``, told in that order, two objectives."""
    rng = np.random.default_rng(seed)
    X = np.stack([np.arange(n), np.zeros(n, dtype=int)], axis=1)
    memory = Memory(2, 2, 1, size=10)
    memory.add(row_keys(X), Rows(X, rng.random((n, 2)), rng.normal(size=(n, 1))))
    return memory


def test_informative_is_everything_while_that_is_little():
    rows = memory_of(30).informative(30, np.random.default_rng(0))
    np.testing.assert_array_equal(rows.X[:, 0], np.arange(30))


@pytest.mark.parametrize("count", [3, 16, 100, 299])
def test_informative_has_elites_the_newest_and_others(count):
    memory = memory_of(300)
    elites = set(memory.elites.X[:, 0])
    taken = memory.informative(count, np.random.default_rng(0)).X[:, 0].tolist()
    assert len(taken) == len(set(taken)) == count
    assert len(elites & set(taken)) >= min(len(elites), count // 2)
    n_newest = (count - min(len(elites), count // 2)) // 2
    newest = [row for row in range(300) if row not in elites][-n_newest:]
    assert set(newest) <= set(taken)


def test_informative_takes_the_others_by_chance():
    memory = memory_of(300)
    taken = np.zeros(300)
    for seed in range(200):
        taken[memory.informative(60, np.random.default_rng(seed)).X[:, 0]] += 1
    always = taken == 200
    assert always.sum() == 10 + 25
    # 25 others are drawn from the remaining 265.
    assert np.abs(taken[~always] / 200 - 25 / 265).max() < 5 * np.sqrt(0.09 / 200)
    rows = memory.informative(60, np.random.default_rng(0))
    key = row_keys(rows.X)[0]
    np.testing.assert_array_equal(memory.recall(key)[0], rows.F[0])
    np.testing.assert_array_equal(memory.recall(key)[1], rows.G[0])


def gene_after_gene(logits, dims):
    """The order of SB3, of logits that are ordered option after option."""
    table = logits.view(len(logits), max(dims), len(dims))
    return torch.cat([table[:, :n, gene] for gene, n in enumerate(dims)], dim=1)


def test_distribution_equals_the_one_of_sb3():
    dims = [2, 5, 1, 3]
    ours, theirs = IndependentGenes(dims), MultiCategoricalDistribution(dims)
    n_logits = ours.proba_distribution_net(7).out_features
    logits = torch.randn(50, n_logits, generator=torch.Generator().manual_seed(0)) * 3
    ours_logits, theirs_logits = (logits.clone().requires_grad_() for _ in range(2))
    ours.proba_distribution(ours_logits)
    theirs.proba_distribution(gene_after_gene(theirs_logits, dims))
    actions = theirs.mode()
    torch.testing.assert_close(ours.mode(), actions)
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    for distribution in (ours, theirs):
        (distribution.entropy() + distribution.log_prob(actions)).sum().backward()
    # Those of options that a gene lacks have no gradient in either.
    torch.testing.assert_close(ours_logits.grad, theirs_logits.grad)
    assert torch.isfinite(ours_logits.grad).all()


def test_distribution_samples_by_probability():
    genes = IndependentGenes([3, 2])
    # Of option 0 of both genes, then of option 1, then of option 2, which the second gene lacks.
    probability = torch.tensor([[0.2, 0.9, 0.5, 0.1, 0.3, 0.99]])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sample = genes.proba_distribution(probability.log().repeat(20_000, 1)).sample()
    share = torch.bincount(sample[:, 0], minlength=3) / 20_000
    torch.testing.assert_close(share, torch.tensor([0.2, 0.5, 0.3]), atol=0.015, rtol=0)
    assert sample[:, 1].float().mean() == pytest.approx(0.1, abs=0.01)
    assert sample[:, 1].max() == 1


@pytest.fixture
def agent():
    return Agent(np.array([4, 3, 2]), 2, PPOSettings(), np.random.default_rng(0))


def test_fresh_policy_samples_uniformly_and_states_its_probabilities(agent):
    experience = agent.sample(np.tile([0.5, 0.5], (4000, 1)))
    np.testing.assert_allclose(experience.log_probs, -np.log(24), atol=0.1)
    shares = np.bincount(experience.actions[:, 0], minlength=4) / 4000
    np.testing.assert_allclose(shares, 0.25, atol=0.04)


def test_learning_makes_the_rewarded_likelier(agent):
    weights = np.tile([0.5, 0.5], (128, 1))
    for _ in range(15):
        experience = agent.sample(weights)
        agent.learn(experience, (experience.actions[:, 0] == 2) * 1.0, entropy=0.0)
    assert (agent.sample(weights).actions[:, 0] == 2).mean() > 0.9


def test_imitation_makes_the_model_likelier_under_its_preference(agent):
    weights = np.repeat([[1.0, 0.0], [0.0, 1.0]], 32, axis=0)
    models = np.repeat([[0, 0, 0], [3, 2, 1]], 32, axis=0)
    for _ in range(60):
        agent.imitate(weights, models)
    np.testing.assert_array_equal(
        agent.sample(weights[[0] * 20 + [40] * 20]).actions.mean(axis=0).round(1),
        models.mean(axis=0),
    )


@pytest.mark.parametrize(("n", "lengths"), [(70, [70]), (100, [50, 50]), (150, [75, 75])])
def test_buffer_hands_out_every_row_once(n, lengths):
    import gymnasium as gym

    rng = np.random.default_rng(0)
    experience = Experience(
        rng.random((n, 2)), rng.integers(0, 3, (n, 4)), rng.random(n), rng.random(n)
    )
    rewards = rng.random(n)
    spaces = gym.spaces.Box(0, 1, (2,), np.float32), gym.spaces.MultiDiscrete([3] * 4)
    buffer = OneStepBuffer(n, *spaces, device="cpu")
    buffer.fill(experience, rewards, rng)
    for _ in range(2):
        parts = list(buffer.get(64))
        assert [len(part.returns) for part in parts] == lengths
        returns = torch.cat([part.returns for part in parts]).numpy()
        order = np.argsort(rewards)[np.argsort(np.argsort(returns))]
        for name, column in (
            ("observations", experience.weights),
            ("actions", experience.actions),
            ("old_log_prob", experience.log_probs),
            ("old_values", experience.values),
            ("advantages", rewards - experience.values),
        ):
            got = torch.cat([getattr(part, name) for part in parts]).numpy()
            np.testing.assert_allclose(got, column[order], rtol=1e-5, atol=1e-6)


def test_schedules_go_half_their_way_in_the_fade_time():
    schedule = PPOSettings(variation_start=0.6, variation_end=0.2, fade=100)
    assert schedule.variation_at(0) == 0.6
    assert schedule.variation_at(100) == pytest.approx(0.4)
    assert schedule.variation_at(10_000) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 1},
        {"learning_rate": 0},
        {"variation_start": 1.0},
        {"entropy_end": -0.1},
        {"fade": 0},
        {"tournament": 0},
        {"clip_range": float("nan")},
        {"surrogate_points": -1},
        {"surrogate_fit": 1.1},
        {"surrogate_share": -0.1},
        {"optimism": -1.0},
        {"candidates": 0},
    ],
)
def test_bad_settings_name_the_field(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PPOSettings(**wrong)
