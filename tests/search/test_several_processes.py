"""What processes that search at once owe each other: locks, leases, streams and last words."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time

import optuna
import psutil
import pytest
from toy_task import ToyTask

from mcu_nas_moo.common import processes
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.search import parallel, run_search, study_storage
from mcu_nas_moo.search.lease import ABROAD_S, alone_in, is_dead, this_process
from mcu_nas_moo.search.run_search import search
from mcu_nas_moo.search.search_study import STARTS, open_study, starts_of, values_of
from mcu_nas_moo.search.streams import OWNER, PLACE, STREAM, marks_of, take_stream
from mcu_nas_moo.search.study_storage import StudyJournal, open_journal

FAILING = """
import sys
given = sys.stdin.buffer.read()
from mcu_nas_moo.search import parallel

def fail(*arguments, **settings):
    raise {error}

parallel.search = fail
parallel.work(given)
"""


@pytest.fixture
def task():
    return ToyTask()


@pytest.fixture
def study(task):
    return open_study(optuna.storages.InMemoryStorage(), "s", task)


def test_a_writer_that_is_stopped_for_long_keeps_its_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(study_storage, "STALE_S", 0.05)
    path, end_of_lines = tmp_path / "a.journal", study_storage._end_of_lines
    ours, theirs = (StudyJournal(path, lambda text: None) for _ in range(2))
    told, tell = os.pipe()

    def stopped(file):
        end = end_of_lines(file)
        os.write(tell, b".")
        time.sleep(0.4)
        return end

    child = os.fork()
    if child == 0:
        os.read(told, 1)
        for number in range(3):
            theirs.append_logs([{"theirs": number}])
        os._exit(0)
    with monkeypatch.context() as patch:
        patch.setattr(study_storage, "_end_of_lines", stopped)
        ours.append_logs([{"ours": 0}])
    assert os.waitpid(child, 0)[1] == 0
    assert list(ours.read_logs(0)) == [{"ours": 0}, *({"theirs": n} for n in range(3))]


def test_who_works_says_so_again_for_its_trials_and_its_stream(study, task, monkeypatch):
    monkeypatch.setattr(run_search, "ABROAD_S", 0.0)
    streams = []

    def watch(progress, changed):
        streams.append(study.user_attrs.get(f"{STREAM}0", {}).get("owner"))

    search(study, task, "random", 4, watch=watch)
    for since in (
        [marks_of(trial).owner.since for trial in study.trials],
        [owner["since"] for owner in streams[1:]],
    ):
        assert len(since) == 4
        assert since == sorted(set(since))


def test_a_process_that_cannot_be_seen_is_dead_when_it_is_silent(monkeypatch):
    here = this_process()

    def denied(*_):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "Process", denied)
    assert not is_dead(here)
    assert is_dead(here.model_copy(update={"since": here.since - ABROAD_S - 60}))


def test_whether_there_is_a_lock_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with alone_in(tmp_path) as alone, alone_in(tmp_path / ".." / tmp_path.name) as within:
        assert alone
        assert within

    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    for folder in (None, tmp_path):
        with alone_in(folder) as alone:
            assert not alone


def test_a_stream_that_was_handed_out_is_followed(study, task):
    taken = [take_stream(study, task, "random", 0, 6, None, this_process()) for _ in range(2)]
    search(study, task, "random", 3, taken=taken[1])
    assert [marks_of(trial).place.stream for trial in study.trials] == [1, 1, 1]
    assert len(starts_of(study)) == 2


def test_how_much_is_to_be_replayed_is_told(study, task):
    search(study, task, "random", 5)
    seen = []
    search(study, task, "random", 7, watch=lambda progress, _: seen.append(progress.to_replay))
    assert max(seen) == 5
    assert seen[-2:] == [0, 0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{STREAM}zz", None),
        (f"{STREAM}0", {"owner": {}}),
        (f"{STREAM}0", {"ideal": [0.0]}),
        (STARTS, 5),
        (OWNER, {}),
        (PLACE, [0]),
        (PLACE, "x"),
        (PLACE, [0, 0, [99]]),
    ],
)
def test_a_damaged_record_is_bad_input(study, task, key, value):
    search(study, task, "local-search", 3)
    if key.startswith((STREAM, STARTS)):
        kept = study.user_attrs[f"{STREAM}0"]
        study.set_user_attr(key, kept | (value or {}) if key != STARTS else value)
    else:
        damaged = optuna.trial.create_trial(
            state=optuna.trial.TrialState[("COMPLETE", "RUNNING")[key == OWNER]],
            values=[0.1, 2.0],
            system_attrs={PLACE: [0, 3, []], key: value},
        )
        study.add_trial(damaged)
    with pytest.raises(InputError, match=r"study"):
        search(study, task, "local-search", 6)


@pytest.mark.parametrize("values", [[0.1], [0.1, 10**400], [0.1, "x"], None])
def test_a_trial_without_its_values_is_bad_input(study, task, values):
    search(study, task, "random", 1)
    (trial,) = study.trials
    with pytest.raises(InputError, match="trial 0 of the study is damaged"):
        values_of(trial, 2, ["no-such"])
    trial._values = values
    with pytest.raises(InputError, match="trial 0 of the study is damaged"):
        values_of(trial, 2)


def searched(path, task, monkeypatch, program):
    monkeypatch.setattr(parallel, "_PROGRAM", program)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(place or os.getcwd() for place in sys.path))
    study = open_study(open_journal(path), "s", task)
    return parallel.search_in_processes(path, study, task, "random", 4, 0, 2)


def test_processes_that_are_killed_before_they_read(task, tmp_path, monkeypatch):
    start = processes.start

    def killed(command, **settings):
        process = start(command, **settings)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return process

    monkeypatch.setattr(processes, "start", killed)
    with pytest.raises(RuntimeError, match="2 of 2 processes of the search ended early"):
        searched(tmp_path / "s.journal", task, monkeypatch, "raise SystemExit(9)")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        ("OSError(27, 'File too large')", OSError, r"\[Errno 27\] File too large$"),
        ("KeyError('x')", RuntimeError, r"KeyError: 'x'$"),
    ],
)
def test_a_fault_in_a_process_is_one_error_with_its_traceback(
    error, kind, text, task, tmp_path, monkeypatch, capfd
):
    with pytest.raises(kind, match=text) as raised:
        searched(tmp_path / "s.journal", task, monkeypatch, FAILING.format(error=error))
    assert "in fail" in raised.value.__notes__[0]
    assert capfd.readouterr().err == ""


def test_a_signal_to_a_fork_is_not_one_to_its_parent():
    with processes.stopped_by_signals():
        other = processes.start([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        child = os.fork()
        if child == 0:
            processes.end_children()
            time.sleep(10)
            os._exit(0)
        time.sleep(0.1)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        assert other.communicate(b"\n")[0] is None
        assert other.returncode == 0
