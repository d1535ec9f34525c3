from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from toy_task import ToyTask, pairwise_front

from mcu_nas_moo.benchmark.results.optuna_export import open_storage
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.adapters.optuna_objective import McuNasObjective
from mcu_nas_moo.problem.evaluators.function import FunctionEvaluator
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.search import run_search
from mcu_nas_moo.search.front import on_front
from mcu_nas_moo.search.lease import ABROAD_S, this_process
from mcu_nas_moo.search.run_search import check_algorithm, search
from mcu_nas_moo.search.search_study import (
    decoded_subnets,
    failures_of,
    finished_trials,
    load_study,
    open_study,
    starts_of,
    subnets_of,
)
from mcu_nas_moo.search.streams import OWNER
from mcu_nas_moo.search.study_storage import open_journal, storage_for_reading
from mcu_nas_moo.spaces import Gene, SearchSpace

#: Ends with its budget; the second one's genotypes differ.
PLANNER = """
import numpy as np

class Planner:
    made = 0

    def __init__(self, setting):
        self.left = setting.budget
        self.first = int(setting.seed != 0)

    def ask(self):
        X = np.tile([self.first, 0], (self.left, 1))
        self.left = 0
        return X

    def tell(self, X, F, G):
        pass
"""
#: A search that is killed while it evaluates.
KILLED = """
import os, signal, sys
from pathlib import Path
import test_run_search as tests

class Deadly(tests.ToyTask):
    left = 20

    def metrics(self, X):
        if len(X) == 1:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().metrics(X)

task = Deadly()
study = tests.open_study(tests.open_journal(Path(sys.argv[1])), "s", task)
tests.search(study, task, "local-search", 40)
"""
FAILING = """class Search:
    def ask(self):
        return {}[7]

    def tell(self, X, F, G):
        pass
"""


class TwoGenes(SearchSpace):
    """Twelve networks."""

    def __init__(self):
        super().__init__("two-genes", (Gene("a", (1, 2, 3)), Gene("b", (1, 2, 4, 8))))


def two_figures(space, X):
    """The error falls and all costs rise with both sizes."""
    latency = 2.0 + 3 * X[:, 0] + 2 * X[:, 1]
    costs = ("latency_ms", "sram_kib", "flash_kib", "energy_mj", "macs_m")
    accuracy = {"accuracy": 1 - 1 / latency, "accuracy_std": 0 * latency}
    return accuracy | dict.fromkeys(costs, latency)


def two_genes_task():
    return ToyTask(space=TwoGenes(), figures=two_figures)


@pytest.fixture
def task():
    return ToyTask()


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def in_memory(task, name="s"):
    return open_study(optuna.storages.InMemoryStorage(), name, task)


def with_tests_on_path():
    return os.environ | {"PYTHONPATH": os.pathsep.join(place or os.getcwd() for place in sys.path)}


def drawn(study):
    return [tuple(trial.params.values()) for trial in finished_trials(study)]


@pytest.mark.parametrize("algorithm", ["ppo", "nsga2", "ga", "tpe", "random"])
def test_each_algorithm_fills_the_study_with_what_the_task_says(algorithm, task):
    study = in_memory(task)
    progress = search(study, task, algorithm, 30)
    trials = finished_trials(study)
    assert len(trials) == progress.finished == 30
    subnets = subnets_of(study)
    X = np.concatenate([task.space.encode(genes) for genes in subnets.genes])
    assert len(np.unique(task.space.canonical(X), axis=0)) == len(subnets)
    F, G = task.evaluate(X)
    assert subnets.objective_values == pytest.approx(F, rel=1e-12)
    assert subnets.constraint_values == pytest.approx(G, rel=1e-12, abs=1e-12)
    assert progress.feasible == sum(
        (np.array(list(t.constraints.values())) <= 0).all() for t in trials
    )


def test_front_of_the_study_is_that_of_optuna_and_of_all_pairs(task):
    study = in_memory(task)
    progress = search(study, task, "random", 120)
    subnets = subnets_of(study)
    mask = on_front(subnets)
    rows = np.flatnonzero(subnets.feasible)
    truth = rows[pairwise_front(subnets.objective_values[rows])]
    assert np.flatnonzero(mask).tolist() == truth.tolist()
    found = {tuple(f) for f in subnets.objective_values[mask]}
    assert {tuple(trial.values) for trial in study.best_trials} == found
    assert {tuple(f) for f in progress.front} == found


@pytest.mark.parametrize(
    "algorithm", ["random", "local-search", "regularised-evolution", "nsga2", "optuna-nsga3", "ppo"]
)
def test_a_search_in_parts_equals_an_unbroken_one(algorithm, task, tmp_path):
    unbroken = in_memory(task)
    search(unbroken, task, algorithm, 60, seed=3)
    for trials in (25, 60):
        study = open_study(open_journal(tmp_path / "study.journal"), "s", task)
        search(study, task, algorithm, trials, seed=3)
    assert drawn(study) == drawn(unbroken)
    assert [trial.values for trial in study.trials] == [trial.values for trial in unbroken.trials]
    assert [start.from_trial for start in starts_of(study)] == [0, 25]
    # Complete: nothing is added, whatever the algorithm.
    assert search(study, task, "tpe", 40).finished == 60
    assert len(starts_of(study)) == 2


def test_a_replay_takes_the_stored_values(task):
    calls = []

    class Counted(ToyTask):
        def metrics(self, X):
            calls.append(len(X))
            return super().metrics(X)

    study = in_memory(task)
    search(study, task, "local-search", 60)
    search(study, Counted(), "local-search", 75)
    assert sum(calls) == 15


def test_ppo_learns_from_all_trials_and_its_replay_hears_of_them_in_the_same_order(task):
    def searched(*parts):
        study = in_memory(task)
        search(study, task, "random", 40)
        for trials in parts:
            search(study, task, "ppo", trials)
        return drawn(study)

    whole = searched(110)
    assert searched(60, 75, 110) == whole
    assert len(set(whole[40:])) == 70
    assert not set(whole[40:]) & set(whole[:40])


def test_a_plan_that_is_used_up_is_followed_by_another(tmp_path, monkeypatch):
    (tmp_path / "planner.py").write_text(PLANNER)
    monkeypatch.chdir(tmp_path)
    task, lines = two_genes_task(), []
    study = in_memory(task)
    search(study, task, "planner:Planner", 4, say=lines.append)
    progress = search(study, task, "planner:Planner", 9, say=lines.append)
    assert progress.finished == 9
    assert [trial.params["a"] for trial in study.trials] == [1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert "planner:Planner has planned for 4 trials, and goes on beyond them" in lines


def test_what_a_user_s_algorithm_raises_is_one_line(tmp_path, monkeypatch, task):
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"failing:Search failed: KeyError: 7 \(failing.py:3\)"):
        search(in_memory(task), task, "failing:Search", 4)


def test_same_seed_same_trials(task):
    studies = [in_memory(task) for _ in range(3)]
    for study, seed in zip(studies, (1, 1, 2), strict=True):
        search(study, task, "ppo", 25, seed)
    first, again, other = map(drawn, studies)
    assert first == again
    assert first != other


def test_a_space_that_is_used_up_ends_the_search():
    task = two_genes_task()
    study = in_memory(task)
    progress = search(study, task, "ppo", 1000)
    assert progress.finished == len(subnets_of(study)) == 12


def test_the_journal_is_one_of_optuna(task, tmp_path):
    path = tmp_path / "study.journal"
    search(open_study(open_journal(path), "s", task), task, "random", 5)
    theirs = optuna.load_study(study_name="s", storage=open_storage(str(path)))
    assert len(theirs.trials) == 5
    # And the other way round.
    theirs.enqueue_trial(theirs.trials[0].params)
    ours = open_study(open_journal(path), "s", task)
    assert len(ours.trials) == 6
    search(ours, task, "random", 6)
    assert len(subnets_of(ours)) == 5


def test_an_interruption_keeps_what_is_finished(task, tmp_path):
    path = tmp_path / "study.journal"

    def interrupt(progress, changed):
        if progress.finished == 7:
            raise KeyboardInterrupt

    study = open_study(open_journal(path), "s", task)
    with pytest.raises(KeyboardInterrupt):
        search(study, task, "ppo", 20, watch=interrupt)
    study = open_study(open_journal(path), "s", task)
    assert len(finished_trials(study)) == 7
    search(study, task, "ppo", 20)
    assert len(finished_trials(study)) == 20


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_trials_of_another_process_count(task, tmp_path, kind):
    def opened():
        if kind == "journal":
            return open_study(open_journal(tmp_path / "study.journal"), "s", task)
        return open_study(open_storage(f"sqlite:///{tmp_path}/s.db"), "s", task)

    seen = []

    def watch(progress, changed):
        seen.append(progress.finished)
        if len(seen) == 3:  # in between, of the same seed
            search(opened(), task, "random", 7)

    study = opened()
    progress = search(study, task, "random", 10, watch=watch)
    assert seen == [0, 1, 2, 8, 9, 10]
    assert len(study.trials) == len(finished_trials(study)) == progress.finished == 10
    assert len(set(drawn(study))) == 10
    subnets = subnets_of(study)
    rows = np.flatnonzero(subnets.feasible)
    truth = rows[pairwise_front(subnets.objective_values[rows])]
    assert {tuple(f) for f in progress.front} == {tuple(f) for f in subnets.objective_values[truth]}
    assert progress.feasible == sum(
        (np.array(list(t.constraints.values())) <= 0).all() for t in finished_trials(study)
    )


def running(study, owner=None):
    """A trial at work, of a process or of nobody."""
    study.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            system_attrs={} if owner is None else {OWNER: owner},
        )
    )


def test_trials_of_dead_processes_are_closed_and_others_waited_for(task, monkeypatch):
    here = this_process().model_dump()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    owners = [
        here | {"pid": ended.pid},
        here | {"started": here["started"] - 100},  # the number was given again
        here | {"host": "elsewhere", "since": here["since"] - 2 * ABROAD_S},
        here | {"host": "elsewhere"},
        None,
    ]
    study = in_memory(task)
    for owner in owners:
        running(study, owner)
    seen, lines = [], []

    def watch(progress, changed):
        seen.append(progress.finished)
        if len(seen) == 8:
            assert [trial.state.name for trial in study.trials[3:]] == [
                *2 * ["RUNNING"],
                *2 * ["COMPLETE"],
            ]
            study.tell(3, state=optuna.trial.TrialState.FAIL)

    monkeypatch.setattr(run_search, "TOLD_S", 0.01)
    search(study, task, "random", 3, watch=watch, say=lines.append)
    assert seen[:8] == [0, 1, *6 * [2]]
    states = [trial.state.name for trial in study.trials]
    assert states == [*4 * ["FAIL"], "RUNNING", *3 * ["COMPLETE"]]
    (line,) = lines
    assert line.startswith("waiting for 1 trials that other processes have begun; ")


def test_a_stream_is_left_to_its_process_and_taken_up_when_that_is_dead(task, tmp_path):
    unbroken = in_memory(task)
    search(unbroken, task, "local-search", 40)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    path = tmp_path / "study.journal"
    done = subprocess.run([sys.executable, script, path], env=with_tests_on_path(), check=False)
    assert done.returncode == -signal.SIGKILL
    study = open_study(open_journal(path), "s", task)
    assert [trial.state.name for trial in study.trials] == [*20 * ["COMPLETE"], "RUNNING"]
    search(study, task, "local-search", 40)
    assert study.trials[20].state.name == "FAIL"
    assert drawn(study) == drawn(unbroken)


def test_a_lock_that_a_killed_process_left_is_taken_over_and_told(task, tmp_path):
    path, lines = tmp_path / "study.journal", []
    search(open_study(open_journal(path), "s", task), task, "random", 3)
    for leave in (lambda lock: lock.symlink_to(path), lambda lock: lock.write_text("")):
        leave(tmp_path / "study.journal.lock")
        begin = time.monotonic()
        study = open_study(open_journal(path, lines.append), "s", task)
        search(study, task, "random", len(study.trials) + 1)
        assert time.monotonic() - begin < 3
    assert len(lines) == 2
    assert "study.journal.lock, which a killed process left" in lines[0]
    assert os.listdir(tmp_path) == ["study.journal"]


def test_half_a_line_at_the_end_is_cut_off(task, tmp_path):
    path = tmp_path / "study.journal"
    search(open_study(open_journal(path), "s", task), task, "random", 5)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":8,"worker_id":"0')
    search(open_study(open_journal(path), "s", task), task, "random", 8)
    assert path.read_bytes().startswith(whole + b"{")
    assert len(finished_trials(open_study(open_journal(path), "s", task))) == 8
    path.write_bytes(b'{"op_code":0,"wor')  # nothing but half a line
    assert len(open_study(open_journal(path), "s", task).trials) == 0
    assert path.read_bytes().count(b'"op_code"') == path.read_bytes().count(b"\n") > 0


@pytest.mark.parametrize(
    ("opened", "message"),
    [
        (open_journal, r"study\.journal cannot be read .*another --out"),
        (lambda path: open_storage(str(path)), "the storage of the study failed"),
    ],
    ids=["ours", "optuna"],
)
def test_a_journal_that_is_damaged_during_the_search(task, tmp_path, opened, message):
    path = tmp_path / "study.journal"

    def damage(progress, changed):
        if progress.finished == 3:
            with path.open("a") as file:
                file.write("nonsense\n")

    study = open_study(opened(path), "s", task)
    with pytest.raises(ValueError, match=message):
        search(study, task, "random", 6, watch=damage)


def test_a_journal_nested_too_deeply_is_damaged(tmp_path, task):
    path = tmp_path / "study.journal"
    open_study(open_journal(path), "s", task)
    deep = "[" * 900 + "]" * 900
    with path.open("a") as file:
        file.write(f'{{"op_code":2,"worker_id":"x","study_id":0,"user_attr":{{"a":{deep}}}}}\n')
    with pytest.raises(InputError, match=r"study\.journal cannot be read .*nested"):
        open_study(open_journal(path), "s", task)


def test_a_study_of_another_problem_is_refused(task):
    storage = optuna.storages.InMemoryStorage()
    open_study(storage, "s", task)
    with pytest.raises(ValueError, match=r"latency_ms 30 there, .*latency_ms 9 here; .*--study"):
        open_study(storage, "s", ToyTask(limits={"latency_ms": 9.0}))
    with pytest.raises(ValueError, match="objectives: error,latency there, error,energy here"):
        open_study(storage, "s", ToyTask(("error", "energy")))
    theirs = optuna.create_study(storage=storage, study_name="theirs", directions=["minimize"] * 2)
    theirs.add_trial(optuna.trial.create_trial(values=[0.1, 2.0]))
    optuna.create_study(storage=storage, study_name="upwards", directions=["minimize", "maximize"])
    for name in ("theirs", "upwards"):
        with pytest.raises(ValueError, match="did not make"):
            open_study(storage, name, task)


def test_two_processes_may_make_a_study_at_once(task, monkeypatch):
    storage = optuna.storages.InMemoryStorage()
    create_study, seen = optuna.create_study, []

    def just_before(**settings):
        if not seen:
            seen.append(create_study(**settings))  # by the other one, which goes on later
        return create_study(**settings)

    monkeypatch.setattr(optuna, "create_study", just_before)
    study = open_study(storage, "s", task)
    assert study._study_id == seen[0]._study_id == open_study(storage, "s", task)._study_id
    assert search(study, task, "random", 3).finished == 3


def test_a_study_is_loaded_by_name_or_as_the_only_one(task, tmp_path):
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(ValueError, match="0 studies"):
        load_study(storage, None)
    open_study(storage, "one", task)
    assert load_study(storage, None).study_name == "one"
    open_study(storage, "two", task)
    with pytest.raises(ValueError, match="one, two by --study-name"):
        load_study(storage, None)
    with pytest.raises(ValueError, match="did you mean 'two'"):
        load_study(storage, "tow")
    optuna.create_study(storage=storage, study_name="theirs", directions=2 * ["minimize"])
    with pytest.raises(ValueError, match=r"none of the 0 finished trials .* --space"):
        decoded_subnets(load_study(storage, "theirs"), Task())
    # Reading makes no empty storage.
    for name in ("none.journal", f"sqlite:///{tmp_path}/none.db"):
        with pytest.raises(ValueError, match="no storage"):
            storage_for_reading(name)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_python_made_can_be_read():
    """Whether it says what it searches, or only its trials can be decoded."""
    objective = McuNasObjective(profile="cortex-m4")
    said, silent = (optuna.create_study(directions=objective.directions) for _ in range(2))
    said.optimize(objective, n_trials=6)
    silent.add_trials(said.trials)
    silent.add_trial(optuna.trial.create_trial(values=[0.1, 2.0]))
    found = subnets_of(said)
    decoded, others = decoded_subnets(silent, objective.task)
    assert others == 1
    assert decoded.names == found.names
    assert decoded.genes == found.genes
    assert decoded.problem.fingerprint == found.problem.fingerprint
    for name, values in found.metrics.items():
        assert np.array_equal(decoded.metrics[name], values)


def third_fail(space, X):
    failed = X.sum(axis=1) % 3 == 0
    size = 1.0 + X.sum(axis=1)
    error = np.where(failed, np.nan, 1 / size)
    return {"error": error, "latency_ms": size, "reason": np.where(failed, "sum of 3", "")}


@pytest.mark.parametrize("algorithm", ["random", "ppo", "local-search"])
def test_failures_count_as_trials_and_are_never_on_the_front(algorithm):
    evaluator = FunctionEvaluator(third_fail, ("error", "latency_ms"))
    task = Task(TwoGenes(), None, evaluators=[evaluator])
    study = in_memory(task)
    progress = search(study, task, algorithm, 10)
    states = [trial.state for trial in study.trials]
    failed = [t for t in study.trials if t.state == TrialState.FAIL]
    assert progress.finished == len(states) == 10
    assert progress.failed == len(failed) > 0
    for trial in study.trials:
        X = task.space.encode(trial.params)
        assert (trial.state == TrialState.FAIL) == (X.sum() % 3 == 0)
    assert failures_of(study) == {"sum of 3": len(failed)}
    assert len(subnets_of(study)) <= 10 - len(failed)
    # A second start replays failures, too.
    again = in_memory(task)
    search(again, task, algorithm, 6)
    search(again, task, algorithm, 10)
    assert [t.params for t in again.trials] == [t.params for t in study.trials]


def test_a_foreign_trial_is_named(task):
    study = in_memory(task)
    search(study, task, "random", 2)
    study.add_trial(optuna.trial.create_trial(values=[0.1, 2.0]))
    with pytest.raises(ValueError, match="trial 2 of the study is damaged"):
        subnets_of(study)


def test_bad_algorithms_and_storages(task, tmp_path):
    with pytest.raises(ValueError, match="did you mean 'nsga2'"):
        check_algorithm("nsga22", task, 10, 0)
    with pytest.raises(ValueError, match="exhaustive needs a budget"):
        check_algorithm("exhaustive", task, 10, 0)
    path = tmp_path / "study.journal"
    path.write_text('{"op_code": 0}\nnonsense\n{}\n')
    with pytest.raises(ValueError, match="cannot be read"):
        open_journal(path)
