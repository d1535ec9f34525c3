from __future__ import annotations

import csv
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import public_problem_set
import public_problems


def front_by_brute_force(problem, X):
    F, G = problem.evaluate(X)
    feasible = np.unique(F[(G <= 0).all(axis=1)], axis=0)
    dominated = [
        any((other <= point).all() and (other < point).any() for other in feasible)
        for point in feasible
    ]
    return feasible[~np.array(dominated)]


def small_assignment():
    problem = public_problem_set.BiobjectiveAssignment(n_agents=3, n_jobs=7)
    problem.capacities = problem.capacities + 8  # so few jobs hardly fit otherwise
    return problem


@pytest.mark.parametrize(
    "make",
    [lambda: public_problem_set.BiobjectiveKnapsack(n_items=9, seed=3), small_assignment],
    ids=["knapsack", "assignment"],
)
def test_exact_fronts_are_those_of_enumeration(make):
    problem = make()
    points = product(*(range(int(last) + 1) for last in problem.xu))
    expected = front_by_brute_force(problem, np.array(list(points)))
    assert len(expected) > 3
    np.testing.assert_allclose(problem.pareto_front(), expected)
    assert (expected < problem.worst).all()


def test_the_front_of_the_gear_train_is_that_of_enumeration():
    problem = public_problem_set.GearTrain()
    # Wheels up to 36 teeth are enough for the front's part up to there.
    X = np.array(list(product(range(25), repeat=4)))
    front = problem.pareto_front()
    np.testing.assert_allclose(
        front[front[:, 1] <= 36], front_by_brute_force(problem, X), atol=1e-12
    )


def test_the_gear_train_of_the_literature():
    # Deb, Pratap and Moitra 2000: 12, 12, 27, 37 teeth make 1/6.931 with an error of 1.83e-8.
    F, G = public_problem_set.GearTrain().evaluate(np.array([[0, 0, 15, 25], [0, 0, 0, 0]]))
    assert (1 / 6.931 - 1 / (6.931 - F[0, 0])) ** 2 == pytest.approx(1.83e-8, rel=0.01)
    assert F[0, 1] == 37
    assert (G[:, 0] <= 0).tolist() == [True, False]


def test_a_knapsack_and_an_assignment_by_hand():
    knapsack = public_problem_set.BiobjectiveKnapsack(n_items=4)
    F, G = knapsack.evaluate(np.array([[True, False, True, False]]))
    assert F.tolist() == [(-knapsack.profits[:, 0] - knapsack.profits[:, 2]).tolist()]
    load = knapsack.weights[1, 0] + knapsack.weights[1, 2]
    assert G[0, 1] == pytest.approx(load / (knapsack.weights[1].sum() / 2) - 1)

    assignment = public_problem_set.BiobjectiveAssignment(n_agents=2, n_jobs=3)
    F, G = assignment.evaluate(np.array([[0, 1, 1]]))
    cost, resource = assignment.costs, assignment.resources
    assert F.tolist() == [[c[0, 0] + c[1, 1] + c[1, 2] for c in cost]]
    expected = (resource[1, 1] + resource[1, 2]) / np.floor(0.4 * resource[1].sum()) - 1
    assert G[0, 1] == pytest.approx(expected)


def test_the_command_writes_scores_and_table(tmp_path):
    arguments = ["--problems", "gear-train", "--seeds", "2", "--budget", "600"]
    public_problems.main([*arguments, "--out", str(tmp_path)])
    with (tmp_path / "public_problems.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (len(public_problems.ALGORITHMS) + 1) * 2
    assert {row["evaluations"] for row in rows} == {"500", "600"}
    assert all(0 < float(row["hypervolume_ratio"]) <= 1 for row in rows)
    text = (tmp_path / "public_problems.md").read_text()
    assert "python benchmarks/public_problems.py --problems gear-train" in text
    assert text.count("| gear-train |") == 4
    assert text.count("| local-search |") == 2


@pytest.mark.parametrize("name", list(public_problem_set.PROBLEMS))
def test_local_search_stays_within_the_problem(name, monkeypatch):
    problem = public_problem_set.PROBLEMS[name]()
    asked = []
    evaluate = problem.evaluate
    monkeypatch.setattr(
        problem, "evaluate", lambda X, **more: asked.append(X) or evaluate(X, **more)
    )
    F, met = public_problems.with_local_search(problem, seed=0, budget=203)
    X = np.concatenate(asked)
    assert len(np.unique(X, axis=0)) == len(X) == len(F) == len(met) == 203
    assert ((problem.xl <= X) & (problem.xu >= X)).all()
    own = evaluate(X)
    np.testing.assert_array_equal(F, own[0])
    np.testing.assert_array_equal(met, (own[1] <= 0).all(axis=1))


@pytest.mark.parametrize("arguments", [["--problems", "tsp"], ["--seeds", "0"]])
def test_the_command_refuses_what_makes_no_sense(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        public_problems.main(arguments)
    assert "error" in capsys.readouterr().err
