from __future__ import annotations

import numpy as np
import optuna
import pytest
from toy_task import ToyTask, pairwise_front

from mcu_nas_moo.benchmark.results.optuna_export import open_storage
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.search.front import on_front
from mcu_nas_moo.search.study_journal import open_journal
from mcu_nas_moo.search.study_search import (
    ALGORITHMS,
    finished_trials,
    load_study,
    make_sampler,
    open_study,
    search,
    starts_of,
    storage_for_reading,
    subnets_of,
)
from mcu_nas_moo.spaces import Gene, SearchSpace


class SearchedTask(ToyTask):
    """The toy task, with what the Optuna objective asks for besides."""

    score = Task.score


class TwoGenes(SearchSpace):
    """Twelve networks."""

    def __init__(self):
        super().__init__("two-genes", (Gene("a", (1, 2, 3)), Gene("b", (1, 2, 4, 8))))


class TwoGenesTask(SearchedTask):
    """The error falls and all costs rise with both sizes."""

    def __init__(self):
        super().__init__()
        self.space = TwoGenes()

    def metrics(self, X):
        latency = 2.0 + 3 * X[:, 0] + 2 * X[:, 1]
        costs = ("latency_ms", "sram_kib", "flash_kib", "energy_mj", "macs_m")
        accuracy = {"accuracy": 1 - 1 / latency, "accuracy_std": 0 * latency, "error": 1 / latency}
        return accuracy | dict.fromkeys(costs, latency)


@pytest.fixture
def task():
    return SearchedTask()


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def in_memory(task, name="s"):
    return open_study(optuna.storages.InMemoryStorage(), name, task)


def drawn(study):
    return [tuple(trial.params.values()) for trial in finished_trials(study)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
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


def test_a_continued_search_finishes_the_number_and_draws_new_trials(task, tmp_path):
    path = tmp_path / "study.journal"
    search(open_study(open_journal(path), "s", task), task, "random", 15, seed=3)
    study = open_study(open_journal(path), "s", task)
    first = drawn(study)
    assert len(first) == 15
    search(study, task, "random", 40, seed=3)
    both = drawn(open_study(open_journal(path), "s", task))
    assert len(both) == 40
    assert both[:15] == first
    # The same seed once more would propose the same trials again.
    assert both[15:30] != first
    assert [start["from_trial"] for start in starts_of(study)] == [0, 15]
    # Complete: nothing is added, whatever the algorithm.
    assert search(study, task, "ppo", 40).finished == 40
    assert drawn(study) == both
    assert len(starts_of(study)) == 2


def test_ppo_repeats_no_trial_when_it_continues(task, tmp_path):
    for trials in (20, 50):
        study = open_study(open_journal(tmp_path / "study.journal"), "s", task)
        search(study, task, "ppo", trials)
    assert len(set(drawn(study))) == 50


def test_same_seed_same_trials(task):
    studies = [in_memory(task) for _ in range(3)]
    for study, seed in zip(studies, (1, 1, 2), strict=True):
        search(study, task, "ppo", 25, seed)
    first, again, other = map(drawn, studies)
    assert first == again
    assert first != other


def test_a_space_that_is_used_up_ends_the_search():
    task = TwoGenesTask()
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
        if len(seen) == 3:  # in between, and under another seed
            search(opened(), task, "random", 7, seed=9)

    study = opened()
    progress = search(study, task, "random", 10, watch=watch)
    assert seen == [0, 1, 2, 8, 9, 10, 10]
    assert len(finished_trials(study)) == progress.finished == 10
    subnets = subnets_of(study)
    rows = np.flatnonzero(subnets.feasible)
    truth = rows[pairwise_front(subnets.objective_values[rows])]
    assert {tuple(f) for f in progress.front} == {tuple(f) for f in subnets.objective_values[truth]}
    assert progress.feasible == sum(
        (np.array(list(t.constraints.values())) <= 0).all() for t in finished_trials(study)
    )


def test_a_trial_that_never_ends_is_said_to_be_under_way():
    task = TwoGenesTask()
    study = in_memory(task)
    study.enqueue_trial({"a": 1, "b": 4})
    killed = study.ask()
    killed.suggest_int("a", 1, 3)
    killed.suggest_categorical("b", (1, 2, 4, 8))
    progress = search(study, task, "ppo", 1000)
    assert (progress.finished, progress.under_way) == (11, {0})


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
    optuna.create_study(storage=storage, study_name="theirs")
    with pytest.raises(ValueError, match="not made by"):
        load_study(storage, "theirs")
    # Reading makes no empty storage.
    for name in ("none.journal", f"sqlite:///{tmp_path}/none.db"):
        with pytest.raises(ValueError, match="no storage"):
            storage_for_reading(name)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_trial_is_named(task):
    study = in_memory(task)
    search(study, task, "random", 2)
    study.add_trial(optuna.trial.create_trial(values=[0.1, 2.0]))
    with pytest.raises(ValueError, match="trial 2 of study s is damaged"):
        subnets_of(study)


def test_bad_algorithms_and_storages(task, tmp_path):
    with pytest.raises(ValueError, match="did you mean 'nsga2'"):
        make_sampler("nsga22", task, 10, 0)
    path = tmp_path / "study.journal"
    path.write_text('{"op_code": 0}\nnonsense\n{}\n')
    with pytest.raises(ValueError, match="cannot be read"):
        open_journal(path)
