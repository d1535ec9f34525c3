"""The shipped problems against enumeration, values by hand and the literature."""

import hashlib
from itertools import product

import numpy as np
import pytest

from mcu_nas_moo.benchmark.references.whole_space import SMALL, exhaustive_reference
from mcu_nas_moo.problem.named.bit_strings import Cocz, Lotz, Traps
from mcu_nas_moo.problem.named.gear_train import GearTrain
from mcu_nas_moo.problem.named.landscapes import MnkLandscape, Mubqp
from mcu_nas_moo.problem.named.linear import Assignment, Knapsack
from mcu_nas_moo.problem.named.register import PROBLEMS
from mcu_nas_moo.problem.named.reliability import Reliability
from mcu_nas_moo.problem.named.scaling import ToyScaling
from mcu_nas_moo.problem.task import Task


def everything(problem):
    return np.array(list(product(*(range(n) for n in problem.n_choices))))


def evaluated(problem, X):
    """Objectives and which points are feasible."""
    answer = problem.evaluate(X)
    F, G = answer if isinstance(answer, tuple) else (answer, np.zeros((len(X), 1)))
    return F, (G.reshape(len(X), -1) <= 0).all(axis=1)


def front_by_brute_force(problem, X):
    F, met = evaluated(problem, X)
    points = np.unique(F[met], axis=0)
    dominated = [((points <= p).all(axis=1) & (points < p).any(axis=1)).any() for p in points]
    return points[~np.array(dominated)]


class FewStages(ToyScaling):
    DELAY, LOSS, DECLINE = ToyScaling.DELAY[:5], ToyScaling.LOSS[:5], ToyScaling.DECLINE[:5]


@pytest.mark.parametrize(
    "problem",
    [
        Lotz(9),
        Cocz(10),
        Traps(15),
        FewStages(),
        Knapsack(n_items=9, seed=3),
        Assignment(n_agents=3, n_jobs=7, spare=8),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_the_front_it_tells_is_that_of_enumeration(problem):
    expected = front_by_brute_force(problem, everything(problem))
    assert len(expected) > 3
    front = problem.reference_front()
    np.testing.assert_allclose(front[np.lexsort(front.T[::-1])], expected)


def test_the_front_of_the_gear_train_is_that_of_enumeration():
    problem = GearTrain()
    # Wheels up to 36 teeth are enough for the front's part up to there.
    X = np.array(list(product(range(25), repeat=4)))
    front = problem.reference_front()[::-1]
    expected = front_by_brute_force(problem, X)
    np.testing.assert_allclose(front[front[:, 1] <= 36], expected, atol=1e-12)


def test_the_gear_train_of_the_literature():
    # Deb, Pratap and Moitra 2000: 12, 12, 27, 37 teeth make 1/6.931 with an error of 1.83e-8.
    F, G = GearTrain().evaluate(np.array([[0, 0, 15, 25], [0, 0, 0, 0]]))
    assert (1 / 6.931 - 1 / (6.931 - F[0, 0])) ** 2 == pytest.approx(1.83e-8, rel=0.01)
    assert F[0, 1] == 37
    assert (G <= 0).tolist() == [True, False]


def test_the_most_reliable_system_is_the_published_one():
    # Tillman, Hwang and Kuo 1977: (3, 2, 2, 3, 3) with 0.9045.
    problem = Reliability()
    X = everything(problem)
    F, met = evaluated(problem, X)
    best = np.flatnonzero(met)[F[met, 0].argmin()]
    assert (X[best] + 1).tolist() == [3, 2, 2, 3, 3]
    assert F[best, 0] == pytest.approx(1 - 0.9045, abs=5e-5)


def test_bit_strings_by_hand():
    x = np.array([[1, 1, 0, 1, 0, 0, 0, 0, 0, 0]])
    assert Lotz(10).evaluate(x).tolist() == [[8, 4]]  # 2 leading ones, 6 trailing zeros
    assert Cocz(10).evaluate(x).tolist() == [[7, 2]]  # 3 ones; 3 ones and 5 zeros
    # Blocks of 3 and 0 ones: traps of 1 and 4, inverse traps of 2 and 5, of 10.
    assert Traps(10).evaluate(x).tolist() == [[5, 3]]


def test_landscapes_by_loops():
    problem = MnkLandscape(n=6, m=3, k=2, seed=4)
    assert problem.links.shape == (3, 6, 3)
    for links in problem.links:
        for bit, decided_by in enumerate(links.tolist()):
            assert decided_by[0] == bit
            assert len(set(decided_by)) == 3
    x = np.array([1, 0, 1, 1, 0, 1])
    for m, value in enumerate(problem.evaluate(x[None])[0]):
        mean = 0.0
        for bit in range(6):
            first, second, third = problem.links[m, bit]
            setting = x[first] + 2 * x[second] + 4 * x[third]
            mean += problem.values[m, bit, setting] / 6
        assert value == pytest.approx(1 - mean)


def test_quadratic_programming_by_loops():
    problem = Mubqp(n=7, seed=2)
    x = np.array([1, 0, 1, 1, 0, 1, 1])
    for Q, value in zip(problem.matrices, problem.evaluate(x[None])[0], strict=True):
        assert value == -sum(Q[i, j] * x[i] * x[j] for i in range(7) for j in range(i, 7))
    entries = Mubqp().matrices[:, *np.triu_indices(50)]
    assert abs(entries).max() == 100
    assert (entries != 0).mean() == pytest.approx(0.8, abs=0.03)


def test_a_small_quadratic_problem_is_evaluated_as_a_whole():
    problem = Mubqp(n=10, seed=5)
    task = Task.of_problem(problem)
    assert task.reference_front is None
    assert task.space.n_genotypes <= SMALL < Task.of_problem("mubqp").space.n_genotypes
    expected = front_by_brute_force(problem, everything(problem))
    assert len(expected) > 3
    np.testing.assert_array_equal(np.unique(exhaustive_reference(task).F, axis=0), expected)


def test_a_knapsack_and_an_assignment_by_hand():
    knapsack = Knapsack(n_items=4)
    F, G = knapsack.evaluate(np.array([[1, 0, 1, 0]]))
    assert F.tolist() == [(-knapsack.profits[:, 0] - knapsack.profits[:, 2]).tolist()]
    load = knapsack.weights[1, 0] + knapsack.weights[1, 2]
    assert G[0, 1] == pytest.approx(load / (knapsack.weights[1].sum() / 2) - 1)

    assignment = Assignment(n_agents=2, n_jobs=3)
    F, G = assignment.evaluate(np.array([[0, 1, 1]]))
    cost, resource = assignment.costs, assignment.resources
    assert F.tolist() == [[c[0, 0] + c[1, 1] + c[1, 2] for c in cost]]
    expected = (resource[1, 1] + resource[1, 2]) / np.floor(0.4 * resource[1].sum()) - 1
    assert G[0, 1] == pytest.approx(expected)


@pytest.mark.parametrize(("problem", "points"), [(Knapsack(), 104), (Assignment(), 72)])
def test_kept_fronts_are_of_points_that_do_not_dominate_each_other(problem, points):
    front = problem.reference_front()
    assert front.shape == (points, 2)
    assert (np.diff(front[:, 0]) > 0).all()
    assert (np.diff(front[:, 1]) < 0).all()
    assert (front < problem.worst).all()


#: Of objectives and constraints of 64 genotypes, to ten digits; who changes an instance on purpose
#: gives its fields another default.
VALUES = {
    "toy-scaling": "df10ece04bb4",
    "lotz": "10e3b4969c64",
    "cocz": "e2c3b26460cc",
    "traps": "57af1c266a47",
    "mnk-2obj": "876be9c2a137",
    "mnk-3obj": "96f896303705",
    "mubqp": "7c60313f7850",
    "knapsack": "40fbe3eab167",
    "assignment": "482e213f0cde",
    "gear-train": "c182fda692b2",
    "reliability": "caed2652c844",
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_instances_stay_what_they_are(name):
    task = Task.of_problem(name)
    # Plain arithmetic in place of a generator, whose stream might change.
    rows, columns = np.indices((64, task.n_genes))
    mixed = (rows * 7919 + columns * 104729 + 1) * 2654435761 % 2**32
    X = (mixed >> 16) % task.n_choices
    F, G = task.evaluate(X)
    text = " ".join(f"{value:.10g}" for value in np.concatenate([F, G], axis=1).ravel())
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == VALUES[name]


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_has_an_exact_front_or_is_mubqp(name):
    task = Task.of_problem(name)
    assert task.reference_front is not None or task.space.n_genotypes <= SMALL or name == "mubqp"
    assert task.n_obj == len(task.objectives) >= 2
    assert task.title == name
