"""Grid, exhaustive and local search, regularised evolution, and what they share."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_task import TinyTask
from toy_task import ToySpace, ToyTask, pairwise_front

from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.simple.exhaustive import Exhaustive
from mcu_nas_moo.optimisers.simple.grid import Grid
from mcu_nas_moo.optimisers.simple.known_networks import KnownNetworks, networks_in_order
from mcu_nas_moo.optimisers.simple.local_search import ParetoLocalSearch, hypervolume_shares
from mcu_nas_moo.optimisers.simple.regularised_evolution import RegularisedEvolution
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.spaces.genes import Gene, SearchSpace


def setting(task, exact, budget=100, seed=0, **hyperparameters):
    return Setting(task, exact.ideal, exact.nadir, budget, seed, hyperparameters)


def drive(optimiser, task, evaluations):
    """Ask and tell until the count or the optimiser's end; all that was evaluated."""
    X = np.zeros((0, task.n_genes), dtype=np.int64)
    while len(X) < evaluations:
        asked = optimiser.ask()
        if len(asked) == 0:
            break
        optimiser.tell(asked, *task.evaluate(asked))
        X = np.concatenate([X, asked])
    return X


@pytest.mark.parametrize("chunk", [1, 7, 100, 10_000])
def test_networks_in_order_are_all_canonical_genotypes_once(chunk):
    space = ToySpace()
    found = np.concatenate(list(networks_in_order(space, chunk)))
    assert found.tolist() == np.unique(space.canonical(space.everything()), axis=0).tolist()
    assert len(found) == space.n_networks


def test_order_of_a_space_beyond_64_bits():
    space = SearchSpace("long", tuple(Gene(f"g{n}", (1, 2, 3)) for n in range(50)))
    rows = np.concatenate(list(islice(networks_in_order(space, 10), 3)))
    assert space.n_genotypes > 2**64
    # Counting to 29 in base 3.
    assert [int("".join(map(str, row)), 3) for row in rows.tolist()] == list(range(30))


@given(st.lists(st.integers(0, 4095), max_size=60))
def test_known_networks_agree_with_a_set(numbers):
    space = ToySpace()
    X = space.everything()[numbers].reshape(-1, 6)
    known, seen = KnownNetworks(space), set()
    for part in (X[: len(X) // 2], X[len(X) // 2 :]):
        canonical = [tuple(row) for row in space.canonical(part).tolist()]
        missing = known.missing(space.canonical(part))
        assert missing.tolist() == [list(row) for row in canonical if row not in seen]
        expected = []
        for row in canonical:
            expected.append(row not in seen)
            seen.add(row)
        assert known.add(part).tolist() == expected
    assert len(known) == len(seen)


def test_draws_go_on_until_no_network_is_left():
    space = ToySpace()
    known, rng = KnownNetworks(space), np.random.default_rng(0)
    known.add(space.everything()[:1000])
    before = len(known)
    drawn = np.concatenate([known.draw(1000, rng) for _ in range(5)])
    assert len(drawn) == space.n_networks - before
    assert len(np.unique(space.canonical(drawn), axis=0)) == len(drawn)
    assert len(known.draw(1, rng)) == 0


def test_exhaustive_search_finds_the_exact_front(exact):
    task = ToyTask()
    history = run_optimiser("exhaustive", task, exact, 4000, seed=0)
    assert len(history.X) == task.space.n_networks
    met = feasible(history.G)
    front = history.F[met][pairwise_front(history.F[met])]
    assert np.unique(front, axis=0).tolist() == exact.F.tolist()


def test_exhaustive_search_refuses_a_large_space(exact):
    with pytest.raises(ValueError, match=r"budget of 3,328, .* got 3,327; .*enumerate --space toy"):
        Exhaustive(setting(ToyTask(), exact, 3327))
    Exhaustive(setting(ToyTask(), exact, 3328))


@pytest.mark.parametrize(
    ("budget", "levels"),
    [(1, [1] * 6), (63, [1, 2, 2, 2, 2, 2]), (64, [2] * 6), (729, [3] * 6), (4096, [4] * 6)],
)
def test_grids_are_as_large_as_the_budget_allows(budget, levels, exact):
    grid = Grid(setting(ToyTask(), exact, budget))
    assert sorted(grid.settings["levels"]) == levels


def test_a_grid_is_even_and_complete(exact):
    task = ToyTask()
    first = Grid(setting(task, exact, 64)).ask()
    # Two levels are the ends: all corners, of which those that denote one network count once.
    corners = np.array(np.meshgrid(*[[0, 3]] * 6)).reshape(6, -1).T
    assert {*map(tuple, first)} == {*map(tuple, task.space.canonical(corners))}
    single = Grid(setting(task, exact, 1)).ask()
    assert single.tolist() == [[1] * 6]
    # What the first grid leaves of the budget goes to finer ones.
    X = run_optimiser("grid", task, exact, 500, seed=0).X
    assert len(np.unique(task.space.canonical(X), axis=0)) == 500


def test_grid_ends_with_the_whole_space(exact):
    task = ToyTask()
    X = drive(Grid(setting(task, exact, 10_000)), task, 10_000)
    assert len(X) == task.space.n_networks


def test_the_oldest_member_dies(exact):
    task = ToyTask()
    optimiser = RegularisedEvolution(setting(task, exact, population=12, sample=3, children=2))
    X = drive(optimiser, task, 60)
    # However good they were, only the last twelve are alive.
    assert optimiser.X.tolist() == X[-12:].tolist()
    assert len(np.unique(task.space.canonical(X), axis=0)) == 60


def test_children_change_one_gene_on_average(exact):
    task = ToyTask()
    optimiser = RegularisedEvolution(setting(task, exact, population=30, sample=30))
    drive(optimiser, task, 30)
    nearest = []
    for _ in range(20):
        alive = optimiser.X
        child = optimiser.ask()
        differences = (child[:, None] != alive[None]).sum(axis=2)
        nearest += differences.min(axis=1).tolist()
        optimiser.tell(child, *task.evaluate(child))
    assert 1 <= np.mean(nearest) < 2


def test_tournaments_prefer_feasible_then_the_front(exact):
    task = ToyTask()
    optimiser = RegularisedEvolution(setting(task, exact, population=5, sample=200))
    X = task.space.everything()[:5]
    F = np.array([[0.1, 0.1], [0.0, 0.3], [0.3, 0.0], [0.4, 0.4], [-1.0, -1.0]])
    F = exact.ideal + F * (exact.nadir - exact.ideal)
    G = np.array([[-1.0], [-1.0], [-1.0], [-1.0], [0.2]]) * np.ones(3)
    optimiser.tell(X, F, G)
    winners = optimiser._winners(500)
    # 0.2 beyond a limit counts more than any objective; dominated members never win.
    assert set(winners.tolist()) == {0, 1, 2}
    optimiser.tell(X, F, np.abs(G) * np.array([[5.0], [4.0], [3.0], [1.0], [9.0]]))
    assert set(optimiser._winners(50).tolist()) == {3}


def test_local_search_ends_at_a_pareto_local_optimum(exact):
    task = ToyTask()
    optimiser = ParetoLocalSearch(setting(task, exact, seed=3, start=5))
    known = drive(optimiser, task, 200)
    while True:
        archive = optimiser.X.copy()
        asked = optimiser.ask()
        if optimiser._strength > 1:  # mutants: every neighbourhood was searched to the end
            break
        optimiser.tell(asked, *task.evaluate(asked))
        known = np.concatenate([known, asked])
    seen = {*map(tuple, task.space.canonical(known).tolist())}
    for x in archive:
        assert {*map(tuple, task.space.neighbours(x).tolist())} <= seen
    # The archive is the front of all that was evaluated.
    F, G = task.evaluate(np.unique(task.space.canonical(known), axis=0))
    best = F[feasible(G)][pairwise_front(F[feasible(G)])]
    assert np.unique(best, axis=0).tolist() == np.unique(optimiser.F, axis=0).tolist()


def test_local_search_goes_on_to_the_exact_front(exact):
    task = ToyTask()
    optimiser = ParetoLocalSearch(setting(task, exact))
    X = drive(optimiser, task, 5000)
    assert len(X) == task.space.n_networks
    assert np.unique(optimiser.F, axis=0).tolist() == exact.F.tolist()


def test_local_search_descends_to_feasible_networks(exact):
    # Only the smallest networks fit.
    task = ToyTask(limits={"flash_kib": 20.0})
    _, G = task.evaluate(task.space.everything())
    assert 0 < feasible(G).mean() < 0.03
    optimiser = ParetoLocalSearch(setting(task, exact, start=1))
    X = drive(optimiser, task, 120)
    _, G = task.evaluate(X)
    assert feasible(G).any()
    _, G = task.evaluate(optimiser.X)
    assert feasible(G).all()


def test_hypervolume_shares_by_hand():
    rng = np.random.default_rng(0)
    F = np.array([[0.0, 100.0], [0.1, 10.0], [1.0, 0.0], [0.099, 10.9]])
    shares = np.mean([hypervolume_shares(F, rng) for _ in range(500)], axis=0)
    # Rectangles between neighbours and the corner (1.1, 1.1), with both objectives on [0, 1].
    areas = np.array([0.099 * 0.1, 0.9 * 0.009, 0.1 * 0.1, 0.001 * 0.891])
    assert shares / shares.sum() == pytest.approx(areas / areas.sum(), abs=0.02)
    assert hypervolume_shares(F[:1], rng).shape == (1,)


def test_hypervolume_shares_rank_as_exact_contributions_do():
    import moocore

    rng = np.random.default_rng(1)
    F = rng.random((40, 3))
    F = F[moocore.is_nondominated(F)]
    F = (F - F.min(axis=0)) / (F.max(axis=0) - F.min(axis=0))
    exact = moocore.hv_contributions(F, ref=np.full(3, 1.1))
    shares = np.mean([hypervolume_shares(F, rng) for _ in range(400)], axis=0)
    assert np.corrcoef(exact, shares)[0, 1] > 0.99


@pytest.mark.parametrize("name", ["grid", "local-search", "regularised-evolution"])
def test_large_spaces_are_no_problem(name):
    space = load_space("mbconv-block")
    task = TinyTask()
    task.space = space
    task.metrics = lambda X: {
        metric: space.check(X).sum(axis=1) + 1.0
        for metric in ("error", "latency_ms", "sram_kib", "flash_kib")
    }
    ranges = type("Ranges", (), {"ideal": np.zeros(2), "nadir": np.full(2, 50.0)})
    history = run_optimiser(name, task, ranges, 300, seed=0)
    assert len(np.unique(space.canonical(history.X), axis=0)) == 300
