"""The command benchmarks/indicator_speed.py, with tiny budgets."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np

from mcu_nas_moo.benchmark.references.reference import shipped_reference
from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.problem.archive import improvements
from mcu_nas_moo.problem.task import Task

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
command = importlib.import_module("indicator_speed")


def test_a_row_per_measurement_and_set_of_objectives(capsys):
    small = ["--evaluations=60", "--runs=12", "--analysed=60", "--steps=3"]
    command.main(small)
    heading, _, *rows = capsys.readouterr().out.splitlines()
    assert heading.startswith("| what | objectives | time | peer |")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[1] for row in cells] == ["2"] * 3 + ["4"] * 3
    for row in cells:
        assert all(time.endswith((" ms", " s")) for time in (row[2], row[4]))
        assert float(row[5].replace(",", "")) >= 0
    assert cells[5][0] == "analysis of 12 runs of 60 evaluations"


def test_the_peer_finds_the_same_archive():
    task = Task()
    history = run_optimiser("random", task, shipped_reference(task), 200, seed=0)
    met = (history.G <= 0).all(axis=1)
    joined = history.F[met][improvements(history.F[met])]
    peer = command._archive_by_comparison(history)
    assert 0 < len(peer) <= len(joined)
    dominated = [any((f <= g).all() and (f < g).any() for f in joined) for g in joined]
    assert (np.unique(peer, axis=0) == np.unique(joined[~np.array(dominated)], axis=0)).all()
