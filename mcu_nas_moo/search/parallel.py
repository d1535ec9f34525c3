"""One search in several processes here."""

from __future__ import annotations

import signal
from multiprocessing import connection, get_context
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common import processes
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.search.run_search import search
from mcu_nas_moo.search.search_study import load_study
from mcu_nas_moo.search.study_storage import storage_folder, storage_for_searching

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import optuna

    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.search.search_study import Progress

#: Seconds between two looks at how far the study is.
LOOK_S = 0.5


def search_in_processes(
    storage: str | Path,
    study: optuna.Study,
    task: Task,
    algorithm: str,
    trials: int,
    seed: int,
    jobs: int,
    watch: Callable[[Progress, bool], object] = lambda progress, changed: None,
    say: Callable[[str], object] = lambda text: None,
) -> Progress:
    """As ``search``, in ``jobs`` processes that follow a stream each.

    They end with this process, however that ends. If one of them is killed, the others do its part.

    Raises:
        InputError: if one of them raises it.
        RuntimeError: if all of them were killed, or another error ended one.
    """
    context = get_context("spawn")
    workers: dict[Any, Any] = {}
    for _ in range(jobs):
        mine, theirs = context.Pipe(duplex=False)
        settings = (storage, study.study_name, task, algorithm, trials, seed, jobs)
        workers[mine] = context.Process(target=_work, args=(processes.group(), theirs, settings))
        workers[mine].start()
        theirs.close()
    try:
        ...
    finally:
        for worker in workers.values():
            worker.kill()
            worker.join()
