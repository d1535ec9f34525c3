from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo.optimisers.wrapped.paused_thread import PausedThread


def test_questions_and_answers_alternate():
    heard = []

    def count(evaluate):
        heard.extend(evaluate(np.full((1, 1), number)).tolist() for number in range(3))

    thread = PausedThread(count)
    questions = [thread.start(), thread.resume(np.array([10.0])), thread.resume(np.array([11.0]))]
    assert [q.item() for q in questions] == [0, 1, 2]
    assert heard == [[10.0], [11.0]]
    assert thread.resume(np.array([12.0])) is None
    assert heard == [[10.0], [11.0], [12.0]]
    thread.close()


def test_a_function_that_asks_nothing():
    thread = PausedThread(lambda evaluate: None)
    assert thread.start() is None


def test_closing_unwinds_the_function_once():
    left = []

    def ask_for_ever(evaluate):
        try:
            while True:
                try:
                    evaluate(np.zeros((1, 1)))
                except Exception:
                    left.append("swallowed")
        finally:
            left.append("left")

    thread = PausedThread(ask_for_ever)
    thread.start()
    assert left == []
    thread.close()
    thread.close()
    assert left == ["left"]


def test_errors_come_out_where_the_answer_went_in():
    def fail(evaluate):
        evaluate(np.zeros((1, 1)))
        raise LookupError("no more")

    thread = PausedThread(fail)
    thread.start()
    with pytest.raises(LookupError, match="no more"):
        thread.resume(np.zeros(1))
    thread.close()
