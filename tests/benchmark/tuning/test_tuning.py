from __future__ import annotations

import json
from itertools import islice

import numpy as np
import pytest
from hypervolume_curve import hypervolume_curve
from toy_task import ToyTask

from mcu_nas_moo.benchmark.runs.hyperparameter_files import read_configs
from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.benchmark.tuning import tuning as module
from mcu_nas_moo.benchmark.tuning.tuning import Trial, Tuning, ranking
from mcu_nas_moo.optimisers.entries import ENTRIES
from mcu_nas_moo.optimisers.tunable import Choice, Range


@pytest.fixture
def open_tuning(tmp_path, exact):
    def build(folder="tuning", algorithm="nsga2", task=None, **options):
        settings = {"trials": 4, "budget": 60, "seeds": 2} | options
        return Tuning(tmp_path / folder, algorithm, task or ToyTask(), exact, **settings)

    return build


def finish(tuning):
    for stage in tuning.stages:
        list(tuning.run(stage))
    return tuning


def test_score_is_the_mean_of_three_moments_over_the_seeds(open_tuning, exact):
    tuning = open_tuning(trials=2)
    first = next(iter(tuning.run(1)))
    assert first.params == {"population": 1.0, "offspring": 1.0}
    by_hand = []
    for seed in (1000, 1001):
        history = run_optimiser("nsga2", ToyTask(), exact, 60, seed)
        curve = hypervolume_curve(history.F, history.G, exact)
        by_hand.append(np.mean(curve[[14, 29, 59]]))
    assert first.scores == pytest.approx(by_hand)
    assert first.score == pytest.approx(np.mean(by_hand))


@pytest.mark.parametrize("method", ["tpe", "grid"])
def test_tuning_is_never_worse_than_its_start(open_tuning, method, exact, tmp_path):
    tuning = finish(open_tuning(method=method))
    assert [len(tuning.finished(stage)) for stage in (1, 2)] == [4, 4]
    assert tuning.finished(2)[0].scores == tuning.best(1).scores
    assert tuning.best(2).score >= tuning.best(1).score >= tuning.finished(1)[0].score
    # The file makes the very runs that were scored.
    chosen = read_configs([tuning.save_best()])["nsga2"]
    history = run_optimiser("nsga2", ToyTask(), exact, 60, 1000, hyperparameters=chosen)
    curve = hypervolume_curve(history.F, history.G, exact)
    assert tuning.best(2).scores[0] == pytest.approx(np.mean(curve[[14, 29, 59]]))
    facts = json.loads((tmp_path / "tuning" / "best_config.json").read_text())["tuning"]
    assert (facts["score"], facts["trials"]) == (tuning.best(2).score, [4, 4])
    assert facts["seeds"] == [1000, 1001]


@pytest.mark.parametrize("method", ["tpe", "grid"])
def test_going_on_after_a_kill_is_the_same_as_going_through(
    open_tuning, method, monkeypatch, tmp_path
):
    monkeypatch.setattr(module, "STARTUP_TRIALS", 2)
    list(islice(open_tuning(method=method).run(1), 2))
    made = []
    original = module.run_optimiser
    monkeypatch.setattr(
        module, "run_optimiser", lambda *a, **k: made.append(a) or original(*a, **k)
    )
    list(open_tuning(method=method).run(1))
    assert len(made) == 2 * 2
    list(islice(open_tuning(method=method).run(2), 1))
    finish(open_tuning(method=method))
    through = finish(open_tuning("through", method=method))
    for stage in (1, 2):
        name = f"stage{stage}.json"
        files = [(tmp_path / folder / name).read_text() for folder in ("tuning", "through")]
        assert files[0] == files[1]
    assert through.finished(1) == finish(open_tuning(method=method)).finished(1)


def test_more_trials_continue_and_a_new_best_renews_stage_2(open_tuning):
    short = finish(open_tuning(trials=1))
    long = open_tuning(trials=12)
    list(long.run(1))
    assert long.finished(1)[:1] == short.finished(1)
    assert long.best(1).score > short.best(1).score
    list(long.run(2))
    assert long.finished(2)[0].scores == long.best(1).scores
    assert [len(open_tuning(trials=3).finished(stage)) for stage in (1, 2)] == [12, 12]


def test_jobs_do_not_change_the_scores(open_tuning):
    first, second = open_tuning("one", trials=2), open_tuning("two", trials=2)
    assert list(first.run(1, jobs=1)) == list(second.run(1, jobs=2))


def test_a_small_grid_ends_before(open_tuning, monkeypatch):
    monkeypatch.setitem(
        ENTRIES,
        "nsga2",
        ENTRIES["nsga2"]._replace(
            tunable=({"population": Choice((1.0, 2.0))}, {"crossover": Range(0.9, 1.0)})
        ),
    )
    tuning = finish(open_tuning(method="grid", trials=9))
    assert [len(tuning.finished(stage)) for stage in (1, 2)] == [2, 3]
    assert [trial.params["population"] for trial in tuning.finished(1)] == [1.0, 2.0]


def test_failed_trials_are_kept_and_not_chosen(open_tuning, monkeypatch):
    original = module.run_optimiser

    def moody(*arguments, hyperparameters):
        if hyperparameters.get("population", 1.0) != 1.0:
            raise RuntimeError("bad luck")
        return original(*arguments, hyperparameters=hyperparameters)

    monkeypatch.setattr(module, "run_optimiser", moody)
    tuning = open_tuning()
    list(tuning.run(1))
    problems = [trial.problem for trial in tuning.finished(1)]
    assert problems == [None] + ["RuntimeError: bad luck"] * 3
    assert tuning.best(1) == tuning.finished(1)[0]
    assert open_tuning().finished(1) == tuning.finished(1)
    monkeypatch.setattr(module, "run_optimiser", lambda *_, **__: 1 / 0)
    with pytest.raises(ValueError, match="nsga2 failed with its own settings: ZeroDivision"):
        list(open_tuning("other").run(1))


def test_ranking_puts_failures_last_and_keeps_the_order_of_equals():
    trials = [Trial({}, (0.2,)), Trial({}, (), "x"), Trial({}, (0.5, 0.7)), Trial({}, (0.6,))]
    assert ranking(trials) == [2, 3, 0, 1]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"budget": 61}, "budget: 60 there, 61 here"),
        ({"seeds": 3}, "seeds"),
        ({"method": "grid"}, "method: tpe there, grid here"),
        ({"algorithm": "nsga3"}, "algorithm: nsga2 there"),
        ({"task": ToyTask(limits={"sram_kib": 9.0})}, "differs in limits: "),
    ],
)
def test_a_folder_of_another_tuning_is_refused(open_tuning, options, match):
    list(open_tuning(trials=1).run(1))
    with pytest.raises(ValueError, match=f"stage1.json .*{match}.*choose another --out"):
        open_tuning(**options)


def test_bad_input(open_tuning, tmp_path):
    for options, match in (
        ({"method": "random"}, "unknown method 'random'"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"budget": 0}, "budget must be at least 1"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"algorithm": "tpe"}, "tpe has nothing to tune"),
    ):
        with pytest.raises(ValueError, match=match):
            open_tuning(**options)
    with pytest.raises(ValueError, match="starts from the best of the one before"):
        next(iter(open_tuning().run(2)))
    (tmp_path / "tuning").mkdir()
    (tmp_path / "tuning" / "stage1.json").write_text("{")
    with pytest.raises(ValueError, match=r"stage1\.json is damaged"):
        open_tuning()
