"""Which process works on what, whether it still runs, and which one may go first."""

from __future__ import annotations

import os
import platform
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import psutil
from pydantic import Field

from mcu_nas_moo.common.yaml_files import Facts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Seconds after which work of another host, whose processes cannot be seen, is taken for lost;
#: those who work say several times as often that they do.
ABROAD_S = 600.0
#: Folders in which this process is at its turn, and whether the system holds others off.
_held: dict[Path, bool] = {}


class Owner(Facts):
    """Who works on something.

    Args:
        host: see ``_host``.
        pid: of the process there.
        started: when that process did.
        since: when it last said that it works. Times are in seconds since 1970.
    """

    host: str
    pid: Annotated[int, Field(ge=0, lt=2**31)]
    started: float
    since: float


def this_process(pid: int | None = None) -> Owner:
    """The owner that this process is, or another one of this host, from now on."""
    process = psutil.Process(pid)
    return Owner(host=_host(), pid=process.pid, started=process.create_time(), since=time.time())


def is_dead(owner: Owner) -> bool:
    """Whether the process has ended; one that cannot be seen has if it says nothing for long."""
    with suppress(psutil.AccessDenied):
        if owner.host == _host():
            try:
                process = psutil.Process(owner.pid)
                # Numbers are given again; and a process that was killed may wait for its parent.
                same = abs(process.create_time() - owner.started) < 1
                return not same or process.status() == psutil.STATUS_ZOMBIE
            except psutil.NoSuchProcess:
                return True
    return time.time() - owner.since > ABROAD_S


def _host() -> str:
    """The machine, or the container: numbers of processes count within it."""
    inside = ""
    with suppress(OSError):
        inside = f"/{os.stat('/proc/self/ns/pid').st_ino}"
    return platform.node() + inside


@contextmanager
def alone_in(folder: Path | None) -> Iterator[bool]:
    """Let no other process be between this and the end of the block with the same folder.

    The operating system holds the lock, so that a killed process leaves none behind. Yields whether
    there is one: not where the file system or Windows has none, nor without a folder.
    """
    folder = None if folder is None else folder.resolve()
    if folder is None or folder in _held or os.name != "posix":
        yield folder is not None and _held.get(folder, False)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    _held[folder] = False
    try:
        import fcntl

        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _held[folder] = True
        yield _held[folder]
    finally:
        del _held[folder]
        os.close(descriptor)
