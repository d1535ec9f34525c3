"""Which process works on what, whether it still runs, and which one may go first."""

from __future__ import annotations

import os
import platform
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Seconds after which work of another host, whose processes cannot be seen, is taken for lost.
ABROAD_S = 24 * 3600
_held: set[Path] = set()


def this_process() -> dict[str, Any]:
    """Who works, as plain data: host, process, the process's start, and the time."""
    process = psutil.Process()
    return {
        "host": _host(),
        "pid": process.pid,
        "started": process.create_time(),
        "since": time.time(),
    }


def is_dead(owner: Mapping[str, Any]) -> bool:
    """Whether the process that :func:`this_process` described has ended.

    One of another host counts as ended a day after it began the work.
    """
    if owner["host"] != _host():
        return bool(time.time() - owner["since"] > ABROAD_S)
    try:
        process = psutil.Process(owner["pid"])
        # Numbers of processes are given again; and one that was killed may wait for its parent.
        same = abs(process.create_time() - owner["started"]) < 1
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _host() -> str:
    """The machine, or the container: numbers of processes count within it."""
    inside = ""
    with suppress(OSError):
        inside = f"/{os.stat('/proc/self/ns/pid').st_ino}"
    return platform.node() + inside


@contextmanager
def alone_in(folder: Path | None) -> Iterator[None]:
    """Let no other process be between this and the end of the block with the same folder.

    The operating system holds the lock, so that a killed process leaves none behind; where a file
    system has no locks, there is none. Without a folder, too.
    """
    if folder is None or folder in _held or os.name != "posix":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    _held.add(folder)
    try:
        import fcntl

        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        _held.discard(folder)
        os.close(descriptor)
