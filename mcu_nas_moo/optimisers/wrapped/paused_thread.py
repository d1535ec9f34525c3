"""Control turned inside out: a loop that pulls evaluations, driven by one that pushes them."""

from __future__ import annotations

import random
import weakref
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes


class PausedThread:
    """Runs a function that calls back for values, and stands still at each call.

    Only one of the two sides runs at any time. The function's own use of the global generators of
    torch, numpy and Python is kept apart from that of everybody else: each side finds them as it
    left them. That does not hold if a third thread draws from them at the same time.

    The thread ends when the function returns or fails, at :meth:`close`, or when this object is
    dropped. The function must therefore not refer to it.

    Args:
        function: called with ``evaluate``, which maps genotypes ``(N, n_genes)`` to one value
            each, shape ``(N,)``.
    """

    def __init__(self, function: Callable[[Callable[[Genotypes], FloatArray]], object]) -> None:
        self._questions: SimpleQueue[Any] = SimpleQueue()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._generators: _Generators | None = None
        self._thread = Thread(
            target=_run, args=(function, self._questions, self._answers), daemon=True
        )
        self._stop = weakref.finalize(self, self._answers.put, _STOP)
        # When the interpreter ends, the thread just stays where it waits.
        self._stop.atexit = False

    def start(self) -> Genotypes | None:
        """Run until the first question and return it; None if there is none."""
        with self._own_generators():
            self._thread.start()
            return self._next()

    def resume(self, answer: FloatArray) -> Genotypes | None:
        """Answer the question; run until the next one and return it; None if there is none.

        Raises:
            Exception: what the function raised.
        """
        with self._own_generators():
            self._answers.put(answer)
            return self._next()

    def close(self) -> None:
        """End the thread and wait for that; nothing happens if it has ended."""
        self._stop()
        if self._thread.is_alive():
            self._thread.join()

    def _next(self) -> Genotypes | None:
        question = self._questions.get()
        if isinstance(question, BaseException):
            raise question
        genotypes: Genotypes | None = question
        return genotypes

    @contextmanager
    def _own_generators(self) -> Iterator[None]:
        others = _Generators.now()
        if self._generators is not None:
            self._generators.restore()
        try:
            yield
        finally:
            self._generators = _Generators.now()
            others.restore()


#: Answers a question by the end of the thread.
_STOP = object()


class _Stopped(BaseException):
    """Unwinds the function; no Exception, so that it is not caught on the way."""


def _run(
    function: Callable[[Callable[[Genotypes], FloatArray]], object],
    questions: SimpleQueue[Any],
    answers: SimpleQueue[Any],
) -> None:
    def evaluate(X: Genotypes) -> FloatArray:
        questions.put(X)
        answer = answers.get()
        if answer is _STOP:
            raise _Stopped
        values: FloatArray = answer
        return values

    try:
        function(evaluate)
    except _Stopped:
        pass
    except BaseException as error:
        questions.put(error)
    else:
        questions.put(None)


class _Generators(NamedTuple):
    """States of the generators that a process has one of."""

    torch: torch.Tensor
    numpy: Any
    python: Any

    @classmethod
    def now(cls) -> _Generators:
        return cls(torch.get_rng_state(), np.random.get_state(), random.getstate())  # noqa: NPY002

    def restore(self) -> None:
        torch.set_rng_state(self.torch)
        np.random.set_state(self.numpy)  # noqa: NPY002
        random.setstate(self.python)
