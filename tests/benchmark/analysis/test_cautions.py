from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_task import ToyTask, brute_force_reference

from mcu_nas_moo.benchmark.analysis.cautions import few_runs
from mcu_nas_moo.benchmark.analysis.overall import overall_cautions, serious_cautions
from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
from mcu_nas_moo.benchmark.results.trajectory import Trajectory
from mcu_nas_moo.benchmark.runs.history import History


def analysis(runs, profile="toy-board", kind="exact", factor=1.0):
    """Random runs: ``runs`` has their number by algorithm; ``factor`` spoils their objectives."""
    task = ToyTask(board=profile)
    reference = replace(brute_force_reference(task), kind=kind)
    made = []
    for number, (name, seeds) in enumerate(runs.items()):
        for seed in range(seeds):
            X = np.random.default_rng([number, seed]).integers(0, 4, (60, task.n_genes))
            F, G = task.evaluate(X)
            facts = {"budget": 60}
            history = History(name, seed, X, factor * F, G, np.zeros(60), 0.0, 0.0, facts)
            made.append(Trajectory.of(history, task.space.canonical))
    return analyse(ProblemResults(task, reference, (60,), tuple(made)))


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ({"a": 10, "b": 21}, None),
        ({"a": 3, "b": 3}, "3 seeds are a look, not a claim; take"),
        ({"a": 21, "tpe": 2}, "2 seeds are a look, not a claim (tpe: 2 runs); take"),
        ({"a": 5, "b": 1, "c": 12}, "1 seed is a look, not a claim (b: 1 run; a: 5 runs); take"),
        (dict(zip("abcdef", (9, 8, 7, 6, 5, 10), strict=True)), "(e: 5 runs; d: 6 runs; c: 7 runs"),
        (dict(zip("abcdef", (9, 8, 7, 6, 5, 10), strict=True)), "; and 2 more); take"),
    ],
)
def test_few_runs_say_whose_they_are(runs, says):
    found = few_runs(runs)
    assert found is None if says is None else says in found


def test_the_union_of_seeds_is_not_what_counts():
    one = analysis({"good": 12, "tpe": 2})
    two = analysis({"good": 12, "tpe": 12}, profile="second-board")
    assert one.results.seeds == two.results.seeds
    few, unequal = serious_cautions([one, two])
    assert few.startswith(
        "2 seeds are a look, not a claim (tpe on toy on toy-board, error and latency: 2 runs); take"
    )
    assert unequal == (
        "toy on toy-board, error and latency: Algorithms have different numbers of runs, from 2 to "
        "12."
    )
    assert overall_cautions([one, two]) == [few]
    # Of one problem alone, the head of a page and the problem say the same.
    assert overall_cautions([one]) == list(one.cautions)
    assert "(tpe: 2 runs)" in one.cautions[0]


def test_a_beaten_exact_front_is_said_first():
    spoilt = analysis({"good": 10, "weak": 10}, factor=0.5)
    (beaten,) = serious_cautions([spoilt])
    assert "beats the exact front, which cannot be" in beaten
    sound = analysis({"good": 10}, profile="second-board")
    assert serious_cautions([sound]) == []
    (named,) = serious_cautions([sound, spoilt])
    assert named == f"{spoilt.results.title}: {beaten}"
    pooled = analysis({"good": 10, "weak": 10}, factor=0.5, kind="pooled")
    assert serious_cautions([pooled]) == []


def test_what_several_problems_share_is_said_once():
    several = [analysis({"a": 11, "b": 12}, profile=name) for name in ("x", "y", "z")]
    assert serious_cautions(several) == [
        "toy on x, error and latency and 2 more: Algorithms have different numbers of runs, from "
        "11 to 12."
    ]
