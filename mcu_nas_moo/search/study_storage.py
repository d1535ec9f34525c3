"""Where a study is kept: a journal of our own, or any storage of Optuna."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from mcu_nas_moo.benchmark.results.optuna_export import open_storage
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import is_url
from mcu_nas_moo.common.json_files import shallow
from mcu_nas_moo.common.text import without_passwords
from mcu_nas_moo.search.lease import alone_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from optuna.storages import BaseStorage

#: Seconds after which a lock that does not change was left by a killed process: writers hold it
#: for milliseconds.
STALE_S = 1.5


class DamagedJournalError(InputError):
    """A journal has lines that are none of Optuna's."""

    def __init__(self, path: Path, error: Exception) -> None:
        reason = " ".join(str(error).split())
        super().__init__(
            f"the study in {path} cannot be read ({reason}); restore or delete it, or choose "
            "another --out"
        )


class JournalLock(JournalFileSymlinkLock):
    """Optuna's lock of a journal, taken over within two seconds if a killed process left it.

    Args:
        path: of the journal.
        say: is told of that, in a line.
    """

    def __init__(self, path: Path, say: Callable[[str], object]) -> None:
        super().__init__(str(path))
        self._folder, self._say = path.parent, say

    def acquire(self) -> bool:
        seen, since, pause = None, 0.0, 0.001
        while True:
            try:
                os.symlink(self._lock_target_file, self._lock_file)
            except FileExistsError:
                pass
            else:
                return True
            lock = self._identity()
            if lock != seen:
                seen, since = lock, time.monotonic()
            elif lock is not None and time.monotonic() - since > STALE_S:
                with alone_in(self._folder):  # or two might take over, one of them from the other
                    if self._identity() == lock:
                        with suppress(RuntimeError):
                            self.release()
                        self._say(f"took over {self._lock_file}, which a killed process left")
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def _identity(self) -> tuple[int, int] | None:
        with suppress(FileNotFoundError):
            found = os.lstat(self._lock_file)
            return found.st_ino, found.st_mtime_ns
        return None


class StudyJournal(JournalFileBackend):
    """A journal of Optuna that leaves it to the operating system when it reaches the disk.

    Optuna's own waits for the disk some thirty times in each trial, which takes many times longer
    than a trial here. A process that is killed loses nothing all the same; a power cut may lose
    the last seconds, which the search then does again. Half a line at the end, where a process was
    killed or the disk was full, is cut off before the next line, which it would spoil. Optuna and
    its dashboard read the file.

    Args:
        path: of the file; made if missing.
        say: is told in a line if a lock was taken over.
    """

    def __init__(self, path: Path, say: Callable[[str], object]) -> None:
        self._lock_of_writers = JournalLock(path, say)
        self._path = path
        super().__init__(str(path), lock_obj=self._lock_of_writers)

    def append_logs(self, logs: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with alone_in(self._path.parent):  # or others take the lock over from one that is stopped
            self._lock_of_writers.acquire()
            try:
                with self._path.open("r+b") as file:
                    file.seek(_end_of_lines(file))
                    file.write(lines.encode())
                    file.truncate()
            finally:
                self._lock_of_writers.release()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        try:
            yield from map(shallow, super().read_logs(log_number_from))
        except (ValueError, RecursionError) as error:  # a JSONDecodeError is the former
            raise DamagedJournalError(self._path, error) from error


def _end_of_lines(file: BinaryIO) -> int:
    """Where the last whole line ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        file.seek(end - 1)
        if file.read(1) == b"\n":
            break
        end -= 1
    return end


def open_journal(path: Path, say: Callable[[str], object] = lambda text: None) -> JournalStorage:
    """The storage in a journal file, which is made if missing.

    Args:
        path: of the file.
        say: is told in a line if a lock was taken over that a killed process left.

    Raises:
        InputError: if the file is damaged or cannot be opened.
    """
    try:
        return JournalStorage(StudyJournal(path, say))
    except DamagedJournalError:
        raise
    except Exception as error:  # whatever Optuna finds in it
        raise DamagedJournalError(path, error) from error


def storage_folder(storage: str | Path) -> Path | None:
    """Where the file of a storage lies; None for a server, or if there is no such folder."""
    path = str(storage).removeprefix("sqlite:///").partition("?")[0]
    folder = Path(path).parent
    return folder if not is_url(path) and folder.is_dir() else None


def storage_for_searching(
    storage: str | Path, say: Callable[[str], object] = lambda text: None
) -> BaseStorage:
    """The storage at a URL, or the journal in a file; made if there is none.

    Args:
        storage: URL of Optuna such as ``sqlite:///study.db``, or path of a journal.
        say: see :func:`open_journal`.

    Raises:
        InputError: if it cannot be opened.
    """
    if not is_url(str(storage)) and storage_folder(storage) is not None:
        return open_journal(Path(storage), say)
    with alone_in(storage_folder(storage)):  # two at once would make the same tables
        return open_storage(str(storage))


def storage_for_reading(storage: str) -> BaseStorage:
    """The storage at a URL or path, see ``open_storage``.

    Raises:
        InputError: if it cannot be opened, or is a file that does not exist: opening would make
            an empty one.
    """
    path = storage.removeprefix("sqlite:///").partition("?")[0]
    if not is_url(path) and not Path(path).is_file():
        shown = without_passwords(storage, storage)
        raise InputError(f"there is no storage {shown}; check --storage")
    return open_storage(storage)
