"""Work spread over processes: in order or as it comes, stopped and continued, crashes survived."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import warnings
from collections.abc import Sized
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import closing, contextmanager
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mcu_nas_moo.common import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds after which a process without work ends; until then it serves the next work as well.
_IDLE_S = 300
#: Work is parallel: threads within it would only get in the way, and numbers would depend on them.
_ONE_THREAD = {"VECLIB_MAXIMUM_THREADS": "1"} | {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR")
}


class KilledError(RuntimeError):
    """The process of a piece of work was killed, and again when it was tried alone."""

    def __init__(self) -> None:
        super().__init__("its process was killed twice, perhaps for lack of memory")


def cores() -> int:
    """Processor cores that this process may use."""
    from loky import cpu_count

    return int(cpu_count())


class WorkPool:
    """Calls a function for many items, in processes that are kept for later work.

    Functions and items may belong to the main program: what is not found by its name is sent along.
    The processes find modules where this one does, and work in its current folder. A function is
    sent once, so that ``functools.partial`` with large arguments costs little. What is finished is
    the caller's to keep: work is continued by giving the items that are missing.

    Args:
        jobs: processes, at least 1. With 1, work is done in this process.
        executor: does the work instead of processes here, ``jobs`` items at a time.
    """

    def __init__(self, jobs: int = 1, executor: Executor | None = None) -> None:
        self.jobs = jobs
        self._given = executor

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        done: Callable[[int], object] = lambda finished: None,
    ) -> list[Result]:
        """What the function returns, in the order of the items.

        Args:
            done: is told how many are finished, each time that one is.

        Raises:
            KilledError: if an item's process was killed twice.
            Exception: the first one that the function raises; it ends the work.
        """
        results: dict[int, Result] = {}
        numbered = partial(_call_numbered, function)
        with closing(self.as_completed(numbered, [*enumerate(items)])) as work:
            for (number, _), future in work:
                results[number] = future.result()
                done(len(results))
        return [results[number] for number in range(len(results))]

    def as_completed(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[tuple[Item, Future[Result]]]:
        """Each item with its finished future, as they come.

        Items are taken from the iterable when a process is free. An exception of the function is
        in the future, and ends nothing else. A process that is killed takes the others with it;
        what they were at is done again at the end, each item alone. If its process is killed again,
        the future holds a :class:`KilledError`. Whoever leaves the loop ends what is at work.
        """
        if self.jobs == 1 and self._given is None:
            yield from ((item, _done_here(function, item)) for item in items)
            return
        jobs = min(self.jobs, len(items)) if isinstance(items, Sized) else self.jobs
        sent = _Sent(function)
        queue, suspects = iter(items), list[Item]()
        running: dict[Future[Result], Item] = {}
        try:
            while True:
                for item in islice(queue, jobs - len(running)):
                    running[self._submit(jobs, sent, item)] = item
                alone = not running
                if alone:
                    if not suspects:
                        return
                    item = suspects.pop(0)
                    running[self._submit(jobs, sent, item)] = item
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    item = running.pop(future)
                    if not isinstance(future.exception(), BrokenExecutor):
                        yield item, future
                    elif alone:
                        yield item, _explained(future)
                    else:
                        suspects.append(item)
        except BaseException:  # also when the caller leaves the loop
            self._stop(jobs, running)
            raise

    def _submit(self, jobs: int, sent: _Sent[Item, Result], item: Item) -> Future[Result]:
        try:
            with _interrupts_later():
                future: Future[Result] = self._executor(jobs).submit(sent, item)
        except BrokenExecutor:  # since a moment ago
            return self._submit(jobs, sent, item)
        return future

    def _stop(self, jobs: int, running: Iterable[Future[Result]]) -> None:
        for future in running:
            future.cancel()
        if self._given is None:
            from loky import get_reusable_executor

            executor = get_reusable_executor(jobs, reuse=True, kill_workers=True)
            executor.shutdown(kill_workers=True)

    def _executor(self, jobs: int) -> Any:
        """What takes work; made anew if it is broken, and shared by all pools here."""
        if self._given is not None:
            return self._given
        # What loky's tracker clears away after a signal is no concern of the user's.
        os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
        # Nor that it replaced a process that had grown: torch and pictures stay in memory for the
        # next item, and what the process was at is done.
        replaced = "A worker (stopped|was restarted) while some jobs"
        warnings.filterwarnings("ignore", replaced, UserWarning)
        from loky import get_reusable_executor

        return get_reusable_executor(
            jobs,
            timeout=_IDLE_S,
            initializer=processes.join,
            initargs=(processes.group(), os.getpid()),
            env=_ONE_THREAD,
        )


def _call_numbered(function: Callable[[Item], Result], numbered: tuple[int, Item]) -> Result:
    return function(numbered[1])


class _Sent(Generic[Item, Result]):
    """A function on its way to other processes, which read it once."""

    _numbers = count()
    #: Of a process: the function that it read last, by what identifies it.
    _read: dict[tuple[int, int], Callable[[Any], Any]] = {}  # noqa: RUF012

    def __init__(self, function: Callable[[Item], Result]) -> None:
        from cloudpickle import dumps

        self.key = os.getpid(), next(self._numbers)
        self.content = dumps(function)
        self.folder = os.getcwd()
        self.places = [place or self.folder for place in sys.path]

    def __call__(self, item: Item) -> Result:
        if os.getcwd() != self.folder:
            os.chdir(self.folder)
        sys.path += [place for place in self.places if place not in sys.path]
        if self.key not in self._read:
            self._read.clear()
            self._read[self.key] = pickle.loads(self.content)
        result: Result = self._read[self.key](item)
        return result


def _done_here(function: Callable[[Item], Result], item: Item) -> Future[Result]:
    future: Future[Result] = Future()
    try:
        future.set_result(function(item))
    except (Exception, SystemExit) as error:
        future.set_exception(error)
    return future


def _explained(future: Future[Result]) -> Future[Result]:
    """The same future, or one that says more of a process that was killed."""
    from loky.process_executor import TerminatedWorkerError

    if not isinstance(future.exception(), TerminatedWorkerError):
        return future  # such as an item that cannot be read there
    told: Future[Result] = Future()
    told.set_exception(KilledError())
    return told


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Start processes that never get SIGINT: this one ends them, without tracebacks of theirs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
