import copy
import pickle

import numpy as np
import pytest
from enumerable_task import ToyTask
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.optimize import minimize
from pymoo.util.ref_dirs import get_reference_directions

from mcu_nas_moo.problem.adapters.pymoo_operators import (
    CanonicalDuplicateElimination,
    integer_operators,
)
from mcu_nas_moo.problem.adapters.pymoo_problem import McuNasProblem


@pytest.fixture
def task():
    return ToyTask()


@pytest.fixture
def problem(task):
    return McuNasProblem(task=task)


class OneMax(Problem):
    """Sum of the distances from the last options: any integer problem, none of ours."""

    def __init__(self, n_choices):
        self.dtypes = set()
        xu = np.asarray(n_choices) - 1
        super().__init__(n_var=len(xu), n_obj=1, xl=0, xu=xu, vtype=int)

    def _evaluate(self, X, out, *args, **kwargs):
        self.dtypes.add(X.dtype)
        out["F"] = (self.xu - X).sum(axis=1)


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_finds_the_enumerated_front(name, task, problem):
    if name == "nsga2":
        algorithm = NSGA2(pop_size=50, **problem.operators())
    else:
        directions = get_reference_directions("das-dennis", 2, n_partitions=39)
        algorithm = NSGA3(directions, pop_size=40, **problem.operators())
    result = minimize(problem, algorithm, ("n_gen", 12), seed=1)
    found = {tuple(x) for x in task.space.canonical(result.X).tolist()}
    # NSGA-III drops what shares a direction; whatever it reports must be truly optimal.
    if name == "nsga3":
        assert found <= task.feasible_front()
        assert len(found) >= len(task.feasible_front()) / 2
    else:
        assert found == task.feasible_front()
    assert result.X.dtype == np.int64


def test_evaluate_is_the_tasks(task, problem):
    X = task.all_genotypes()
    F, G = problem.evaluate(X, return_values_of=["F", "G"])
    np.testing.assert_array_equal(F, task.evaluate(X).F)
    np.testing.assert_array_equal(G, task.evaluate(X).G)


def test_same_seed_same_result(problem):
    runs = [
        minimize(problem, NSGA2(pop_size=12, **problem.operators()), ("n_eval", 60), seed=5)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(runs[0].X, runs[1].X)


def test_default_operators_are_refused_with_the_remedy(problem):
    with pytest.raises(ValueError, match=r"\*\*problem\.operators\(\)"):
        minimize(problem, NSGA2(pop_size=12), ("n_eval", 24), seed=1)


def test_subnets_read_every_form_of_result(task, problem):
    X = task.all_genotypes()[[0, -1]]
    assert [dict(s.values) for s in problem.subnets(X)] == [
        {"depth": 1, "kernel1": 3, "width": 8, "head": 64},
        {"depth": 2, "kernel1": 5, "kernel2": 5, "width": 16, "head": 192},
    ]
    assert problem.subnets(X[1]) == problem.subnets(X)[1:]
    assert problem.subnets(None) == []
    assert problem.metrics(None) == {}
    assert problem.metrics(X[0])["latency_ms"].tolist() == [5.0]


def test_infeasible_run_gives_no_subnets(task):
    task.limits = dict.fromkeys(task.limits, 1.0)
    problem = McuNasProblem(task=task)
    result = minimize(problem, NSGA2(pop_size=12, **problem.operators()), ("n_eval", 24), seed=1)
    assert problem.subnets(result.X) == []


def test_operators_are_fresh_at_every_call(problem):
    first, second = problem.operators(), problem.operators()
    assert all(first[name] is not second[name] for name in first)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_give_the_same_run(duplicate, problem):
    def run(p):
        algorithm = NSGA2(pop_size=12, **p.operators())
        return minimize(p, duplicate(algorithm), ("n_eval", 36), seed=2).X

    np.testing.assert_array_equal(run(problem), run(duplicate(problem)))


def test_task_and_settings_together_are_refused(task):
    with pytest.raises(ValueError, match="profile"):
        McuNasProblem(profile="cortex-m4", task=task)


def test_operators_solve_other_integer_problems():
    problem = OneMax([2, 3, 1, 7, 4, 2, 5, 3])
    result = minimize(problem, GA(pop_size=20, **integer_operators()), ("n_gen", 25), seed=3)
    np.testing.assert_array_equal(result.X, problem.xu)
    assert problem.dtypes == {np.dtype(np.int64)}


def test_operators_refuse_other_lower_bounds():
    problem = Problem(n_var=2, n_obj=1, xl=1, xu=3, vtype=int)
    with pytest.raises(ValueError, match="xl = 0"):
        integer_operators()["sampling"].do(problem, 5, random_state=np.random.default_rng(0))


def test_mutation_operator_changes_one_gene_on_average():
    problem = OneMax([3] * 18)
    X = np.ones((4000, 18), dtype=np.int64)
    mutation = integer_operators()["mutation"]
    children = mutation.do(problem, Population.new("X", X), random_state=np.random.default_rng(0))
    changed = (children.get("X") != 1).sum(axis=1)
    assert changed.mean() == pytest.approx(1.0, abs=0.06)


def test_duplicates_are_those_of_the_canonical_form(task):
    X = np.array([[0, 1, 0, 2, 3], [0, 1, 1, 2, 3], [1, 1, 0, 2, 3], [1, 1, 1, 2, 3]])
    eliminate = CanonicalDuplicateElimination(task.space.canonical)
    # Rows 0 and 1 differ in a gene without effect.
    assert eliminate.do(Population.new("X", X)).get("X").tolist() == X[[0, 2, 3]].tolist()
    others = Population.new("X", X[3:])
    kept = eliminate.do(Population.new("X", X), others, to_itself=False).get("X")
    assert kept.tolist() == X[:3].tolist()
    assert len(CanonicalDuplicateElimination().do(Population.new("X", X))) == 4
