from __future__ import annotations

import csv

import numpy as np
import pytest
from small_results import history
from toy_task import ToyTask, brute_force_reference, pairwise_front

from mcu_nas_moo.benchmark.report.common_front import common_front, write_fronts
from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
from mcu_nas_moo.benchmark.results.trajectory import Trajectory


def made(task, histories):
    runs = tuple(Trajectory.of(one, task.space.canonical) for one in histories)
    return ProblemResults(task, brute_force_reference(ToyTask()), (300,), runs)


def test_front_equals_pairwise_comparison_and_names_finders(task):
    histories = [history(task, name, seed, 300) for name, seed in (("a", 0), ("b", 0), ("a", 1))]
    front = common_front(made(task, histories))
    X = np.concatenate([one.X for one in histories])
    F, G = task.evaluate(X)
    kept = np.flatnonzero((G <= 0).all(axis=1))
    expected = np.unique(task.space.canonical(X[kept[pairwise_front(F[kept])]]), axis=0)
    assert (np.unique(front.X, axis=0) == expected).all()
    assert len(front.X) == len(expected)
    assert (np.diff(front.F[:, 0]) >= 0).all()
    for x, names in zip(front.X, front.algorithms, strict=True):
        finders = {
            one.algorithm
            for one in histories
            if (task.space.canonical(one.X) == x).all(axis=1).any()
        }
        assert set(names) == finders
        assert len(names) == len(set(names))


def test_rows_hold_metrics_and_genes(tmp_path, task):
    results = made(task, [history(task, "a", 0, 200)])
    write_fronts(tmp_path / "pareto.csv", [common_front(results)])
    with (tmp_path / "pareto.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        genes = {n: int(v) for n, v in row.items() if n.startswith("stage") and v}
        metrics = task.metrics(task.space.encode(genes))
        for name, values in metrics.items():
            assert float(row[name]) == pytest.approx(values[0], rel=1e-5)
        assert metrics["flash_kib"][0] <= task.limits["flash_kib"]
        assert (row["problem"], row["algorithms"]) == (results.name, "a")
    # The gene without an effect is left empty.
    assert any(row["stage6_width"] == "" for row in rows) == any(
        row["stage1_width"] == "1" for row in rows
    )


def test_nothing_feasible_is_an_empty_table(tmp_path):
    task = ToyTask(limits={"flash_kib": 1.0})
    write_fronts(tmp_path / "pareto.csv", [common_front(made(task, [history(task, "a", 0, 30)]))])
    assert (tmp_path / "pareto.csv").read_text().count("\n") == 1
