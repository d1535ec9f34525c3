"""The work pool against plain loops; crashes, interruption and the death of its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest

from mcu_nas_moo.common import workpool
from mcu_nas_moo.common.workpool import KilledError, WorkPool

ROOT = Path(__file__).parents[2]


def squared(number):
    if number == -1:
        raise ValueError("no roots here")
    return number**2


def dies(folder, number):
    """Kill this process at number 3 always, at 5 the first time."""
    mark = folder / f"{number}-{time.monotonic_ns()}"
    mark.touch()
    if number == 3 or (number == 5 and len(list(folder.glob("5-*"))) == 1):
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_map_is_in_order_and_tells_how_far_it_is(jobs):
    told = []
    # Later items are done sooner; functions of this very function are sent along.
    pool = WorkPool(jobs)
    results = pool.map(lambda n: time.sleep(0.01 * (6 - n)) or n * n, range(6), told.append)
    assert results == [0, 1, 4, 9, 16, 25]
    assert told == [1, 2, 3, 4, 5, 6]
    assert pool.map(squared, []) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_exception_ends_map_but_not_the_others_as_they_come(jobs):
    with pytest.raises(ValueError, match="no roots here"):
        WorkPool(jobs).map(squared, [1, -1, 2])
    futures = dict(WorkPool(jobs).as_completed(squared, [1, -1, 2]))
    assert str(futures.pop(-1).exception()) == "no roots here"
    assert {item: future.result() for item, future in futures.items()} == {1: 1, 2: 4}


def test_items_are_taken_only_when_a_process_is_free():
    taken = []

    def items():
        for number in range(10):
            taken.append(number)
            yield number

    for position, _ in enumerate(WorkPool(2).as_completed(squared, items()), start=1):
        assert len(taken) <= position + 2


def test_a_killed_process_costs_only_its_own_item(tmp_path):
    futures = dict(WorkPool(2).as_completed(partial(dies, tmp_path), range(8)))
    assert isinstance(futures[3].exception(), KilledError)
    assert "killed twice" in str(futures[3].exception())
    assert {n: futures[n].result() for n in futures if n != 3} == {n: n for n in range(8) if n != 3}
    assert len(list(tmp_path.glob("3-*"))) == 2
    # What had ended before is not done again.
    assert len(list(tmp_path.glob("0-*"))) == 1


def test_what_cannot_be_sent_is_said():
    class Locked:
        def __reduce__(self):
            return eval, ("1 / 0",)

    (done,) = WorkPool(2).as_completed(squared, [Locked()])
    assert "un-serialize" in str(done[1].exception())
    with pytest.raises(Exception, match="pickle the task"):
        WorkPool(2).map(squared, [threading.Lock()])


def test_processes_have_one_thread_the_current_folder_and_new_places(tmp_path, monkeypatch):
    pool = WorkPool(2)
    assert set(pool.map(lambda name: os.environ[name], ["OMP_NUM_THREADS"] * 3)) == {"1"}
    (first,) = set(pool.map(lambda _: os.getcwd(), range(3)))
    assert first == os.getcwd()
    (tmp_path / "brought_module.py").write_text("def tripled(n):\n    return 3 * n\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    from brought_module import tripled

    assert pool.map(tripled, [1, 2]) == [3, 6]
    assert set(pool.map(lambda _: os.getcwd(), range(3))) == {str(tmp_path)}


def test_processes_are_kept_and_a_function_is_read_once():
    pool = WorkPool(2)
    pids = set(pool.map(lambda _: time.sleep(0.05) or os.getpid(), range(6)))
    assert set(pool.map(lambda _: time.sleep(0.05) or os.getpid(), range(6))) == pids
    reads = pool.map(partial(lambda seen, n: seen.append(n) or len(seen), []), range(20))
    assert sum(reads) > 60  # each process counts on; 20 if it were read anew


def test_leaving_the_loop_ends_what_is_at_work(tmp_path):
    def slow(number):
        if number:
            (tmp_path / str(os.getpid())).touch()
            time.sleep(60)

    start = time.monotonic()
    for _ in WorkPool(3).as_completed(slow, [1, 1, 0]):
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        break
    for path in tmp_path.iterdir():
        assert not alive(int(path.name))
    assert time.monotonic() - start < 30
    assert WorkPool(2).map(squared, [3, 4]) == [9, 16]


def test_another_executor_can_stand_behind_it():
    with ThreadPoolExecutor(3) as executor:
        pool = WorkPool(3, executor)
        assert pool.map(squared, range(9)) == [n * n for n in range(9)]


def test_cores():
    assert 1 <= workpool.cores() <= os.cpu_count()


PROGRAM = """
import os, sys, time
from mcu_nas_moo.common.processes import start, stopped_by_signals
from mcu_nas_moo.common.workpool import WorkPool

def work(number):
    start([sys.executable, "-c", "import time; time.sleep(600)"])
    print(os.getpid(), flush=True)
    time.sleep(600)

# No guard of the main module on purpose.
with stopped_by_signals():
    try:
        WorkPool(2).map(work, range(4))
    except KeyboardInterrupt:
        print("kept", flush=True)
        raise SystemExit(130)
"""


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_parent(tmp_path, number):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        # Two workers, what each of them started and its guard, a guard here and trackers.
        descendants = [process.pid for process in psutil.Process(parent.pid).children(True)]
        assert set(workers) < set(descendants)
        assert len(descendants) >= 7
        parent.send_signal(number)
        said, complaints = parent.communicate(timeout=20)
    end = time.monotonic() + 2
    while time.monotonic() < end and any(map(alive, descendants)):
        time.sleep(0.02)
    assert not [pid for pid in descendants if alive(pid)]
    if number == signal.SIGKILL:
        assert parent.returncode == -number
    else:
        assert (parent.returncode, said) == (130, "kept\n")
        assert complaints == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("wait", [0.0, 0.2])
def test_no_process_outlives_a_parent_that_is_just_starting_it(tmp_path, number, wait):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.replace("# No guard", "print('begins', flush=True)\n# No guard"))
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout.readline() == "begins\n"
        while not (children := psutil.Process(parent.pid).children(True)):
            time.sleep(0.001)
        time.sleep(wait)
        children = psutil.Process(parent.pid).children(True)
        parent.send_signal(number)
        parent.communicate(timeout=30)
    end = time.monotonic() + 10  # such as it takes a process to start on a busy machine
    while time.monotonic() < end and any(map(alive, [child.pid for child in children])):
        time.sleep(0.02)
    assert not [child for child in children if alive(child.pid)]


GROWING = """
import time
from mcu_nas_moo.common.workpool import WorkPool

kept = []

def grows(number):
    kept.append(bytearray(b"x" * 30_000_000))
    time.sleep(0.6)
    return number

assert WorkPool(2).map(grows, range(12)) == [*range(12)]
print("done")
"""


def test_users_are_not_told_of_processes_that_grew_and_were_replaced(tmp_path):
    script = tmp_path / "growing.py"
    script.write_text(GROWING)
    # loky replaces those that grew by so many bytes.
    small = {"PYTHONPATH": str(ROOT), "LOKY_MAX_MEMORY_LEAK_SIZE": "2e7"}
    told = subprocess.run(
        [sys.executable, script],
        env=os.environ | small, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout, told.stderr) == (0, "done\n", "")
