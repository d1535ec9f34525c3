from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import public_problem_set
import public_problems

from mcu_nas_moo.problem.task import Task


@pytest.mark.parametrize("name", list(public_problem_set.PROBLEMS))
def test_pymoo_sees_the_problem_of_the_package(name):
    problem, task = public_problem_set.PROBLEMS[name](), Task.of_problem(name)
    X = task.space.sample(500, np.random.default_rng(0))
    F, G = problem.evaluate(X.astype(problem.vtype), return_values_of=["F", "G"])
    np.testing.assert_array_equal(F, task.evaluate(X).F)
    np.testing.assert_array_equal(G, task.evaluate(X).G)
    assert (problem.xl.tolist(), problem.xu.tolist()) == (
        [0] * task.n_genes,
        (task.n_choices - 1).tolist(),
    )
    front = problem.pareto_front()
    assert sorted(front.tolist()) == sorted(task.reference_front.tolist())
    assert (front <= problem.worst).all()


def test_the_command_writes_scores_and_table(tmp_path):
    arguments = ["--problems", "gear-train", "--seeds", "2", "--budget", "600"]
    public_problems.main([*arguments, "--out", str(tmp_path)])
    with (tmp_path / "public_problems.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (len(public_problems.ALGORITHMS) + 1) * 2
    assert {row["evaluations"] for row in rows} == {"500", "600"}
    assert all(0 < float(row["hypervolume_ratio"]) <= 1 for row in rows)
    text = (tmp_path / "public_problems.md").read_text()
    assert "python benchmarks/public_problems.py --problems gear-train" in text
    assert text.count("| gear-train |") == 4
    assert text.count("| local-search |") == 2


@pytest.mark.parametrize("name", list(public_problem_set.PROBLEMS))
def test_local_search_stays_within_the_problem(name, monkeypatch):
    problem = public_problem_set.PROBLEMS[name]()
    asked = []
    evaluate = problem.evaluate
    monkeypatch.setattr(
        problem, "evaluate", lambda X, **more: asked.append(X) or evaluate(X, **more)
    )
    F, met = public_problems.with_local_search(problem, seed=0, budget=203)
    X = np.concatenate(asked)
    assert len(np.unique(X, axis=0)) == len(X) == len(F) == len(met) == 203
    assert ((problem.xl <= X) & (problem.xu >= X)).all()
    own = evaluate(X)
    np.testing.assert_array_equal(F, own[0])
    np.testing.assert_array_equal(met, (own[1] <= 0).all(axis=1))


@pytest.mark.parametrize("arguments", [["--problems", "tsp"], ["--seeds", "0"]])
def test_the_command_refuses_what_makes_no_sense(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        public_problems.main(arguments)
    assert "error" in capsys.readouterr().err
