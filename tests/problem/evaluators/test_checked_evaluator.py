"""What evaluators may answer, and how a wrong answer is told."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from mcu_nas_moo import FunctionEvaluator, Gene, InputError, Metric, SearchSpace
from mcu_nas_moo.problem.evaluators.checked_evaluator import CheckedEvaluator

SPACE = SearchSpace("s", [Gene("a", (1, 2)), Gene("b", ("x", "y", "z"))])
X = np.array([[0, 0], [1, 2], [0, 1]])
NAN = float("nan")


def asked(answer, metrics=("error",), **options):
    """An evaluator that always gives one answer, cut to as many networks."""

    def tell(space, X):
        if not isinstance(answer, dict):
            return answer(X) if callable(answer) else answer
        return {n: v[: len(X)] if isinstance(v, list) else v for n, v in answer.items()}

    return CheckedEvaluator(FunctionEvaluator(tell, metrics, **options))


def refusal(call) -> str:
    with pytest.raises(InputError) as refused:
        call()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_failed_network_is_nan_throughout_with_its_reason():
    answer = {
        "error": [0.5, NAN, 0.25],
        "latency_ms": [1, 2, 3],
        "error_std": [0.1, 0.1, 0.1],
        "reason": [None, "out of\n  memory", "too slow"],
    }
    told = asked(answer, ("error", "latency_ms")).evaluate(SPACE, X)
    assert told.reasons == {1: "out of memory", 2: "too slow"}
    assert {n: v.tolist()[:1] for n, v in told.values.items()} == {
        "error": [0.5],
        "latency_ms": [1.0],
        "error_std": [0.1],
    }
    assert all(np.isnan(values[1:]).all() for values in told.values.values())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda X: np.zeros(len(X) + 1), r"error has shape \(4,\); it must be \(3,\), a number"),
        (lambda X: np.zeros((len(X), 1)), r"error has shape \(3, 1\); it must be \(3,\)"),
        (None, r"error has shape \(\); it must be \(3,\)"),
        (lambda X: ["much"] * len(X), "error holds what is no number"),
        (lambda X: {"eror": np.zeros(len(X))}, "promised error and did not tell it; it told eror"),
        (lambda X: {}, "promised error and did not tell it; it told nothing"),
        ({"error": [1.0, NAN, 2.0]}, 'gave NaN for a=2 b=z without a reason; say why in "reason"'),
        ({"error": [1.0, NAN, 2.0], "reason": ["", " \n", ""]}, "gave NaN .* without a reason"),
        ({"error": [1.0, np.inf, 2.0]}, "error is infinite; give NaN and a reason"),
        ({"error": [0.1, 30.0, 0.2]}, "error 30 is no share from 0 to 1; give 0.3 for 30 %"),
        ({"error": [0.1, 0.2, -0.1]}, "error -0.1 is no share from 0 to 1"),
        ({"error": [1.0, 2.0, 3.0], "reason": ["x", ""]}, '"reason" holds 2; .* list of 3 texts'),
        ({"error": [1.0, 2.0, 3.0], "reason": "bad"}, "\"reason\" holds 'bad'; .* list of 3"),
        ({"error": [1.0, 2.0, 3.0], "reason": None}, '"reason" holds None; .* list of 3 texts'),
    ],
)
def test_an_answer_that_breaks_the_contract_is_named(answer, message):
    text = refusal(lambda: asked(answer).evaluate(SPACE, X))
    assert text.startswith("evaluator tell")
    assert re.search(message, text), text


def test_two_metrics_need_a_mapping():
    text = refusal(
        lambda: asked(lambda X: np.zeros(len(X)), ("error", "sram_kib")).evaluate(SPACE, X)
    )
    assert "answered with ndarray; it must be a mapping of error, sram_kib to 3 numbers" in text


def test_an_error_within_the_evaluator_is_told_with_its_line():
    def divide(X):
        return 1 / 0

    line = divide.__code__.co_firstlineno + 1
    text = refusal(lambda: asked(divide).evaluate(SPACE, X))
    place = f"test_checked_evaluator.py:{line}"
    assert text == f"evaluator tell failed: ZeroDivisionError: division by zero ({place})"


def test_an_input_error_of_the_evaluator_passes_as_it_is():
    def refuse(X):
        raise InputError("no pictures in /data")

    assert refusal(lambda: asked(refuse).evaluate(SPACE, X)) == "no pictures in /data"


def test_values_that_depend_on_the_batch_are_refused_at_once():
    evaluator = asked(lambda X: X[:, 1] - X[:, 1].mean(), ("latency_ms",))
    text = refusal(lambda: evaluator.evaluate(SPACE, X))
    assert (
        "told latency_ms -1.0 and then 0.0 of one network; round figures that depend on the batch"
        in text
    )
    assert "deterministic = False" in text


def test_values_that_change_later_are_found_at_calls_1_2_4_8():
    calls = []

    def drifting(X):
        calls.append(len(X))
        return np.full(len(X), float(len(calls) > 9))

    evaluator = asked(drifting)
    for _ in range(7):
        evaluator.evaluate(SPACE, X)
    assert calls == [3, 1, 3, 1, 3, 3, 1, 3, 3, 3]
    text = refusal(lambda: evaluator.evaluate(SPACE, X))
    assert "says to be deterministic, but told error 0.0 and then 1.0 of one network" in text


def test_one_that_measures_is_not_compared():
    rng = np.random.default_rng(0)
    evaluator = asked(lambda X: rng.random(len(X)), deterministic=False)
    first, second = (evaluator.evaluate(SPACE, X).values["error"] for _ in range(2))
    assert (first != second).all()


def test_no_networks_are_no_question_of_determinism():
    assert asked(lambda X: np.zeros(len(X))).evaluate(SPACE, X[:0]).values["error"].shape == (0,)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("error", "metrics must be a list of names or Metrics, got 'error'"),
        ((), r"metrics must be a list of names or Metrics, got \(\)"),
        (("eror",), "unknown metric 'eror'; did you mean 'error'.* give a Metric"),
        ((Metric("mine"), Metric("mine")), r"names a metric twice: \['mine'\]"),
        (("error", "error"), r"names a metric twice: \['error'\]"),
    ],
)
def test_wrong_metrics(metrics, message):
    text = refusal(lambda: asked(None, metrics))
    assert text.startswith("evaluator tell")
    assert re.search(message, text), text


def test_what_is_no_evaluator():
    assert refusal(lambda: CheckedEvaluator(FunctionEvaluator)) == (
        "evaluator FunctionEvaluator is a class; give an object, FunctionEvaluator(...)"
    )
    assert refusal(lambda: CheckedEvaluator(refusal)) == (
        "evaluator refusal lacks the method evaluate(space, X); for a function, give "
        "FunctionEvaluator(function, metrics)"
    )
    assert (
        refusal(lambda: CheckedEvaluator(5)) == "evaluator int lacks the method evaluate(space, X)"
    )


def plain(**attributes):
    return SimpleNamespace(metrics=["error"], evaluate=lambda space, X: None, **attributes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": 5}, "evaluator SimpleNamespace: name must be a str, got 5"),
        ({"deterministic": "no"}, "deterministic must be a bool, got 'no'"),
        ({"fingerprint": 7}, "fingerprint must be a str, got 7"),
        ({"accuracy_of": None}, "accuracy_of must be a str, got None"),
        ({"cost": "hours"}, "cost must be one of microseconds, seconds, minutes, got 'hours'"),
        ({"thread_safe": 1}, "thread_safe must be a bool, got 1"),
    ],
)
def test_wrong_attributes(attributes, message):
    assert message in refusal(lambda: CheckedEvaluator(plain(**attributes)))


def test_what_is_left_out_has_a_value():
    one = CheckedEvaluator(plain())
    assert (one.name, one.deterministic, one.cost) == ("SimpleNamespace", True, "microseconds")
    assert one.accuracy_of == "data of evaluator SimpleNamespace"
    assert not one.thread_safe
    assert one.fingerprint == CheckedEvaluator(plain()).fingerprint
    assert CheckedEvaluator(plain(fingerprint="v2")).fingerprint == "v2"


def test_an_evaluator_that_changes_what_it_is_given_changes_its_own():
    def spoil(X):
        X[:] = 7
        return np.zeros(len(X))

    before = X.copy()
    asked(spoil).evaluate(SPACE, X)
    assert (before == X).all()
