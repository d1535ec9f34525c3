from __future__ import annotations

import pickle
from itertools import product

import numpy as np
import pytest
from pymoo.core.callback import Callback
from pymoo.core.evaluator import Evaluator
from pymoo.core.individual import Individual
from pymoo.core.population import Population
from pymoo.core.problem import ElementwiseProblem, Problem
from pymoo.core.variable import Binary, Choice, Integer, Real
from pymoo.optimize import minimize
from pymoo.problems.single.knapsack import create_random_knapsack_problem
from pymoo.termination import get_termination

import mcu_nas_moo
from mcu_nas_moo import McuNasProblem
from mcu_nas_moo.optimisers.ppo import PPOSettings
from mcu_nas_moo.optimisers.ppo.pymoo_algorithm import PPO, Variables

BATCHES_OF_48 = PPOSettings(batch_size=48)


def front_by_brute_force(F, G):
    """Sorted rows of F that meet G <= 0 and that no other such row dominates."""
    feasible = np.asarray(F)[(np.asarray(G) <= 0).all(axis=1)]
    return sorted(
        tuple(f) for f in feasible if not any((g <= f).all() and (g < f).any() for g in feasible)
    )


class Plane(Problem):
    """Two objectives and constraints over integers from -3 to 4; remembers what it evaluated.

    ``units`` are those of the two constraints.
    """

    def __init__(self, n_var=3, units=(1.0, 1.0), **kwargs):
        arguments = {"n_obj": 2, "n_ieq_constr": 2, "xl": -3, "xu": 4, "vtype": int} | kwargs
        super().__init__(n_var=n_var, **arguments)
        self.units = np.array(units)
        self.evaluated = []

    def values(self, X):
        F = np.column_stack([((X - 1) ** 2).sum(axis=1), ((X + 2) ** 2).sum(axis=1)])
        G = np.column_stack([X.sum(axis=1) - 1, -X[:, 0] - X[:, 1] - 3])
        return F, G

    def _evaluate(self, X, out, *args, **kwargs):
        self.evaluated.extend(X.copy())
        out["F"], G = self.values(X)
        out["G"] = G * self.units

    def all_points(self):
        return np.array(list(product(range(-3, 5), repeat=self.n_var)))


def test_is_exported_from_the_package():
    assert mcu_nas_moo.PPO is PPO


def test_the_result_is_the_front_of_everything_evaluated_and_the_budget_is_exact():
    problem = Plane()
    result = minimize(problem, PPO(), ("n_eval", 130), seed=1)
    X = np.array(problem.evaluated)
    assert len(X) == result.algorithm.evaluator.n_eval == 130
    assert len(np.unique(X, axis=0)) == 130
    assert sorted(map(tuple, result.F)) == front_by_brute_force(*problem.values(X))
    assert result.X.dtype == np.int64
    np.testing.assert_array_equal(result.F, problem.values(result.X)[0])
    np.testing.assert_array_equal(result.opt.get("X"), result.X)


def test_an_exhausted_space_ends_the_run_with_the_true_front():
    problem = Plane()
    result = minimize(problem, PPO(), ("n_eval", 10_000), seed=1)
    everything = problem.all_points()
    assert sorted(map(tuple, problem.evaluated)) == sorted(map(tuple, everything))
    assert sorted(map(tuple, result.F)) == front_by_brute_force(*problem.values(everything))


def test_mixed_variables_get_values_of_their_kind():
    sizes = {"tiny": 1.0, "big": 5.0, None: 2.0}

    class Mixed(ElementwiseProblem):
        def __init__(self):
            variables = {
                "size": Choice(options=list(sizes)),
                "count": Integer(bounds=(-2, 3)),
                "on": Binary(),
            }
            super().__init__(vars=variables, n_obj=2, n_ieq_constr=1)

        def _evaluate(self, x, out, *args, **kwargs):
            assert type(x["on"]) is bool
            assert type(x["count"]) is int
            out["F"], out["G"] = values(x["size"], x["count"], x["on"])

    def values(size, count, on):
        return [sizes[size] * (count**2 + 1), -count - 2 * on + sizes[size]], [count + on - 3]

    result = minimize(Mixed(), PPO(), ("n_eval", 1000), seed=3)
    F, G = zip(*(values(*x) for x in product(sizes, range(-2, 4), (False, True))), strict=True)
    assert result.algorithm.evaluator.n_eval == 36
    assert sorted(map(tuple, result.F)) == front_by_brute_force(F, G)
    assert set(result.X[0]) == {"size", "count", "on"}


def test_binary_variables_are_booleans_and_a_single_optimum_has_one_row():
    problem = create_random_knapsack_problem(9, variant="single")
    points = np.array(list(product((0, 1), repeat=9)))
    profits = (points @ problem.P)[points @ problem.W <= problem.C]
    result = minimize(problem, PPO(), ("n_eval", 512), seed=1)
    assert result.X.dtype == bool
    assert result.X.shape == (9,)
    assert result.F.tolist() == [-profits.max()]


def test_finds_good_knapsacks_where_random_points_are_all_infeasible():
    problem = create_random_knapsack_problem(40, variant="single")
    random = np.random.default_rng(0).random((600, 40)) < 0.5
    assert (problem.evaluate(random)[1] > 0).all()
    best = np.zeros(problem.C + 1)  # by dynamic programming over the capacity
    for weight, profit in zip(problem.W, problem.P, strict=True):
        if weight <= problem.C:
            best[weight:] = np.maximum(best[weight:], best[: len(best) - weight] + profit)
    result = minimize(problem, PPO(), ("n_eval", 600), seed=1)
    assert 0.5 * best[-1] <= -result.F[0] <= best[-1]


def test_equality_constraints_are_met_within_the_tolerance_of_pymoo():
    class Sum(Problem):
        def __init__(self):
            super().__init__(n_var=3, n_obj=1, n_eq_constr=1, xl=0, xu=5, vtype=int)

        def _evaluate(self, X, out, *args, **kwargs):
            out["F"] = (X**2).sum(axis=1)
            out["H"] = X.sum(axis=1) - 7 + 5e-5

    result = minimize(Sum(), PPO(), ("n_eval", 216), seed=1)
    assert sorted(result.X) == [2, 2, 3]
    assert result.CV.tolist() == [0.0]


def test_without_a_feasible_point_the_least_infeasible_is_kept_apart():
    problem = Plane(n_var=2)
    problem.values = lambda X: (X.astype(float), np.add(np.abs(X - [2, 3]), [0.5, 0.25]))
    result = minimize(problem, PPO(), ("n_eval", 64), seed=1)
    assert result.X is None
    assert result.algorithm.opt.get("X").tolist() == [[2, 3]]
    algorithm = PPO(return_least_infeasible=True)
    result = minimize(problem, algorithm, ("n_eval", 64), seed=1)
    assert result.X.tolist() == [[2, 3]]


@pytest.mark.parametrize("units", [(2.0**30, 1.0), (2.0**-20, 2.0**10)])
def test_the_units_of_constraints_change_nothing(units):
    runs = []
    for problem in (Plane(n_var=5), Plane(n_var=5, units=units)):
        minimize(problem, PPO(), ("n_eval", 200), seed=4)
        runs.append(problem.evaluated)
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_failed_evaluations_are_neither_learnt_from_nor_results(bad):
    class Failing(Plane):
        def values(self, X):
            F, G = super().values(X)
            F = F.astype(float)
            F[X[:, 2] % 2 == 0, 1] = bad
            return F, np.where(X[:, :1] == 3, bad, G)

    problem = Failing()
    result = minimize(problem, PPO(), ("n_eval", 300), seed=1)
    F, G = problem.values(np.array(problem.evaluated))
    kept = np.isfinite(F).all(axis=1) & np.isfinite(G).all(axis=1)
    assert not kept.all()
    assert sorted(map(tuple, result.F)) == front_by_brute_force(F[kept], G[kept])


@pytest.mark.parametrize("constraints", [0, 2])
def test_a_problem_that_always_fails_has_no_result(constraints, capsys):
    problem = Plane(n_ieq_constr=constraints)
    problem.values = lambda X: (np.full((len(X), 2), np.nan), np.zeros((len(X), constraints)))
    problem.units = np.ones(constraints)
    result = minimize(problem, PPO(), ("n_eval", 100), seed=1, verbose=True)
    assert result.X is None
    assert len(problem.evaluated) == 100
    assert "100" in capsys.readouterr().out


def test_same_seed_same_run():
    runs = []
    for seed in (5, 5, 6):
        problem = Plane(n_var=6)
        minimize(problem, PPO(), ("n_eval", 120), seed=seed)
        runs.append(np.array(problem.evaluated))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_minimize_leaves_the_given_algorithm_as_it_was():
    algorithm = PPO()
    first, second = (minimize(Plane(), algorithm, ("n_eval", 100), seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.X, second.X)
    assert algorithm.problem is None


def test_a_checkpoint_continues_the_run_as_if_it_had_not_stopped():
    whole, part = Plane(n_var=6), Plane(n_var=6)
    minimize(whole, PPO(BATCHES_OF_48), ("n_eval", 200), seed=2)
    algorithm = PPO(BATCHES_OF_48)
    minimize(part, algorithm, ("n_eval", 96), seed=2, copy_algorithm=False)
    algorithm = pickle.loads(pickle.dumps(algorithm))
    algorithm.termination = get_termination("n_eval", 200)
    result = minimize(algorithm.problem, algorithm, copy_algorithm=False)
    np.testing.assert_array_equal(algorithm.problem.evaluated, whole.evaluated)
    assert result.algorithm.evaluator.n_eval == 200


def test_ask_and_tell_with_own_evaluation_until_nothing_is_left():
    problem = Plane(n_var=2)
    algorithm = PPO()
    algorithm.setup(problem, termination=("n_eval", 1000), seed=1)
    asked = []
    while algorithm.has_next():
        infills = algorithm.ask()
        X = infills.get("X")
        asked.extend(map(tuple, X))
        F, G = problem.values(X)
        infills.set("F", F, "G", G)
        algorithm.tell(infills=infills)
    assert sorted(asked) == sorted(product(range(-3, 5), repeat=2))
    expected = front_by_brute_force(*problem.values(problem.all_points()))
    assert sorted(map(tuple, algorithm.result().F)) == expected


def test_the_run_goes_on_while_batches_are_out():
    problem = Plane(n_var=2)
    algorithm = PPO(BATCHES_OF_48)
    algorithm.setup(problem, termination=("n_eval", 1000), seed=1)
    first, second = algorithm.ask(), algorithm.ask()
    assert len(first) + len(second) == 64
    algorithm.tell(infills=algorithm.evaluator.eval(problem, second))
    assert algorithm.has_next()
    algorithm.tell(infills=algorithm.evaluator.eval(problem, first))
    assert not algorithm.has_next()


def test_points_from_elsewhere_can_be_told():
    problem = Plane(n_var=8, n_ieq_constr=0)
    problem.values = lambda X: (np.column_stack([(X**2).sum(axis=1)] * 2), np.empty((len(X), 0)))
    problem.units = np.ones(0)
    algorithm = PPO()
    algorithm.setup(problem, termination=("n_eval", 1000), seed=1)
    algorithm.tell(infills=Evaluator().eval(problem, algorithm.ask()))
    foreign = Population.create(Individual(X=np.zeros(8)))
    algorithm.tell(infills=Evaluator().eval(problem, foreign))
    assert algorithm.opt.get("X").tolist() == [[0] * 8]
    assert [0] * 8 not in algorithm.ask().get("X").tolist()
    for outside in (np.full(8, 5), np.full(8, 0.5)):
        with pytest.raises(ValueError, match="no integer within the bounds"):
            algorithm.tell(
                infills=Evaluator().eval(problem, Population.create(Individual(X=outside)))
            )


def test_callback_history_and_columns_as_of_other_algorithms(capsys):
    class Sizes(Callback):
        def notify(self, algorithm):
            self.data.setdefault("new", []).append(len(algorithm.off))
            self.data.setdefault("best", []).append(len(algorithm.opt))

    callback = Sizes()
    result = minimize(
        Plane(),
        PPO(BATCHES_OF_48),
        ("n_eval", 110),
        seed=1,
        callback=callback,
        save_history=True,
        verbose=True,
    )
    sizes = result.algorithm.callback.data
    assert sizes["new"] == [48, 48, 14]
    assert [len(entry.opt) for entry in result.history] == sizes["best"]
    assert [entry.evaluator.n_eval for entry in result.history] == [48, 96, 110]
    lines = capsys.readouterr().out.splitlines()
    assert "n_nds" in lines[1]
    assert len(lines) == 3 + 3


def test_only_representatives_are_proposed():
    problem = Plane(n_var=4)
    algorithm = PPO(canonical=lambda X: np.sort(X, axis=1))
    minimize(problem, algorithm, ("n_eval", 150), seed=1)
    X = np.array(problem.evaluated)
    assert (np.diff(X, axis=1) >= 0).all()
    assert len(np.unique(X, axis=0)) == len(X) == 150


def test_optimises_networks():
    problem = McuNasProblem(profile="cortex-m7")
    result = minimize(problem, PPO(), ("n_eval", 150), seed=1)
    assert len(problem.subnets(result.X)) == len(result.F) > 0
    assert (result.G <= 0).all()
    # The problem itself says which genotypes are the same.
    np.testing.assert_array_equal(problem.task.space.canonical(result.X), result.X)


def test_neighbouring_values_are_alike_where_numbers_grow():
    options = [[1, 2, 8], [0.5, 1], [3, 1, 2], ["a", "b"], [1, "b"]]
    variables = {number: Choice(options=values) for number, values in enumerate(options)}
    variables |= {"count": Integer(bounds=(0, 3)), "on": Binary()}
    ordered = Variables(Problem(vars=variables)).ordered
    assert ordered.tolist() == [True, True, False, False, False, True, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vtype": float}, "vtype=int or bool"),
        ({"vtype": None}, "vtype=int or bool"),
        ({"xl": None}, "xl and xu"),
        ({"xl": 0.2, "xu": 0.8}, "no integer lies within"),
        ({"xu": np.inf}, "needs a lower and an upper bound"),
        ({"vars": {"rate": Real(bounds=(0, 1)), "on": Binary()}}, "'rate' is Real; make it an I"),
        ({"vars": {"n": Integer(bounds=(0, None))}}, "'n' needs a lower and an upper bound"),
    ],
)
def test_says_what_to_change_in_problems_that_are_not_discrete(arguments, message):
    with pytest.raises(ValueError, match=message):
        minimize(Plane(**arguments), PPO(), ("n_eval", 10))


def test_tensorboard_gets_a_record(tmp_path):
    pytest.importorskip("tensorboard")
    minimize(Plane(), PPO(tensorboard=tmp_path), ("n_eval", 80), seed=1)
    assert list(tmp_path.glob("events*"))


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match=r"no argument .batch_size.*PPOSettings"):
        PPO(batch_size=16)
