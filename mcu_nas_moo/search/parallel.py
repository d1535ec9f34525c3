"""One search in several processes here."""

from __future__ import annotations

import json
import pickle
import selectors
import subprocess
import sys
import traceback
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import optuna

from mcu_nas_moo.common import processes
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import one_line
from mcu_nas_moo.search.lease import this_process
from mcu_nas_moo.search.run_search import planned, search
from mcu_nas_moo.search.search_study import Progress, load_study
from mcu_nas_moo.search.streams import close_dead, take_stream
from mcu_nas_moo.search.study_storage import storage_folder, storage_for_searching

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from mcu_nas_moo.problem.task import Task

#: Seconds between two looks at how far the study is.
LOOK_S = 0.5
#: What each process runs; it reads before it imports, so that none waits for another to start.
_PROGRAM = """
import sys
given = sys.stdin.buffer.read()
from mcu_nas_moo.search.parallel import work
work(given)
"""


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
        InputError, OSError: if one of them raises it.
        RuntimeError: if all of them were killed, or another error ended one.
    """
    progress, working = Progress(task.n_obj), list[Any]()
    budget = planned(algorithm, trials, jobs)
    arguments = (storage, study.study_name, task, algorithm, trials, seed, jobs)
    try:
        progress.read(study.get_trials(deepcopy=False))
        for _ in range(jobs if progress.finished < trials else 0):
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            working.append(processes.start([sys.executable, "-c", _PROGRAM], **pipes))
        with selectors.DefaultSelector() as selector:
            for process in working:
                # Taken here, so that no two follow the same where nothing can be locked.
                owner, folder = this_process(process.pid), storage_folder(storage)
                taken = take_stream(study, task, algorithm, seed, budget, folder, owner)
                with suppress(BrokenPipeError), process.stdin as pipe:  # it was killed already
                    pickle.dump((*arguments, taken), pipe)
                selector.register(process.stdout, selectors.EVENT_READ)
            while selector.get_map():
                watch(progress, progress.read(study.get_trials(deepcopy=False)))
                for key, _ in selector.select(LOOK_S):
                    pipe = cast("BinaryIO", key.fileobj)
                    line = pipe.readline()
                    if not line:  # it has ended
                        selector.unregister(pipe)
                        continue
                    kind, text, *more = json.loads(line)
                    if kind == "note":
                        say(text)
                    else:
                        raise InputError(text) if kind == "bad input" else _fault(text, *more)
        failed = sum(process.wait() != 0 for process in working)
    finally:
        for process in working:
            process.kill()
            process.wait()
            process.stdout.close()
        close_dead(study, study.get_trials(deepcopy=False))
    watch(progress, progress.read(study.get_trials(deepcopy=False)))
    if failed and progress.finished < trials:
        raise RuntimeError(f"{failed} of {jobs} processes of the search ended early")
    if failed:
        say(f"{failed} of {jobs} processes ended early; the others did their part")
    return progress


def _fault(text: str, number: int | None, trace: str) -> Exception:
    """What ended a process of several, with its traceback as a note."""
    error = RuntimeError(text) if number is None else OSError(number, text)
    error.add_note(f"In a process of the search:\n{trace}")
    return error


def work(given: bytes) -> None:
    """What a process of several does; it tells its lines, or an error, on its standard output."""
    pipe, sys.stdout = sys.stdout, sys.stderr  # what an algorithm of the user's prints is no line

    def tell(*line: str | int | None) -> None:
        print(json.dumps(line), file=pipe, flush=True)

    say = partial(tell, "note")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage, name, task, algorithm, trials, seed, jobs, taken = pickle.loads(given)
        study = load_study(storage_for_searching(storage, say), name)
        settings = {"jobs": jobs, "taken": taken, "folder": storage_folder(storage), "say": say}
        search(study, task, algorithm, trials, seed, **settings)
    except InputError as error:
        tell("bad input", str(error))
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        text = one_line(error) if number is None else str(error).partition("] ")[2]
        tell("fault", text, number, traceback.format_exc())
