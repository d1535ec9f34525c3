"""The file that keeps a study where the user names no storage."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO


class DamagedJournalError(InputError):
    """A journal has lines that are none of Optuna's."""

    def __init__(self, path: Path, error: Exception) -> None:
        reason = " ".join(str(error).split())
        super().__init__(
            f"the study in {path} cannot be read ({reason}); restore or delete it, or choose "
            "another --out"
        )


class StudyJournal(JournalFileBackend):
    """A journal of Optuna that leaves it to the operating system when it reaches the disk.

    Optuna's own waits for the disk some thirty times in each trial, which takes many times longer
    than a trial here. A process that is killed loses nothing all the same; a power cut may lose
    the last seconds, which the search then does again. Half a line at the end, where a process was
    killed or the disk was full, is cut off before the next line, which it would spoil. Optuna and
    its dashboard read the file.

    Args:
        path: of the file; made if missing.
    """

    def __init__(self, path: Path) -> None:
        self._lock_of_writers = JournalFileSymlinkLock(str(path))
        self._path = path
        super().__init__(str(path), lock_obj=self._lock_of_writers)

    def append_logs(self, logs: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
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
            yield from super().read_logs(log_number_from)
        except ValueError as error:  # a JSONDecodeError is one
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


def open_journal(path: Path) -> JournalStorage:
    """The storage in a journal file, which is made if missing.

    Raises:
        InputError: if the file is damaged or cannot be opened.
    """
    try:
        return JournalStorage(StudyJournal(path))
    except DamagedJournalError:
        raise
    except Exception as error:  # whatever Optuna finds in it
        raise DamagedJournalError(path, error) from error
