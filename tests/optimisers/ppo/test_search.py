from math import gamma, pi

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_nas_moo.common.genotypes import row_keys
from mcu_nas_moo.optimisers.ppo.memory import Rows
from mcu_nas_moo.optimisers.ppo.reward import CORNER, Scale
from mcu_nas_moo.optimisers.ppo.search import SHORTLIST, SurrogateSearch, directions
from mcu_nas_moo.optimisers.ppo.surrogate import Prediction

N_CHOICES = np.array([4, 3, 4, 3, 2])
SPACE = np.stack(np.meshgrid(*map(np.arange, N_CHOICES), indexing="ij"), axis=-1).reshape(-1, 5)


def unit_scale(n_obj):
    return Scale(np.zeros(n_obj), np.ones(n_obj))


def uniform_directions(count, n_obj, seed=0):
    vectors = np.abs(np.random.default_rng(seed).standard_normal((count, n_obj)))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("n_obj", [1, 2, 3, 4])
def test_mean_share_is_the_hypervolume(n_obj):
    factor = pi ** (n_obj / 2) / (2**n_obj * gamma(n_obj / 2 + 1))
    vectors = uniform_directions(40_000, n_obj)
    for seed in range(3):
        F = np.random.default_rng(seed).uniform(-0.2, 1.3, size=(12, n_obj))
        share = unit_scale(n_obj).hypervolume_share(F, vectors)
        exact = moocore.hypervolume(F, ref=np.full(n_obj, CORNER))
        assert factor * share.max(axis=0).mean() == pytest.approx(exact, rel=0.03)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n_obj=st.integers(1, 5))
def test_share_never_falls_with_a_better_point(seed, n_obj):
    rng = np.random.default_rng(seed)
    F = rng.uniform(0, 1.5, size=(20, n_obj))
    vectors = directions(30, n_obj, rng)
    share = unit_scale(n_obj).hypervolume_share(F, vectors)
    better = unit_scale(n_obj).hypervolume_share(F - rng.uniform(0, 0.3, size=F.shape), vectors)
    assert (better >= share).all()
    beyond = (F >= CORNER).any(axis=1)
    assert (share[beyond] == 0).all()
    assert (share[~beyond] > 0).all()


def test_share_has_no_units():
    F, vectors = np.random.default_rng(0).uniform(size=(10, 3)), uniform_directions(20, 3)
    factor, shift = np.array([1e-6, 1.0, 1e9]), np.array([5.0, -1.0, 1e9])
    other = Scale(shift, factor + shift).hypervolume_share(F * factor + shift, vectors)
    np.testing.assert_allclose(other, unit_scale(3).hypervolume_share(F, vectors), rtol=1e-5)


@pytest.mark.parametrize("n_obj", [1, 2, 4])
def test_directions_are_unit_vectors_a_tenth_of_them_along_the_axes(n_obj):
    vectors = directions(1000, n_obj, np.random.default_rng(0))
    assert (vectors >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0)
    axes = vectors[:100].argmax(axis=1)
    assert vectors[:100].max(axis=1).min() > 0.99
    np.testing.assert_array_equal(np.bincount(axes), 100 // n_obj)
    # The others are uniform on the sphere: no axis is preferred, squares have mean 1 / n_obj.
    np.testing.assert_allclose(np.square(vectors[100:]).mean(axis=0), 1 / n_obj, atol=0.05)
    if n_obj == 2:
        angles = np.sort(np.arctan2(vectors[100:, 1], vectors[100:, 0])) / (pi / 2)
        assert np.abs(angles - np.linspace(0, 1, 900)).max() < 0.06


class Oracle:
    """A surrogate that knows everything, as sure of it as ``feasible`` says."""

    def __init__(self, F, feasible=None):
        self.F = F
        self.chance = np.ones(len(F)) if feasible is None else feasible
        self.optimisms = []

    def predict(self, X, optimism=0.0):
        rows = np.ravel_multi_index(X.T, N_CHOICES)
        self.optimisms.append(optimism)
        return Prediction(self.F[rows], np.empty((len(X), 0)), self.chance[rows])


def objectives(n_obj, seed=0):
    return np.random.default_rng(seed).uniform(size=(len(SPACE), n_obj))


def search_for(
    oracle, known, believed=(), feasible=None, seed=0, n_choices=N_CHOICES, optimism=0.0
):
    """A search on the unit scale whose elites are the rows ``known`` of the space."""
    known, believed = np.array(known, dtype=int), np.array(believed, dtype=int)
    G = np.zeros((len(known), 1)) if feasible is None else np.where(feasible, -1.0, 1.0)[:, None]
    taken = set(row_keys(SPACE[known])) | set(row_keys(SPACE[believed]))

    def fresh(X):
        return X[[key not in taken for key in row_keys(X)]]

    rng = np.random.default_rng(seed)
    elites = Rows(SPACE[known], oracle.F[known], G)
    n_obj = oracle.F.shape[1]
    return SurrogateSearch(
        oracle, unit_scale(n_obj), elites, SPACE[believed], n_choices, fresh, rng, optimism
    )


def rows_of(X):
    return np.ravel_multi_index(X.T, N_CHOICES)


def gains(F, known, candidates):
    """Exact gain of hypervolume of each candidate."""
    corner = np.full(F.shape[1], CORNER)
    before = moocore.hypervolume(F[known], ref=corner)
    return np.array(
        [moocore.hypervolume(F[[*known, row]], ref=corner) - before for row in candidates]
    )


@pytest.mark.parametrize("n_obj", [1, 2, 3])
def test_chooses_one_after_the_other_what_adds_most_hypervolume(n_obj):
    F = objectives(n_obj)
    known = [3, 50, 100]
    search = search_for(Oracle(F), known)
    search.judge(SPACE)
    X, _ = search.best(6)
    chosen = rows_of(X).tolist()
    if n_obj == 1:
        left = np.setdiff1d(np.arange(len(SPACE)), known)
        assert chosen[0] == left[F[left, 0].argmin()]
        return
    for count, row in enumerate(chosen):
        before = known + chosen[:count]
        left = np.setdiff1d(np.arange(len(SPACE)), before)
        exact = gains(F, before, left)
        # 128 directions measure the volume to some percent of what the first point adds.
        own = exact[left == row][0]
        assert own >= exact.max() - 0.05 * gains(F, known, left).max()


def test_points_under_evaluation_count_as_known():
    F = objectives(2)
    known, believed = [3], [int(F.sum(axis=1).argmin())]
    search = search_for(Oracle(F), known, believed)
    search.judge(SPACE)
    X, _ = search.best(1)
    left = np.setdiff1d(np.arange(len(SPACE)), known + believed)
    exact = gains(F, known + believed, left)
    assert exact[left == rows_of(X)[0]][0] > 0.8 * exact.max()
    assert believed[0] not in rows_of(X)


def test_proposals_are_new_and_differ():
    F = objectives(2)
    rng = np.random.default_rng(0)
    known, believed = rng.permutation(len(SPACE))[:60].reshape(2, 30).tolist()
    search = search_for(Oracle(F), known, believed)
    for _ in range(3):
        search.judge(SPACE[rng.integers(len(SPACE), size=100)])
        search.breed(100)
    search.judge(SPACE)
    X, _ = search.best(500)
    chosen = rows_of(X)
    # Each of the points that are left, and none twice.
    assert set(chosen) == set(range(len(SPACE))) - set(known) - set(believed)


class LongGene(Oracle):
    """Knows everything of a space of one gene."""

    def predict(self, X, optimism=0.0):
        rows = X[:, 0]
        return Prediction(self.F[rows], np.empty((len(X), 0)), self.chance[rows])


def search_long_gene(F, chance=None):
    """A search that knows option 0 and considers all others."""
    elites = Rows(np.array([[0]]), F[:1], np.empty((1, 0)))
    nothing, rng = np.empty((0, 1), dtype=int), np.random.default_rng(0)
    search = SurrogateSearch(
        LongGene(F, chance),
        unit_scale(2),
        elites,
        nothing,
        np.array([len(F)]),
        lambda X: X,
        rng,
        0.0,
    )
    search.judge(np.arange(1, len(F))[:, None])
    return search


def test_a_long_batch_is_cut_to_the_shortlist():
    F = np.random.default_rng(0).uniform(size=(2000, 2))
    X, _ = search_long_gene(F).best(1000)
    assert len(np.unique(X)) == len(X) == SHORTLIST


def test_what_is_hardly_feasible_does_not_fill_the_shortlist():
    F = np.full((2000, 2), 0.5)
    F[0] = 1.0
    F[1:1500] = 0.1
    chance = np.where(np.arange(2000) < 1500, 1e-3, 1.0)
    X, _ = search_long_gene(F, chance).best(10)
    assert (X >= 1500).any()


def test_infeasible_candidates_come_last():
    F = objectives(2)
    feasible = np.random.default_rng(1).random(len(SPACE)) < 0.1
    search = search_for(Oracle(F, feasible * 1.0), [0], feasible=[True])
    search.judge(SPACE)
    X, _ = search.best(len(SPACE))
    chosen = feasible[rows_of(X)]
    assert chosen[: chosen.sum()].all()
    assert chosen.sum() == feasible[1:].sum()


def test_a_gain_counts_by_the_chance_of_feasibility():
    F = np.full((len(SPACE), 2), 1.0)
    chance = np.full(len(SPACE), 1.0)
    F[7], chance[7] = (0.2, 0.2), 0.1
    F[8], chance[8] = (0.4, 0.4), 0.9
    search = search_for(Oracle(F, chance), [0], feasible=[True])
    search.judge(SPACE)
    assert rows_of(search.best(1)[0]).tolist() == [8]


def test_goes_where_feasibility_is_likelier_without_a_feasible_elite():
    # All objectives lie beyond the reference point: nothing counts but feasibility.
    F = objectives(2) + 5
    chance = np.random.default_rng(1).random(len(SPACE))
    search = search_for(Oracle(F, chance), [0, 1, 2], feasible=[False] * 3)
    search.judge(SPACE)
    X, _ = search.best(5)
    left = np.setdiff1d(np.arange(len(SPACE)), [0, 1, 2])
    assert rows_of(X).tolist() == left[np.argsort(-chance[left])][:5].tolist()
    assert (rows_of(search.champions) == left[chance[left].argmax()]).all()


def test_champions_are_the_best_of_their_directions():
    F = objectives(3)
    known = [3, 50]
    search = search_for(Oracle(F), known)
    search.judge(SPACE)
    weights = search.weights
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    # The best along a direction is the best by Tchebycheff with these weights.
    exact = ((CORNER - F) / weights[:, None]).min(axis=2)
    got = exact[np.arange(len(weights)), rows_of(search.champions)]
    np.testing.assert_allclose(got, exact.max(axis=1), rtol=1e-5)


def test_breeding_finds_the_best_of_a_smooth_space():
    x = SPACE / (N_CHOICES - 1)
    F = np.stack([np.square(x - 0.3).sum(axis=1), np.square(x - 0.8).sum(axis=1)], axis=1) / 4
    search = search_for(Oracle(F), [0])
    for _ in range(20):
        search.breed(20)
    reach = ((CORNER - F) / search.weights[:, None]).min(axis=2)
    places = [int(np.flatnonzero((SPACE == x).all(axis=1))[0]) for x in search.champions]
    # Along an axis several points may be equally good.
    found = reach[np.arange(len(reach)), places]
    assert np.isclose(found, reach.max(axis=1)).mean() > 0.9


def test_says_which_candidates_the_policy_sampled():
    F = objectives(2)
    search = search_for(Oracle(F), [0])
    search.judge(SPACE[1:40])
    search.judge(SPACE[30:80], sampled=True)
    X, sampled = search.best(100)
    np.testing.assert_array_equal(sampled, rows_of(X) >= 40)
    assert len(X) == 79


def test_passes_optimism_on_for_candidates_alone():
    oracle = Oracle(objectives(2))
    search = search_for(oracle, [0], [5], optimism=1.5)
    search.judge(SPACE)
    # What is being evaluated counts by what is expected of it.
    assert oracle.optimisms == [0.0, 1.5]


def test_nothing_new_gives_nothing():
    search = search_for(Oracle(objectives(2)), range(len(SPACE)))
    search.judge(SPACE)
    search.breed(10)
    X, sampled = search.best(5)
    assert X.shape == (0, 5)
    assert len(sampled) == 0


@pytest.mark.parametrize("n_obj", [2, 3])
def test_hypervolume_added_is_the_exclusive_contribution(n_obj):
    rng = np.random.default_rng(0)
    F = np.abs(rng.standard_normal((12, n_obj)))
    F = 1 - F / np.linalg.norm(F, axis=1, keepdims=True)
    vectors = np.abs(rng.standard_normal((200_000, n_obj)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    added = unit_scale(n_obj).hypervolume_added(F, vectors)
    exact = moocore.hv_contributions(F, ref=np.full(n_obj, 1.1))
    np.testing.assert_allclose(added / added.sum(), exact / exact.sum(), atol=0.01)
    assert unit_scale(n_obj).hypervolume_added(F[:1], vectors)[0] > 0
