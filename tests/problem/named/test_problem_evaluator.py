"""Problems that users write, as tasks; and whatever can be wrong with them."""

import json
from pathlib import Path

import numpy as np
import pytest

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.metrics import Metric
from mcu_nas_moo.problem.facts import problem_facts
from mcu_nas_moo.problem.reachability import check_limits
from mcu_nas_moo.problem.task import Task

PRICE = np.array([[0, 3, 5, 9], [0, 2, 6, 7], [0, 4, 8, 0]])


class Crates:
    n_choices = (4, 4, 3)
    objectives = ("cost", "weight")
    constraints = ("budget",)

    def evaluate(self, X):
        cost = PRICE[np.arange(3), X].sum(axis=1)
        F = np.stack([cost, 30.5 - 1.5 * cost], axis=1)
        F[X[:, 0] == 3] = np.nan
        return F, cost - 12.0, np.where(X[:, 0] == 3, "does not\nfit", "")


def test_a_problem_is_a_task_of_its_options():
    task = Task.of_problem(Crates())
    assert task.name.startswith("Crates--cost-weight")
    assert task.title == "Crates"
    assert task.n_choices.tolist() == [4, 4, 3]
    assert [gene.name for gene in task.space.genes] == ["x1", "x2", "x3"]
    assert (task.objectives, task.constraint_names) == (("cost", "weight"), ("budget",))
    X = np.array([[1, 1, 1], [2, 3, 2], [3, 0, 0]])
    F, G = task.evaluate(X)
    np.testing.assert_array_equal(F, [[9, 17], [20, 0.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(G, [[-3], [8], [np.nan]])
    assert [task.reason(x) for x in X] == [None, None, "does not fit"]
    assert task.evaluate(X[:0]).F.shape == (0, 2)
    check_limits(task)


def test_names_options_and_what_people_read():
    class Wheels:
        name = "wheels"
        genes = {"teeth": range(12, 15), "steel": ["soft", "hard"]}  # noqa: RUF012
        objectives = ("wear", Metric("gain", smaller_is_better=False))

        def evaluate(self, X):
            return X.astype(float)

        def decode(self, X):
            return [{"ratio": float(x[0]) / 2, "steel": "never"} for x in X]

    task = Task.of_problem(Wheels())
    X = np.array([[2, 1]])
    (subnet,) = task.space.decode(X)
    assert dict(subnet.values) == {"ratio": 1.0, "teeth": 14, "steel": "hard"}
    assert task.space.encode(subnet).tolist() == X.tolist()
    assert task.title == "wheels"
    # Minimised is what evaluate() says; the metric is minus it.
    assert task.evaluate(X).F.tolist() == [[2, 1]]
    assert task.metrics(X)["gain"].tolist() == [-1]


def test_failures_need_no_reason():
    class Silent(Crates):
        def evaluate(self, X):
            return super().evaluate(X)[:2]

    task = Task.of_problem(Silent())
    assert np.isnan(task.evaluate(np.array([[3, 0, 0]])).F).all()
    assert task.reason(np.array([3, 0, 0])) == "the problem does not tell"


def test_known_metrics_keep_their_unit():
    class Networks(Crates):
        objectives = ("error", "latency_ms")

    task = Task.of_problem(Networks())
    assert task.objectives == ("error", "latency")
    assert task.objective_metrics[1].label == "latency, ms"


def test_the_front_that_it_tells():
    class Told(Crates):
        def reference_front(self):
            return [[1, 2], [2, 1]]

    assert Task.of_problem(Told()).reference_front.tolist() == [[1, 2], [2, 1]]
    assert Task.of_problem(Crates()).reference_front is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_choices": 4}, "n_choices must be whole numbers from 1 to 32,767, one for each gene"),
        ({"n_choices": [4, 0]}, r"n_choices must be whole .* got \[4, 0\]"),
        ({"n_choices": [4.0, 2.5]}, "n_choices must be whole"),
        ({"n_choices": [40_000]}, "n_choices must be whole"),
        ({"n_choices": None}, "n_choices must be whole"),
        ({"genes": {"a": [1, 2]}}, "other numbers of options than n_choices"),
        ({"objectives": ["cost"]}, "objectives must be a list of at least 2 names"),
        ({"objectives": "cost"}, "objectives must be a list of at least 2 names"),
        ({"objectives": ["cost", "cost"]}, "names a column twice: cost, cost, budget"),
        ({"objectives": ["Cost!", "b"]}, "Bad: metric 'Cost!' needs a name"),
        ({"objectives": ["accuracy", "b"]}, "accuracy cannot be minimised"),
        ({"constraints": "budget"}, "constraints must be a list of names"),
        ({"constraints": ["cost"]}, "names a column twice"),
        ({"evaluate": None}, r"lacks the method evaluate\(X\)"),
    ],
)
def test_an_object_that_is_no_problem(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        Task.of_problem(type("Bad", (Crates,), changes)())
    assert "problem Bad" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda X: (np.zeros((len(X), 3)), np.zeros((len(X), 1))), r"F of shape \(2, 3\); it must"),
        (lambda X: np.zeros((len(X), 2)), r"G no array of numbers; it must be \(2, 1\).*budget"),
        (lambda X: (np.zeros((len(X), 2)), np.zeros((1, 1))), r"G of shape \(1, 1\)"),
        (lambda X: (["a", "b"], None), "F no array of numbers"),
        (lambda X: (np.full((len(X), 2), np.inf), np.zeros(len(X))), "F is infinite; give rows of"),
        (lambda X: (np.zeros((len(X), 2)), np.zeros(len(X)), ["no"]), "1 reasons for 2 genotypes"),
        (
            lambda X: 1 / 0,
            r"evaluate failed: ZeroDivisionError: .* \(test_problem_evaluator.py:\d+\)",
        ),
        (lambda X: (np.random.default_rng().random((len(X), 2)), X[:, 0]), "to be deterministic"),
    ],
)
def test_answers_that_are_none(answer, message):
    bad = type("Bad", (Crates,), {"evaluate": lambda self, X: answer(X)})
    with pytest.raises(InputError, match=message) as caught:
        Task.of_problem(bad()).evaluate(np.array([[0, 0, 0], [1, 1, 1]]))
    assert "problem Bad" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ([1, 2], r"of shape \(2,\); it must be \(n, 2\)"),
        ([[1, 2, 3]], r"of shape \(1, 3\)"),
        ([["a", "b"]], "no table of numbers"),
        (np.zeros((0, 2)), r"of shape \(0, 2\)"),
        ([[1, np.nan]], "holds NaN"),
    ],
)
def test_fronts_that_are_none(front, message):
    bad = type("Bad", (Crates,), {"reference_front": front})
    with pytest.raises(InputError, match=f"problem Bad: reference_front .*{message}"):
        _ = Task.of_problem(bad()).reference_front


def test_constraints_that_nothing_meets():
    class Tight(Crates):
        def evaluate(self, X):
            F, G, why = super().evaluate(X)
            return F, G + 20, why

    message = "no solution of Tight was found that meets its constraints: budget ≤ 0 .smallest 8."
    with pytest.raises(InputError, match=message):
        check_limits(Task.of_problem(Tight()))


OWN = """
import numpy as np
from mcu_nas_moo import Task

class Mine:
    n_choices, objectives = [3, 3], ["a", "b"]
    def evaluate(self, X):
        return np.stack([X.sum(axis=1), 4 - X[:, 0] * X[:, 1]], axis=1)

def task():
    return Task("mbconv-stage", "cortex-m4")

NOTHING = 3
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("own_problem_module.py").write_text(OWN, encoding="utf-8")
    yield "own_problem_module"
    import sys

    sys.modules.pop("own_problem_module", None)


@pytest.mark.parametrize("name", ["Mine", "task"])
def test_a_named_problem_returns_from_its_facts(own_module, name):
    task = Task.of_problem(f"{own_module}:{name}")
    text = json.dumps(task.facts().plain())
    read = problem_facts(json.loads(text), "some.json")
    again = Task.from_facts(read, Path("some.json"))
    assert again.fingerprint == task.fingerprint
    assert again.facts() == task.facts()
    assert read.table.keys() == task.table.keys()
    assert again.title == ("Mine" if name == "Mine" else "mbconv-stage on cortex-m4")


def test_shipped_problems_return_from_their_facts():
    task = Task.of_problem("toy-scaling")
    facts = task.facts().plain()
    assert facts["problem"] == "toy-scaling"
    assert "space_facts" not in facts
    read = problem_facts(json.loads(json.dumps(facts)), "some.json")
    assert Task.from_facts(read, Path("some.json")).fingerprint == task.fingerprint


def test_code_that_changed_is_another_problem(own_module):
    import sys

    facts = Task.of_problem(f"{own_module}:Mine").facts()
    Path(f"{own_module}.py").write_text(OWN.replace("4 -", "5 -"), encoding="utf-8")
    del sys.modules[own_module]
    with pytest.raises(
        InputError, match=r"s.json: the code of problem .*:Mine' changed since then"
    ):
        Task.from_facts(facts, Path("s.json"))


def test_a_problem_of_a_program_is_told_how_to_be_found():
    facts = Task.of_problem(Crates()).facts()
    with pytest.raises(InputError, match="of problem Crates was made by a Python program"):
        Task.from_facts(facts, Path("s.json"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy-scalin", "unknown problem 'toy-scalin'; did you mean 'toy-scaling'"),
        ("own_problem_module:Min", "did you mean 'Mine'"),
        ("own_problem_module:NOTHING", "lacks the method evaluate"),
        ("no_such_module_at_all:Mine", "no_such_module_at_all"),
    ],
)
def test_names_of_no_problem(own_module, name, message):
    with pytest.raises(InputError, match=message):
        Task.of_problem(name)
