"""Figures that are measured once for each network, and lie on disk from then on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from mcu_nas_moo import InputError, Metric, Task
from mcu_nas_moo.problem.evaluators.cached_evaluator import CachedEvaluator
from mcu_nas_moo.problem.evaluators.checked_evaluator import CheckedEvaluator
from mcu_nas_moo.problem.evaluators.task_evaluators import checked
from mcu_nas_moo.testing import ToySpace

SPACE = ToySpace(3)


def cached(evaluator):
    return CachedEvaluator(CheckedEvaluator(evaluator))


X = np.array([[1, 2, 3], [0, 0, 0], [0, 0, 3], [1, 2, 3], [3, 3, 3]])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


class Stopwatch:
    """Never the same twice; the largest network fails."""

    name = "stopwatch"
    metrics = (Metric("pause_ms", unit="ms"),)
    deterministic = False
    fingerprint = "1"

    def __init__(self):
        self.asked = []
        self.rng = np.random.default_rng()

    def evaluate(self, space, X):
        assert len(X) == 1
        self.asked.append(X[0].tolist())
        lost = X.sum() == 9
        return {
            "pause_ms": [np.nan if lost else self.rng.random()],
            "pause_ms_std": [0.25],
            "reason": ["too\nlarge" if lost else ""],
        }


def test_the_first_figure_of_a_network_counts():
    watch = Stopwatch()
    kept = checked(watch, None)
    first, second = kept.evaluate(SPACE, X), kept.evaluate(SPACE, X[::-1])
    values = first.values["pause_ms"]
    assert values[0] == values[3]
    assert values[1] == values[2] != values[0]  # one network: its last gene has no effect
    np.testing.assert_array_equal(second.values["pause_ms"][::-1], values)
    assert first.values["pause_ms_std"].tolist()[:4] == [0.25] * 4
    assert watch.asked == [[1, 2, 3], [0, 0, 0], [3, 3, 3]]
    assert first.reasons == {4: "too large"}
    assert np.isnan(values[4])
    assert second.reasons == {0: "too large"}


def test_they_outlive_the_program():
    values = cached(Stopwatch()).evaluate(SPACE, X).values["pause_ms"]
    later = Stopwatch()
    np.testing.assert_array_equal(cached(later).evaluate(SPACE, X).values["pause_ms"], values)
    assert later.asked == []


@pytest.mark.parametrize("fingerprint", ["2", "a/b c", "1" * 60, "1" * 61])
def test_they_are_those_of_a_fingerprint_and_a_space(fingerprint):
    """Which may be any text: a name of a file is not made of it."""
    known = cached(Stopwatch())
    known.evaluate(SPACE, X[:1])
    other = Stopwatch()
    other.fingerprint = fingerprint
    kept = cached(other)
    kept.evaluate(SPACE, X[:1])
    assert len(other.asked) == 1
    paths = {known.path(SPACE), kept.path(SPACE), kept.path(ToySpace(4))}
    assert len(paths) == 3
    assert {path.parent for path in paths} == {known.path(SPACE).parent}


def test_fingerprints_with_one_beginning_are_told_apart():
    one, two = Stopwatch(), Stopwatch()
    one.fingerprint, two.fingerprint = "trained-for-epochs-1", "trained-for-epochs-2"
    assert cached(one).path(SPACE) != CachedEvaluator(CheckedEvaluator(two)).path(SPACE)


def test_what_was_finished_before_an_interrupt_is_kept():
    class Interrupted(Stopwatch):
        def evaluate(self, space, X):
            if len(self.asked) == 1:
                raise KeyboardInterrupt
            return super().evaluate(space, X)

    with pytest.raises(KeyboardInterrupt):
        cached(Interrupted()).evaluate(SPACE, X)
    later = Stopwatch()
    cached(later).evaluate(SPACE, X)
    assert later.asked == [[0, 0, 0], [3, 3, 3]]


def test_two_processes_agree(cache):
    """Whoever is first tells the figure."""
    text = (
        "import numpy as np, test_cached_evaluator as t\n"
        "kept = t.cached(t.Stopwatch())\n"
        "X = t.SPACE.sample(40, np.random.default_rng(3))\n"
        "print(kept.evaluate(t.SPACE, X).values['pause_ms'].tolist())\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{text}"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1]
    assert answers[0].startswith("[")


def test_slow_and_sure_ones_are_kept_as_well():
    class Slow(Stopwatch):
        deterministic, cost = True, "minutes"

    kept = checked(Slow(), None)
    assert isinstance(kept, CachedEvaluator)
    task = Task(SPACE, None, ["pause_ms"], evaluators=[Slow()])
    assert task.cost == "minutes"
    assert np.isfinite(task.evaluate(X[:4]).F).all()


@pytest.mark.parametrize(
    "row", ["{", "[1]", '{"pause_ms": "x"}', '{"other": 1}', '{"pause_ms": NaN}']
)
def test_a_damaged_row_is_told_with_the_remedy(row):
    kept = cached(Stopwatch())
    kept.evaluate(SPACE, X[:1])
    with sqlite3.connect(kept.path(SPACE)) as store:
        store.execute("UPDATE figures SET facts = ?", (row,))
    store.close()
    with pytest.raises(InputError) as refused:
        kept.evaluate(SPACE, X[:1])
    assert str(refused.value) == (
        f"{kept.path(SPACE)} cannot be used (a row of it is damaged); delete it, and the figures "
        "of evaluator stopwatch are asked for again"
    )


def test_a_file_that_is_no_store():
    kept = cached(Stopwatch())
    kept.path(SPACE).parent.mkdir(parents=True)
    kept.path(SPACE).write_bytes(b"no database, but long enough to be looked at" * 10)
    with pytest.raises(InputError, match=r"cannot be used \(file is not a database\); delete it"):
        kept.evaluate(SPACE, X[:1])


def test_wrong_answers_are_refused_and_not_kept():
    class Silent(Stopwatch):
        def evaluate(self, space, X):
            return {"pause_ms": [np.nan]}

    kept = cached(Silent())
    with pytest.raises(InputError, match=r"gave NaN for stage1_width=2 .* without a reason"):
        kept.evaluate(SPACE, X[:1])
    assert np.isfinite(cached(Stopwatch()).evaluate(SPACE, X[:1]).values["pause_ms"]).all()
