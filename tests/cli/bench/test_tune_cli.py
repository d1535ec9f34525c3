from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import mcu_nas_moo
from mcu_nas_moo.cli.bench.main import main

SMALL = ("--trials", 3, "--budget", 40, "--seeds", 2, "--jobs", 1)


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mcu_nas_moo.problem.reachability.SAMPLE", 500)


def bench(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_from_tuning_to_a_comparison(tmp_path):
    result = bench("tune", "--algo", "nsga2", *SMALL)
    assert result.exit_code == 0, result.output
    assert "Stage 1 of nsga2: the best of 3 trials" in result.output
    folder = tmp_path / "tuning" / "nsga2"
    names = {"best_config.json", "reference.npz", "stage1.json", "stage2.json"}
    assert {path.name for path in folder.iterdir()} == names
    stage = json.loads((folder / "stage1.json").read_text())
    assert (stage["profile"], stage["seeds"]) == ("cortex-m0plus", [1000, 1001])
    assert len(stage["trials"]) == 3
    assert stage["versions"]["optuna"]

    before = (folder / "stage2.json").read_bytes()
    again = bench("tune", "--algo", "nsga2", *SMALL)
    assert again.exit_code == 0
    assert (folder / "stage2.json").read_bytes() == before

    config = folder / "best_config.json"
    done = bench(
        *(
            "--algos",
            "nsga2",
            "--hyperparameters",
            config,
            "--budget",
            40,
            "--seeds",
            1,
            "--jobs",
            1,
        )
    )
    assert done.exit_code == 0, done.output


def test_when_nothing_beats_the_start(tmp_path):
    result = bench("tune", "--algo", "ga", *SMALL[2:], "--trials", 1, "--out", "here")
    assert result.exit_code == 0, result.output
    assert "No trial beats the own values of ga" in result.output
    config = json.loads((tmp_path / "here" / "best_config.json").read_text())
    assert config["hyperparameters"] == {"ga": {}}


TABLE = """a,b,error,latency_ms
1,x,0.5,1
1,y,0.4,2
2,x,0.3,4
2,y,0.2,3
"""
OWN_PROBLEM = """
import numpy as np

class Mine:
    n_choices = [3, 3, 4]
    objectives = ["cost", "loss"]

    def evaluate(self, X):
        return np.stack([X.sum(axis=1), (3 - X[:, 0]) * (5 - X[:, 2])], axis=1)
"""


def test_own_problems_and_tables_are_tuned_on(tmp_path):
    Path("mine_of_tune.py").write_text(OWN_PROBLEM, encoding="utf-8")
    few = (*SMALL[2:], "--trials", 2, "--algo", "nsga2")
    result = bench("tune", *few, "--problem", "mine_of_tune:Mine", "--out", "mine")
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "mine" / "stage1.json").read_text())
    assert facts["problem"]["name"] == "mine_of_tune:Mine"
    assert 0 < facts["trials"][0]["score"] <= 1

    Path("small.yaml").write_text("kind: genes\ngenes: {a: [1, 2], b: [x, y]}\n")
    Path("known.csv").write_text(TABLE)
    words = ("--space", "small.yaml", "--evaluator", "known.csv", "--limit", "latency_ms=3.5")
    result = bench("tune", *few, *words, "--out", "table")
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "table" / "stage1.json").read_text())
    assert "profile" not in facts  # of networks alone
    assert facts["limits"] == {"latency_ms": 3.5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tune",), "--algo"),
        (("tune", "--algo", "tpe"), "tpe has nothing to tune"),
        (("tune", "--algo", "nsg2"), "did you mean 'nsga2'"),
        (("tune", "--algo", "ga", "--profile", "cortex-m8"), "unknown profile"),
        (("tune", "--algo", "ga", "--objectives", "error"), "no trade-off"),
        (("tune", "--algo", "ga", "--method", "random"), "'random' is not one of"),
        (("tune", "--algo", "ga", "--problem", "lotzz"), "did you mean 'lotz'"),
        (
            ("tune", "--algo", "ga", "--problem", "lotz", "--profile", "cortex-m4"),
            "--problem lotz and --profile both say",
        ),
        (("tune", "--algo", "ga", "--evaluator", "none.csv"), "none.csv"),
        (("--budget", 10, "tune", "--algo", "ga"), "options of tune come after it"),
        (("tuen",), "No such command 'tuen'"),
    ],
)
def test_bad_input(arguments, message, tmp_path):
    result = bench(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not any(tmp_path.iterdir())


def test_interruption_keeps_finished_trials(monkeypatch, tmp_path):
    from mcu_nas_moo.benchmark.tuning import tuning

    original, calls = tuning._score, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 4:  # in the second trial of two seeds
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(tuning, "_score", interrupted)
    result = bench("tune", "--algo", "nsga2", *SMALL)
    assert result.exit_code == 130
    assert "the same command continues" in result.stderr
    path = tmp_path / "tuning" / "nsga2" / "stage1.json"
    assert len(json.loads(path.read_text())["trials"]) == 1
    assert bench("tune", "--algo", "nsga2", *SMALL).exit_code == 0
    assert len(json.loads(path.read_text())["trials"]) == 3


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from mcu_nas_moo.cli.bench.main import main\n"
        "try: main(['tune', '--help'])\nexcept SystemExit: pass\n"
        "heavy = 'numpy torch pymoo optuna plotly matplotlib stable_baselines3 loky'.split()\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    root = Path(mcu_nas_moo.__path__[0]).parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "--trials" in done.stdout
