"""Which evaluators a task asks, given which arguments."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from small_space import random_predictor
from small_space import small_space as of_mbconv

from mcu_nas_moo import FunctionEvaluator, Gene, InputError, Metric, SearchSpace, Task
from mcu_nas_moo.problem.evaluators.cached_evaluator import CachedEvaluator
from mcu_nas_moo.problem.facts import problem_facts

GENES = SearchSpace("s", [Gene("a", (1, 2)), Gene("b", (1, 2, 3))])
MINE = """
import numpy as np

class Mine:
    metrics = ("error", "latency_ms")

    def evaluate(self, space, X):
        return {"error": X[:, 0] / 2, "latency_ms": X[:, 1] + 1.0}

class Noisy(Mine):
    deterministic = False

mine = Mine()
number = 5

def broken():
    return 1 / 0
"""


def telling(*metrics, value=1.0):
    def tell(space, X):
        names = [m if isinstance(m, str) else m.name for m in metrics]
        return {name: np.full(len(X), value) for name in names}

    return FunctionEvaluator(tell, list(metrics))


@pytest.fixture
def folder(user_module, monkeypatch):
    folder = user_module("their_evaluator", MINE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return folder


def kinds(task):
    return [asked.name for asked in task.evaluators.all]


def test_the_usual_ones_tell_what_is_left():
    space = of_mbconv()
    usual = Task(space, "cortex-m4", accuracy=random_predictor(space))
    assert kinds(usual) == ["accuracy predictor", "cost model"]
    own = Task(space, "cortex-m4", evaluators=[telling("error", "latency_ms")])
    assert kinds(own) == ["cost model", "tell"]
    assert own.evaluators.analytic.metrics.keys() == {
        "sram_kib",
        "flash_kib",
        "energy_mj",
        "macs_m",
    }
    X = space.smallest
    assert own.metrics(X)["sram_kib"] == usual.metrics(X)["sram_kib"]
    assert own.metrics(X)["latency_ms"].tolist() == [1.0]
    everything = telling("error", "latency_ms", "sram_kib", "flash_kib", "energy_mj", "macs_m")
    assert kinds(Task(space, "cortex-m4", evaluators=[everything])) == ["tell"]


def test_an_evaluator_can_stand_for_accuracy_or_costs():
    space = of_mbconv()
    task = Task(space, "cortex-m4", accuracy=telling("accuracy"), costs=telling("latency_ms"))
    assert kinds(task) == ["cost model", "tell", "tell"]
    assert task.evaluate(space.smallest).F.tolist() == [[0.0, 1.0]]


def test_a_space_without_networks_has_only_what_is_told(folder):
    task = Task(GENES, None, evaluators=["their_evaluator:Mine"])
    assert kinds(task) == ["Mine"]
    F, G = task.evaluate(np.array([[1, 2], [0, 0]]))
    assert F.tolist() == [[0.5, 3.0], [0.0, 1.0]]
    assert G.shape == (2, 0)
    unknown = "nothing tells sram_kib of s; its networks are unknown"
    with pytest.raises(InputError, match=f"objective sram: {unknown}"):
        Task(GENES, None, ("error", "sram"), evaluators=["their_evaluator:mine"])
    on_board = Task(GENES, "cortex-m4", evaluators=["their_evaluator:mine"])
    assert on_board.constraint_names == ("latency",)
    with pytest.raises(InputError, match=r"limit sram_kib: nothing tells .* networks are unknown"):
        Task(GENES, "cortex-m4", limits={"sram_kib": 9}, evaluators=["their_evaluator:mine"])
    with pytest.raises(InputError, match=r"error: nothing tells error of s; .* predictor does not"):
        Task(GENES, "cortex-m4", evaluators=[telling("latency_ms")])


def test_what_measures_is_kept(folder):
    (noisy,) = Task(GENES, None, evaluators=["their_evaluator:Noisy"]).evaluators.all
    assert isinstance(noisy, CachedEvaluator)
    (sure,) = Task(GENES, None, evaluators=["their_evaluator:Mine"]).evaluators.all
    assert not isinstance(sure, CachedEvaluator)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (("error",), ("error",), "accuracy or error"),
        (("error",), ("accuracy",), "accuracy or error"),
        (("latency_ms",), ("error", "latency_ms"), "latency_ms"),
        ((Metric("mine"),), (Metric("mine", unit="s"),), "mine"),
    ],
)
def test_a_metric_of_two_evaluators_is_refused(first, second, told):
    with pytest.raises(InputError) as refused:
        Task(GENES, None, evaluators=[telling(*first), telling(*second)])
    assert str(refused.value) == (
        f"{told} is told by two evaluators, tell and tell; leave one out, or let one give its "
        "metric another name"
    )


def test_one_evaluator_may_tell_accuracy_and_error():
    task = Task(GENES, None, ["error"], evaluators=[telling("accuracy", "error", value=0.5)])
    assert task.evaluate(np.array([[0, 0]])).F.tolist() == [[0.5]]


def test_a_metric_with_the_name_of_a_known_one_is_refused():
    with pytest.raises(InputError, match=r"two metrics are called 'latency_ms'; .* another name"):
        Task(GENES, None, ["error"], evaluators=[telling("error", Metric("latency_ms", unit="h"))])


@pytest.mark.parametrize(
    ("evaluators", "message"),
    [
        ("their_evaluator:Mine", "evaluators must be a list, got str"),
        (["their_evaluator"], "unknown evaluator 'their_evaluator'; write module:Name, or the na"),
        (["no_such_module:Mine"], "cannot import 'no_such_module' for evaluator 'no_such_module:M"),
        (["their_evaluator:Min"], "has no 'Min', wanted for evaluator .*; did you mean 'Mine'"),
        (["their_evaluator:number"], r"evaluator int lacks the method evaluate\(space, X\)"),
        (["their_evaluator:broken"], r"cannot be made without arguments: ZeroDivisionError: divi"),
        (["none.csv"], r"no table none\.csv; give a CSV or Parquet file"),
    ],
)
def test_what_is_found_under_no_name(folder, evaluators, message):
    with pytest.raises(InputError, match=message) as refused:
        Task(GENES, None, evaluators=evaluators)
    assert "\n" not in str(refused.value)


def test_learned_costs_need_a_device():
    with pytest.raises(InputError, match="costs are those of a device; give a profile as well"):
        Task(GENES, None, ["error"], costs="mlp", evaluators=[telling("error")])


def test_packages_announce_evaluators(folder, announce):
    announce(EntryPoint("theirs", "their_evaluator:Mine", "mcu_nas_moo.evaluators"))
    assert kinds(Task(GENES, None, evaluators=["theirs"])) == ["Mine"]


def test_named_ones_return_from_facts_and_changed_ones_are_told(folder):
    space = folder / "s.yaml"
    space.write_text("kind: genes\ngenes: {a: [1, 2], b: [1, 2, 3]}\n")
    (folder / "t.csv").write_text(
        "a,b,memory_mb\n" + "".join(f"{a},{b},{a * b}\n" for a in (1, 2) for b in (1, 2, 3))
    )
    parts = ["their_evaluator:Mine", folder / "t.csv"]
    task = Task(space, None, ("error", "memory_mb"), evaluators=parts)
    facts = problem_facts(task.facts().plain(folder), "study.json")
    again = Task.from_facts(facts, folder / "study.json")
    assert again.fingerprint == task.fingerprint
    X = np.array([[1, 2], [0, 1]])
    assert again.evaluate(X).F.tolist() == task.evaluate(X).F.tolist() == [[0.5, 6], [0, 2]]
    moved = (folder / "t.csv").read_text().replace("2,3,6", "2,3,7")
    (folder / "t.csv").write_text(moved)
    with pytest.raises(InputError, match=r"t\.csv is not the file of then"):
        Task.from_facts(facts, folder / "study.json")


def test_one_that_a_program_made_is_not_found_again(tmp_path):
    task = Task(GENES, None, ["error"], evaluators=[telling("error")])
    with pytest.raises(
        InputError, match=r"evaluator tell was made by a Python program; .* module:"
    ):
        Task.from_facts(task.facts(), tmp_path / "study.json")
