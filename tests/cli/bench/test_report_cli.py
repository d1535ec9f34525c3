from __future__ import annotations

import json
import shutil
from pathlib import Path

from click.testing import CliRunner
from small_space import quick_costs, random_predictor
from suite_runs import make_study, small_searches

from mcu_nas_moo.cli.bench.main import main
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.spaces import load_space


def report(*folders):
    arguments = [*map(str, folders), "--out", "report", "--jobs", "1"]
    return CliRunner().invoke(main, ["report", *arguments])


def test_the_fewest_runs_count_and_a_stale_folder_does_not_end_the_report(tmp_path, monkeypatch):
    small_searches(monkeypatch)
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path / "runs of today", ("random",), tuple(range(11)), budget=20)
    make_study(tmp_path / "runs of today", ("nsga2",), (0,), budget=20)
    stale = shutil.copytree(tmp_path / "runs of today", tmp_path / "stale")
    facts = json.loads((stale / "study.json").read_text())
    (stale / "study.json").write_text(json.dumps(facts | {"fingerprint": "older"}))

    result = report("stale", "runs of today")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Warning: left out: stale/study.json is about the problem")
    said = " ".join(result.stdout.split())
    # There are eleven seeds in all, but one algorithm has a single run.
    assert "1 seed is a look, not a claim (nsga2: 1 run); take --seeds 21" in said
    assert "Algorithms have different numbers of runs, from 1 to 11." in said
    assert (tmp_path / "report" / "report.html").exists()

    alone = report("stale")
    assert alone.exit_code == 2
    assert "fingerprint older there" in alone.stderr
    assert alone.stderr.count("\n") == 1


def test_runs_with_a_predictor_of_ones_own_are_reported(tmp_path, monkeypatch):
    small_searches(monkeypatch)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.safetensors"
    random_predictor(load_space("mbconv-stage")).save(path)
    task = Task(accuracy=AccuracyPredictor.load(Path("mine.safetensors")))
    make_study(tmp_path / "runs", task=task, budget=20)
    found = report("runs")
    assert found.exit_code == 0, found.output
    assert found.stderr == ""
    assert (tmp_path / "report" / "report.html").exists()

    random_predictor(load_space("mbconv-stage"), seed=1).save(path)
    other = report("runs")
    path.rename(tmp_path / "elsewhere.safetensors")
    missing = report("runs")
    for refused, what in ((other, "is not the file of then"), (missing, "is missing")):
        assert refused.exit_code == 2
        assert f"runs/study.json: {path} {what}" in refused.stderr
        assert "put that file there or in runs" in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_runs_with_costs_learned_from_ones_own_labels_are_reported(tmp_path, monkeypatch):
    small_searches(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    quick_costs(tmp_path / "runs" / "costs.safetensors")
    task = Task(costs=Path("runs/costs.safetensors"))
    make_study(tmp_path / "runs", task=task, budget=20)
    # The folder holds all that its runs need.
    (tmp_path / "runs").rename(tmp_path / "moved")
    found = report("moved")
    assert found.exit_code == 0, found.output
    assert found.stderr == ""
