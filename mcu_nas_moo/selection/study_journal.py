"""The file that keeps a study where the user names no storage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class StudyJournal(JournalFileBackend):
    """A journal of Optuna that leaves it to the operating system when it reaches the disk.

    Optuna's own waits for the disk some thirty times in each trial, which takes many times longer
    than a trial here. A process that is killed loses nothing all the same; a power cut may lose
    the last seconds, which the search then does again. Optuna and its dashboard read the file.

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
            with self._path.open("ab") as file:
                file.write(lines.encode())
        finally:
            self._lock_of_writers.release()


def open_journal(path: Path) -> JournalStorage:
    """The storage in a journal file, which is made if missing.

    Raises:
        ValueError: if the file is damaged or cannot be opened.
    """
    try:
        return JournalStorage(StudyJournal(path))
    except Exception as error:  # whatever Optuna finds in it
        reason = " ".join(str(error).split())
        raise ValueError(
            f"the study in {path} cannot be read ({reason}); restore or delete it, or choose "
            "another --out"
        ) from error
