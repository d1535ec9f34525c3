"""Any problem from the command line: runs, report, export, suites; and bad input."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml
from click.testing import CliRunner

from mcu_nas_moo.benchmark.references.reference import load_reference
from mcu_nas_moo.benchmark.results.optuna_export import open_storage
from mcu_nas_moo.benchmark.runs.history import load_history
from mcu_nas_moo.cli.bench.main import main

MINE = """
import numpy as np

class Mine:
    n_choices = [4, 4, 3, 40]
    objectives = ["cost", "weight"]
    constraints = ["budget"]

    def evaluate(self, X):
        cost = X.sum(axis=1)
        F = np.stack([cost, 9.0 - X[:, 0] * X[:, 1] - X[:, 3] / 39], axis=1)
        F[X[:, 2] == 2] = np.nan
        return F, cost - 40.0, np.where(X[:, 2] == 2, "it broke", "")

    def decode(self, X):
        return [f"choice {x.tolist()}" for x in X]

def broken():
    raise RuntimeError("not\\ntoday")
"""


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    Path("mine_of_cli.py").write_text(MINE, encoding="utf-8")
    yield
    sys.modules.pop("mine_of_cli", None)


def bench(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


SMALL = ("--algos", "random,nsga2", "--budget", 60, "--seeds", 2, "--jobs", 1)


def test_a_problem_of_ones_own_from_runs_to_report_and_export(tmp_path):
    result = bench("--problem", "mine_of_cli:Mine", *SMALL)
    assert result.exit_code == 0, result.output
    assert "Evaluated all 1,920 networks: the reference front is exact." in result.output
    folder = tmp_path / "bench-results" / "Mine-60"
    study = json.loads((folder / "study.json").read_text())
    assert study["problem"]["name"] == "mine_of_cli:Mine"
    history = load_history(folder / "runs" / "random-s0.npz")
    failed = history.X[:, 2] == 2
    assert history.metadata["failures"] == {"it broke": failed.sum()}
    assert np.isnan(history.F[failed]).all()

    again = bench("report", folder, "--out", "page")
    assert again.exit_code == 0, again.output
    assert "left out" not in again.output
    page = Path("page/report.html").read_text(encoding="utf-8")
    assert "Multi-objective optimisation over discrete options: Mine." in page
    assert "microcontroller" not in page
    assert "budget ≤ 0" in page
    with Path("page/pareto.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["solution"] == f"choice {[int(rows[0][f'x{g}']) for g in range(1, 5)]}"
    assert float(rows[0]["cost"]) == sum(int(rows[0][f"x{g}"]) for g in range(1, 5))

    for form in ("csv", "moocore", "ioh", "compact"):
        exported = bench("export", folder, "--format", form, "--out", form)
        assert exported.exit_code == 0, exported.output
    one = ("--algos", "random", "--seed", 0, "--storage", "runs.log", "--study-name", "one")
    exported = bench("export", folder, "--format", "optuna", *one)
    assert exported.exit_code == 0, exported.output
    trials = optuna.load_study(study_name="one", storage=open_storage("runs.log")).trials
    assert [trial.state.name == "FAIL" for trial in trials] == failed.tolist()
    assert trials[int(failed.argmax())].user_attrs["reason"] == "it broke"
    assert trials[int(failed.argmin())].values == history.F[failed.argmin()].tolist()
    assert bench("report", "compact", "--out", "page2").exit_code == 0
    first, second = (Path(name, "results.csv").read_text() for name in ("page", "page2"))
    assert first == second


def test_runs_are_scored_against_the_front_that_a_problem_tells(tmp_path):
    result = bench("--problem", "lotz", *SMALL)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "bench-results" / "lotz-60"
    reference = load_reference(folder / "reference.npz")
    assert (reference.kind, reference.X.shape, len(reference.F)) == ("exact", (0, 30), 31)
    assert bench("export", folder, "--format", "compact", "--out", "compact").exit_code == 0
    assert bench("report", "compact", "--out", "page").exit_code == 0
    first, second = ((place / "results.csv").read_text() for place in (folder, Path("page")))
    assert sorted(first.splitlines()) == sorted(second.splitlines())
    assert bench("compare", folder, "compact").exit_code == 0


def test_a_suite_of_problems(tmp_path):
    suite = {
        "problems": ["mine_of_cli:Mine", "lotz"],
        "budgets": [40],
        "seeds": 2,
        "algorithms": ["random", "nsga2"],
    }
    Path("small.yaml").write_text(yaml.safe_dump(suite))
    result = bench("suite", "small.yaml", "--jobs", 1, "--out", "results")
    assert result.exit_code == 0, result.output
    with Path("results/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert all(0 < float(row["hypervolume_ratio"]) <= 1 for row in rows)


def test_names_of_problems_are_listed():
    output = bench("--list").output
    for name in ("toy-scaling", "mnk-2obj", "traps", "lotz", "cocz", "mubqp", "reliability"):
        assert f"  {name} " in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lotz", "--space", "mbconv-stage"), "--problem lotz and --space both say what is search"),
        (("lotz", "--sram-kib", 3), "--problem lotz and --sram-kib both say"),
        (("lotz", "--limit", "x=3"), "--problem lotz and --limit both say"),
        (("lotz", "--profile", "cortex-m4"), "--problem lotz and --profile both say"),
        (("lotzz",), "unknown problem 'lotzz'; did you mean 'lotz'"),
        (("mine_of_cli:Min",), "has no 'Min', wanted for problem 'mine_of_cli:Min'"),
        (("mine_of_cli:broken",), "cannot be made without arguments: RuntimeError: not today"),
        (("mine_of_cli:np",), "lacks the method evaluate"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    result = bench("--problem", *arguments, *SMALL)
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1
