"""Processes that end with the one that started them, however that ends.

They share a process group with a guard, which reads from a pipe that this process holds open. When
the pipe closes, even by ``kill -9``, the guard kills the group. Without process groups (Windows)
they end by themselves.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GUARD = "import os, sys; sys.stdin.buffer.read(); os.killpg(0, 9)"
#: Reentrant: the handler of a signal may find its own thread within.
_lock = threading.RLock()
_guard: subprocess.Popen[bytes] | None = None


def group() -> int | None:
    """The process group of this process's children, for ``Popen(process_group=...)``."""
    global _guard  # noqa: PLW0603
    if os.name != "posix":
        return None
    with _lock:
        if _guard is None or _guard.poll() is not None:
            # -I and -S: it starts in milliseconds and imports nothing of the user's.
            _guard = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _GUARD], stdin=subprocess.PIPE, process_group=0
            )
        return _guard.pid


def join(number: int | None, parent: int) -> None:
    """Enter the :func:`group` of the process that started this one; end if that has ended."""
    if number is not None:
        try:
            os.setpgid(0, number)
        except OSError:  # that process ended, or was stopped, while this one started
            os._exit(1)
        if os.getppid() != parent:  # the guard may have done its work before this one joined
            os._exit(1)


def end_children() -> None:
    """Kill all that was started in the group, and what these processes started."""
    global _guard  # noqa: PLW0603
    with _lock:
        if _guard is not None:
            from multiprocessing import active_children

            for child in active_children():  # those that have not joined yet
                child.terminate()
            with suppress(ProcessLookupError):
                os.killpg(_guard.pid, signal.SIGKILL)
            _guard.communicate()
            _guard = None


def _forget() -> None:
    """In a fork: the guard is its parent's."""
    global _guard  # noqa: PLW0603
    if _guard is not None and _guard.stdin is not None:
        _guard.stdin.close()
    _guard = None


atexit.register(end_children)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def start(command: Sequence[str], **settings: Any) -> subprocess.Popen[Any]:
    """``subprocess.Popen`` of a program that ends with this process."""
    return subprocess.Popen(command, process_group=group(), **settings)


def run(command: Sequence[str]) -> tuple[int, str]:
    """Run a program that ends with this process; returns its code and what it said on stderr."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        process_group=group(),
    )
    return done.returncode, done.stderr


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT end all children at once, then raise KeyboardInterrupt here.

    Signals that are ignored stay so. Outside the main thread it does nothing.
    """
    here = os.getpid()

    def stop(number: int, _: object) -> None:
        if os.getpid() != here:  # a fork, as of a user's pool, whose children are none of its own
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)
            return
        end_children()
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
