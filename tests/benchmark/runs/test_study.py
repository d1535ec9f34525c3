from __future__ import annotations

import json
import os

import numpy as np
import pytest
from toy_task import ToyTask, toy_figures

from mcu_nas_moo.benchmark.runs import study as module
from mcu_nas_moo.benchmark.runs.history import load_history
from mcu_nas_moo.benchmark.runs.study import Run, Study

RUNS = [Run("random", 0), Run("nsga2", 0), Run("ga", 1)]


def make(study, runs, reference, jobs=1):
    return list(study.run(runs, reference, jobs))


def test_runs_are_saved_and_not_made_again(tmp_path, task, exact, monkeypatch):
    study = Study(tmp_path, task, 60)
    assert len(make(study, RUNS[:2], exact)) == 2
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*")}
    made = []
    original = module.run_optimiser
    monkeypatch.setattr(
        module, "run_optimiser", lambda *a: made.append((a[0], a[4])) or original(*a)
    )
    again = Study(tmp_path, ToyTask(), 60)
    assert again.missing(RUNS) == [Run("ga", 1)]
    assert [finished.run for finished in make(again, RUNS, exact)] == [Run("ga", 1)]
    assert made == [("ga", 1)]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [history.algorithm for history in again.histories(RUNS)] == ["random", "nsga2", "ga"]


def test_jobs_do_not_change_the_histories(tmp_path, exact):
    runs = [Run(name, seed) for name in ("ga", "nsga3", "ppo", "ppo-plain") for seed in (0, 1)]
    studies = [Study(tmp_path / str(jobs), ToyTask(), 90) for jobs in (1, 2)]
    for study, jobs in zip(studies, (1, 2), strict=True):
        assert [f.problem for f in make(study, runs, exact, jobs)] == [None] * len(runs)
    for one, two in zip(*(study.histories(runs) for study in studies), strict=True):
        assert (one.algorithm, one.seed) == (two.algorithm, two.seed)
        assert (one.X == two.X).all()
        assert (one.F == two.F).all()
        assert (one.G == two.G).all()


def test_history_reads_back_exactly(tmp_path, task, exact):
    study = Study(tmp_path, task, 60)
    make(study, RUNS[1:2], exact)
    history = study.histories(RUNS[1:2])[0]
    F, G = task.evaluate(history.X)
    assert (history.F == F).all()
    assert (history.G == G).all()
    assert history.metadata["settings"] == {"pop_size": 20}
    assert history.metadata["versions"]["pymoo"]


def test_what_a_killed_process_leaves_is_ignored(tmp_path, task, exact):
    study = Study(tmp_path, task, 60)
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / f".random-s0.npz.{os.getpid()}1.partial").write_bytes(b"half a file")
    assert study.missing(RUNS) == RUNS
    assert study.histories(RUNS) == []
    make(study, RUNS[:1], exact)
    assert study.missing(RUNS) == RUNS[1:]


def test_a_damaged_run_is_named_with_the_remedy(tmp_path, task, exact):
    study = Study(tmp_path, task, 60)
    make(study, RUNS[:1], exact)
    path = study.path(RUNS[0])
    whole = path.read_bytes()
    path.write_bytes(b"some text")
    with pytest.raises(ValueError, match=r"damaged \(no NPZ file, "):
        study.histories(RUNS)
    for broken in (b"", b"no zip", whole[: len(whole) // 2], whole[:200] + b"x" * 50 + whole[250:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"random-s0\.npz .*delete it"):
            study.histories(RUNS)


def test_a_run_of_another_budget_in_the_folder_is_refused(tmp_path, exact):
    small = Study(tmp_path / "small", ToyTask(), 50)
    make(small, RUNS[:1], exact)
    large = Study(tmp_path / "large", ToyTask(), 60)
    large.path(RUNS[0]).parent.mkdir()
    large.path(RUNS[0]).write_bytes(small.path(RUNS[0]).read_bytes())
    with pytest.raises(ValueError, match="belongs to another study"):
        large.histories(RUNS)


@pytest.mark.parametrize(
    ("other", "budget", "what"),
    [
        (ToyTask(), 61, "budget: 60 there, 61 here"),
        (ToyTask(("error", "energy")), 60, "objectives"),
        (ToyTask(limits={"flash_kib": 50.0}), 60, "limits"),
    ],
)
def test_a_folder_of_another_study_is_refused(tmp_path, task, other, budget, what):
    Study(tmp_path, task, 60)
    with pytest.raises(ValueError, match=f"{what}.*choose another --out"):
        Study(tmp_path, other, budget)


def doubled_latency(space, X):
    figures = toy_figures(space, X)
    return figures | {"latency_ms": 2 * figures["latency_ms"]}


def test_changed_figures_are_another_study(tmp_path, task):
    Study(tmp_path, task, 60)
    changed = ToyTask(figures=doubled_latency)
    with pytest.raises(ValueError, match="another study, which differs in the evaluators; choose"):
        Study(tmp_path, changed, 60)


def test_a_damaged_study_file_is_named(tmp_path, task):
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(ValueError, match=r"study\.json is damaged"):
        Study(tmp_path, task, 60)


def test_budget_must_be_positive(tmp_path, task):
    with pytest.raises(ValueError, match="at least 1"):
        Study(tmp_path, task, 0)


def test_the_reference_is_kept_with_the_study(tmp_path, task, exact):
    study = Study(tmp_path, task, 60)
    assert study.reference() is None
    study.fix_reference(exact)
    again = Study(tmp_path, ToyTask(), 60).reference()
    assert (again.F == exact.F).all()


def test_a_failing_run_does_not_stop_the_others(tmp_path, exact):
    class Moody(ToyTask):
        def evaluate(self, X):
            if len(X) == 20:  # generations of nsga2 with this budget
                raise RuntimeError("bad luck")
            return super().evaluate(X)

    study = Study(tmp_path, Moody(), 60)
    finished = make(study, [Run("nsga2", 0), Run("random", 0)], exact)
    assert [f.problem for f in finished] == ["RuntimeError: bad luck", None]
    assert study.missing([Run("nsga2", 0), Run("random", 0)]) == [Run("nsga2", 0)]


KILLER = """
import os
import time

class Killer:
    def __init__(self, setting):
        self.setting = setting

    def ask(self):
        time.sleep(0.2)
        os._exit(9)

    def tell(self, X, F, G):
        pass
"""


def test_a_killed_process_costs_only_its_own_run(tmp_path, exact, monkeypatch):
    (tmp_path / "killing_search.py").write_text(KILLER)
    monkeypatch.syspath_prepend(str(tmp_path))
    study = Study(tmp_path / "study", ToyTask(), 60)
    runs = [Run("random", 0), Run("killing_search:Killer", 0)]
    runs += [Run("random", seed) for seed in range(1, 4)]
    finished = make(study, runs, exact, jobs=2)
    assert sorted(done.run for done in finished) == sorted(runs)
    problems = {done.run: done.problem for done in finished}
    assert "killed twice" in problems.pop(Run("killing_search:Killer", 0))
    assert set(problems.values()) == {None}
    assert study.missing(runs) == runs[1:2]
    # Alone in the next start, it still takes nobody with it.
    assert [done.run for done in make(study, runs, exact, jobs=2)] == runs[1:2]


def test_exit_and_many_lines_in_a_failure(tmp_path, exact, monkeypatch):
    class Leaves(ToyTask):
        def evaluate(self, X):
            raise SystemExit("no\n  luck")

    (finished,) = make(Study(tmp_path, Leaves(), 60), RUNS[:1], exact)
    assert finished.problem == "SystemExit: no luck"


def test_study_file_says_what_was_run(tmp_path, task):
    Study(tmp_path, task, 60)
    facts = json.loads((tmp_path / "study.json").read_text())
    assert facts["budget"] == 60
    assert facts["limits"] == task.limits


def test_load_history_of_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        load_history(tmp_path / "none.npz")


def test_genotypes_survive_the_small_integers_of_the_file(tmp_path, task, exact):
    study = Study(tmp_path, task, 60)
    make(study, RUNS[:1], exact)
    X = study.histories(RUNS[:1])[0].X
    assert X.dtype == np.int64
    assert (task.space.check(X) == X).all()


def test_runs_of_a_changed_optimiser_are_refused_and_the_others_kept(
    tmp_path, task, exact, monkeypatch
):
    study = Study(tmp_path, task, 60)
    make(study, RUNS[:2], exact)
    present = module.optimiser_fingerprint
    monkeypatch.setattr(
        module, "optimiser_fingerprint", lambda name: "new" if name == "nsga2" else present(name)
    )
    assert len(study.histories(RUNS[:1])) == 1
    with pytest.raises(ValueError, match="other code or libraries of nsga2"):
        study.histories(RUNS[:2])


def test_runs_with_other_hyperparameters_are_not_mixed(tmp_path, task, exact):
    tuned = {"nsga2": {"population": 0.5}}
    study = Study(tmp_path, task, 60, hyperparameters=tuned)
    assert [f.problem for f in make(study, RUNS[:2], exact)] == [None, None]
    assert study.histories(RUNS[1:2])[0].metadata["hyperparameters"] == tuned["nsga2"]
    plain = Study(tmp_path, ToyTask(), 60)
    assert len(plain.histories(RUNS[:1])) == 1  # random has none and is the same run
    with pytest.raises(ValueError, match="other hyperparameters of nsga2; choose another --out"):
        plain.histories(RUNS)
    # Values that are the defaults make no difference.
    same = {"nsga2": {"population": 0.5, "crossover": 0.9}}
    assert len(Study(tmp_path, task, 60, hyperparameters=same).histories(RUNS)) == 2
    with pytest.raises(ValueError, match="unknown hyperparameter of nsga2"):
        Study(tmp_path, task, 60, hyperparameters={"nsga2": {"size": 3}})


def test_runs_of_before_hyperparameters_could_be_set_stay(tmp_path, task, exact):
    study = Study(tmp_path, task, 60)
    make(study, RUNS[1:2], exact)
    history = study.histories(RUNS[1:2])[0]
    del history.metadata["hyperparameters"]
    history.save(study.path(RUNS[1]))
    assert len(study.histories(RUNS[1:2])) == 1


def test_each_run_logs_to_a_folder_of_its_own(tmp_path, task, exact):
    study = Study(tmp_path / "study", task, 80, tensorboard=tmp_path / "logs")
    runs = [Run("ppo-plain", 0), Run("ppo-plain", 1), Run("random", 0), Run("ppo", 3)]
    assert [f.problem for f in make(study, runs, exact)] == [None] * 4
    events = [path.parent for path in (tmp_path / "logs").rglob("events.out.tfevents.*")]
    folder = tmp_path / "logs" / "toy-board"
    plain = [folder / "ppo-plain" / seed / "target-0_1" for seed in ("seed-0", "seed-1")]
    assert set(events) == {*plain, folder / "ppo" / "seed-3"}
    again = Study(tmp_path / "study", ToyTask(), 80)  # the log is no part of the study
    assert len(again.histories(runs)) == 4
