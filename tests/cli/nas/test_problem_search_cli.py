"""Any problem in ``mcu-nas``: a search, its folder and front, exact fronts; and bad input."""

from __future__ import annotations

import csv
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from mcu_nas_moo.benchmark.references.reference import load_reference
from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.problem.named.bit_strings import Lotz
from mcu_nas_moo.search.search_folder import SearchFolder, find_search

OPTIONS = [4, 4, 3, 20]
MINE = """
import numpy as np
from mcu_nas_moo.contracts.metrics import Metric

class Mine:
    n_choices = [4, 4, 3, 20]
    objectives = ["cost", Metric("gain", unit="%", factor=100.0, smaller_is_better=False)]
    constraints = ["budget"]

    def evaluate(self, X):
        cost = X.sum(axis=1)
        F = np.stack([cost, -X[:, 0] * X[:, 1] / 9 - X[:, 3] / 39], axis=1)
        F[X[:, 2] == 2] = np.nan
        return F, cost - 20.0, np.where(X[:, 2] == 2, "it broke", "")

    def decode(self, X):
        return [f"choice {x.tolist()}" for x in X]
"""


def truth():
    """Cost and gain of all solutions that are feasible."""
    X = np.array(list(product(*map(range, OPTIONS))))
    cost, gain = X.sum(axis=1), X[:, 0] * X[:, 1] / 9 + X[:, 3] / 39
    met = (cost <= 20) & (X[:, 2] < 2)
    return np.stack([cost, gain], axis=1)[met]


def front_of(points):
    """The points that no other one beats: cost small, gain large."""
    F = np.unique(points * [1, -1], axis=0)
    kept = [not ((F <= f).all(axis=1) & (F < f).any(axis=1)).any() for f in F]
    return F[kept] * [1, -1]


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("mine_of_search.py").write_text(MINE, encoding="utf-8")
    yield
    sys.modules.pop("mine_of_search", None)


def nas(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments):
    result = nas(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


PROBLEM = ("--problem", "mine_of_search:Mine")
SEARCH = ("search", *PROBLEM, "--algo", "random", "--budget", 80)


def test_from_a_search_to_the_file_of_a_solution():
    output = done(*SEARCH)
    assert "distinct solutions" in output
    assert "solutions could not be evaluated: it broke" in output
    found = find_search(problem="mine_of_search:Mine")
    with found.table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    figures = np.array([[float(row["cost"]), float(row["gain"])] for row in rows])
    feasible = np.array([row["feasible"] == "true" for row in rows])
    expected = front_of(figures[feasible])
    front = done("front", "list", "--rows", 0)
    assert f"{len(expected)} solutions on the front of Mine" in front

    output = done("front", "pick", "--best", "gain", "--out", "chosen.yaml")
    assert "Next:" not in output
    assert "no network to train" in output
    chosen = yaml.safe_load(Path("chosen.yaml").read_text(encoding="utf-8"))
    assert chosen["problem"] == "mine_of_search:Mine"
    x = [chosen["genes"][f"x{gene}"] for gene in range(1, 5)]
    assert chosen["genes"]["solution"] == f"choice {x}"
    assert chosen["predicted"]["cost"] == sum(x)
    assert chosen["predicted"]["gain"] == pytest.approx(expected[:, 1].max(), rel=1e-5)
    # Once more is no conflict; something else in its place is.
    done("front", "pick", "--best", "gain", "--out", "chosen.yaml")
    refused = nas("front", "pick", "--best", "cost", "--out", "chosen.yaml")
    assert refused.exit_code == 2
    assert "holds something else" in refused.output

    refused = nas("retrain", "chosen.yaml", "--data", ".")
    assert refused.exit_code == 2
    assert "solution of problem mine_of_search:Mine, which is no network" in refused.output


def test_a_search_is_continued_and_found_by_its_problem():
    done("search", "--problem", "lotz", "--algo", "random", "--budget", 10)
    done(*SEARCH)
    done("search", "--problem", "lotz", "--algo", "random", "--budget", 20)
    assert "on the front of lotz" in done("front", "list")
    assert "on the front of Mine" in done("front", "list", *PROBLEM)
    refused = nas("front", "list", "--problem", "cocz")
    assert "run `mcu-nas search --problem cocz` first" in refused.output


def test_the_same_study_is_read_from_a_storage():
    done(*SEARCH, "--out", "here")
    one = done("front", "list", "--from", "here").splitlines()
    other = done("front", "list", "--storage", "here/study.journal").splitlines()
    assert one[0] == other[0]
    assert one[2:] == other[2:]


def test_limits_of_own_metrics_are_upper_or_lower_ones():
    done(*SEARCH)
    subnets = SearchFolder(find_search().root).read()
    points = np.stack([subnets.metrics["cost"], subnets.metrics["gain"]], axis=1)
    points = points[subnets.feasible]
    expected = front_of(points[(points[:, 0] <= 12) & (points[:, 1] >= 0.4)])
    words = ("--limit", "cost=12", "--limit", "gain=40", "--sort", "gain", "--rows", 0)
    output = done("front", "list", *words)
    rows = [line.split() for line in output.splitlines() if " Mine-" in line]
    shown = {(float(row[2]), float(row[3])) for row in rows}
    assert shown == {(cost, float(f"{100 * gain:.4g}")) for cost, gain in expected}
    gains = [float(row[3]) for row in rows]
    assert gains == sorted(gains, reverse=True)


def test_the_exact_front_of_a_small_problem():
    refused = nas("front", "list", "--exact", *PROBLEM)
    assert "`mcu-nas enumerate --problem mine_of_search:Mine` makes one" in refused.output
    done("enumerate", *PROBLEM, "--out", "fronts")
    (file,) = Path("fronts").iterdir()
    expected = front_of(truth())
    F = np.unique(load_reference(file).F, axis=0) * [1, -1]
    np.testing.assert_allclose(F[np.lexsort(F.T[::-1])], expected)
    done("enumerate", *PROBLEM)
    output = done("front", "list", "--exact", *PROBLEM, "--rows", 0, "--limit", "gain=70")
    shown = {line.split()[2] for line in output.splitlines() if " Mine-" in line}
    assert shown == {f"{cost:g}" for cost, gain in expected if gain >= 0.7}


def test_a_front_of_which_the_objectives_alone_are_told():
    output = done("front", "list", "--exact", "--problem", "lotz", "--rows", 0)
    rows = [line.split() for line in output.splitlines() if " lotz-r" in line]
    assert {(float(row[2]), float(row[3])) for row in rows} == {
        *map(tuple, Lotz().reference_front())
    }
    refused = nas("front", "pick", "--exact", "--problem", "lotz", "--knee")
    assert refused.exit_code == 2
    assert "tells the objectives of its front and not the solutions" in refused.output


def test_the_page_of_a_problem_speaks_of_solutions():
    done("search", "--problem", "lotz", "--algo", "random", "--budget", 20, "--out", "here")
    page = Path("here/pareto_front.html").read_text(encoding="utf-8")
    assert "distinct solutions" in page
    assert "front of all solutions" in page
    assert "validation split" not in page


def test_without_a_feasible_solution_the_nearest_is_said():
    text = MINE.replace("cost - 20.0", "cost + 1.0")
    Path("mine_of_search.py").write_text(text, encoding="utf-8")
    result = nas(*SEARCH)
    assert result.exit_code == 2
    assert "solutions is feasible: the nearest one, Mine-t" in result.output
    assert "exceeds budget by" in result.output


def test_where_nothing_can_be_evaluated_that_is_said():
    text = MINE.replace("X[:, 2] == 2", "X[:, 2] >= 0")
    Path("mine_of_search.py").write_text(text, encoding="utf-8")
    result = nas(*SEARCH)
    assert result.exit_code == 2
    assert "none of 80 solutions could be evaluated: it broke (80)" in result.output


def test_changed_code_is_told():
    done(*SEARCH, "--out", "here")
    text = MINE.replace("X[:, 3] / 39", "X[:, 3] / 38")
    Path("mine_of_search.py").write_text(text, encoding="utf-8")
    sys.modules.pop("mine_of_search", None)
    result = nas("front", "list", "--from", "here")
    assert result.exit_code == 2
    assert "the code of problem 'mine_of_search:Mine' changed since then" in result.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("search", "--problem", "lotzz"), "unknown problem 'lotzz'; did you mean 'lotz'"),
        (("search", "--problem", "lotz", "--space", "mbconv-stage"), "--space both say"),
        (("search", "--problem", "lotz", "--sram-kib", 5), "--sram-kib both say"),
        (("search", "--problem", "lotz", "--costs", "mlp"), "--costs both say"),
        (("search", "--problem", "none_such:It"), "start the command where none_such.py lies"),
        (("enumerate", "--problem", "lotz", "--objectives", "error,sram"), "--objectives both"),
        (("enumerate", "--problem", "mubqp"), "1.1e+15 solutions, too many to evaluate all"),
        (("front", "list", "--problem", "lotz", "--profile", "cortex-m4"), "--profile both say"),
        (("front", "list", "--exact", "--problem", "lotz", "--accuracy", "x"), "--accuracy both"),
        (("front", "list", "--exact", "--problem", "mubqp"), "`mcu-nas search` finds a front"),
        (
            ("front", "list", "--exact", "--problem", "knapsack", "--limit", "weight_1=-0.1"),
            "and these alone can be limited",
        ),
        (
            ("front", "list", "--exact", "--problem", "lotz", "--limit", "speed=1"),
            "unknown limit 'speed'",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, says, tmp_path):
    result = nas(*words)
    assert result.exit_code == 2
    assert says in result.output
    assert len(result.output.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"mine_of_search.py", "__pycache__"}
