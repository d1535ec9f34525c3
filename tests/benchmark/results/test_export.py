from __future__ import annotations

import csv
import json

import moocore
import numpy as np
import optuna
import pytest
from suite_runs import PROBLEM, make_study, small_searches

from mcu_nas_moo.benchmark.results import exchange_formats as export
from mcu_nas_moo.benchmark.results.loading import load_results
from mcu_nas_moo.benchmark.results.optuna_export import distribution, export_run, open_storage
from mcu_nas_moo.benchmark.runs.history import load_history
from mcu_nas_moo.benchmark.runs.study import Run
from mcu_nas_moo.problem.adapters.optuna_objective import McuNasObjective
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.spaces import load_space


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        small_searches(patch)
        return make_study(tmp_path_factory.mktemp("study"), budget=60)


@pytest.fixture
def results(study, monkeypatch):
    small_searches(monkeypatch)
    return load_results([study.folder])


def front_of(history):
    """Feasible, mutually non-dominated objectives, each once, by comparing all pairs."""
    F = np.unique(history.F[feasible(history.G)], axis=0)
    kept = [not any((o <= f).all() and (o < f).any() for o in F) for f in F]
    return F[kept]


def test_moocore_reads_the_fronts(results, study, tmp_path):
    written = export.export_moocore(results, tmp_path)
    assert {path.name for path in written} == {
        f"{PROBLEM}--nsga2--60.dat",
        f"{PROBLEM}--random--60.dat",
    }
    for path in written:
        algorithm = path.name.split("--")[3]
        sets = moocore.read_datasets(str(path))
        histories = [load_history(study.path(Run(algorithm, seed))) for seed in (0, 1)]
        fronts = [front for history in histories if len(front := front_of(history))]
        assert sorted(set(sets[:, -1])) == list(range(1, len(fronts) + 1))
        for number, front in enumerate(fronts, start=1):
            own = sets[sets[:, -1] == number, :-1]
            assert (own[np.lexsort(own.T[::-1])] == front).all()


def test_csv_holds_every_row_of_the_trajectories(results, study, tmp_path):
    runs, rows = export.export_csv(results, tmp_path)
    with runs.open() as file:
        facts = list(csv.DictReader(file))
    assert [(fact["algorithm"], fact["seed"]) for fact in facts] == [
        *(("nsga2", "0"), ("nsga2", "1"), ("random", "0"), ("random", "1"))
    ]
    assert {fact["problem"] for fact in facts} == {PROBLEM}
    with rows.open() as file:
        read = list(csv.DictReader(file))
    assert len(read) == sum(len(run.at) for run in results.problems[0].trajectories)
    task = results.problems[0].task
    for row in read[::7]:
        history = load_history(study.path(Run(row["algorithm"], int(row["seed"]))))
        F = history.F[int(row["evaluation"]) - 1]
        assert [float(row["error"]), float(row["latency_ms"])] == F.tolist()
        genes = {gene.name: int(row[gene.name]) for gene in task.space.genes if row[gene.name]}
        assert (task.evaluate(task.space.encode(genes)).F[0] == F).all()


def test_ioh_files_are_what_iohinspector_needs(results, study, tmp_path):
    """Its rules, as its version 0.0.8 reads files; reading them with it gave the same points."""
    for path in export.export_ioh(results, tmp_path):
        facts = json.loads(path.read_text())
        assert facts["function_name"] == PROBLEM
        assert facts["maximization"] is False
        (scenario,) = facts["scenarios"]
        header, *lines = (path.parent / scenario["path"]).read_text().splitlines()
        assert header.split() == facts["attributes"] == ["evaluations", "raw_y", "F2"]
        values = np.array([[float(part) for part in line.split()] for line in lines])
        assert np.isfinite(values).all()
        # A run begins where the number of evaluations is 1.
        numbers = np.cumsum(values[:, 0] == 1)
        assert numbers[-1] == len(scenario["runs"]) == 2
        for number, run in enumerate(scenario["runs"], start=1):
            own = values[numbers == number]
            history = load_history(study.path(Run(facts["algorithm"]["name"], run["instance"])))
            assert run["evals"] == 60
            for at, *F in own:
                if feasible(history.G)[int(at) - 1]:
                    assert F == history.F[int(at) - 1].tolist()
                else:
                    assert at == 1
                    assert (F > history.F[feasible(history.G)].max(axis=0)).all()
            front = front_of(history)
            assert all((own[:, 1:] == point).all(axis=1).any() for point in front)


@pytest.mark.parametrize("kind", ["sqlite:///{}/runs.db", "{}/runs.journal"])
def test_a_run_becomes_an_optuna_study(study, tmp_path, kind):
    task, history = study.task, load_history(study.path(Run("nsga2", 1)))
    url = kind.format(tmp_path)
    assert export_run(history, task, open_storage(url), "one") is not None
    read = optuna.load_study(study_name="one", storage=open_storage(url))
    trials = read.trials
    assert len(trials) == 60
    best = np.unique([trial.values for trial in read.best_trials], axis=0)
    assert (best == front_of(history)).all()
    objective = McuNasObjective(task=task)
    for trial, x, F, G in zip(trials, history.X, history.F, history.G, strict=True):
        assert (objective.genotype(trial)[0] == x).all()
        assert trial.values == F.tolist()
        assert trial.constraints == dict(zip(task.constraint_names, G.tolist(), strict=True))
        assert trial.user_attrs["latency_ms"] == F[1]
        (subnet,) = task.space.decode(x[None, :])
        assert trial.user_attrs["subnet"] == dict(subnet.values)
    assert task.constraint_names == ("flash", "sram", "latency")
    assert read.metric_names == ["error", "latency"]
    assert read.user_attrs["algorithm"] == "nsga2"
    # A sampler can go on from there.
    read.optimize(objective, n_trials=1)
    assert len(read.trials) == 61


def test_a_study_that_is_there_is_kept_or_refused(study, tmp_path):
    storage = open_storage(str(tmp_path / "runs.journal"))
    one, two = (load_history(study.path(Run("random", seed))) for seed in (0, 1))
    assert export_run(one, study.task, storage, "one") is not None
    assert export_run(one, study.task, storage, "one") is None
    with pytest.raises(ValueError, match="has a study one with 60 trials already"):
        export_run(two, study.task, storage, "one")


def test_a_storage_that_optuna_cannot_open(tmp_path):
    with pytest.raises(ValueError, match="cannot open the storage nonsense://x"):
        open_storage("nonsense://x")


@pytest.mark.parametrize("space", ["mbconv-stage", "mbconv-block"])
def test_distributions_are_those_of_the_objective(space):
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.optimize(McuNasObjective(task=Task(space)), n_trials=1)
    expected = study.trials[0].distributions
    assert {gene.name: distribution(gene) for gene in load_space(space).genes} == expected
