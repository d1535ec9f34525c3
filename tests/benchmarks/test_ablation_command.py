"""The command benchmarks/ablation.py, with tiny budgets."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypervolume_curve import hypervolume_curve

from mcu_nas_moo.benchmark.references.reference import shipped_reference
from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.optimisers.ppo import PPOOptimiser
from mcu_nas_moo.optimisers.ppo.settings import PPOSettings
from mcu_nas_moo.problem.task import Task

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
command = importlib.import_module("ablation")
table = importlib.import_module("ablation_table")

PROBLEM = "mbconv-stage--cortex-m7--error-latency"
CHOSEN = ["--problems", PROBLEM, "--counts", "30,60", "--seeds", "2", "--jobs", "1", "--long", "0"]
BASE, OTHER = command.BASE, "without shuffling"


def start(step, folder, *more):
    places = ["--work", folder / "work", "--results", folder / "results"]
    return command.main([step, *CHOSEN, *map(str, places), *more])


def rows_of(changes):
    return {name: command.Variant(own) for name, own in changes.items()}


@pytest.fixture
def two_rows(monkeypatch):
    monkeypatch.setattr(command, "VARIANTS", rows_of({BASE: {}, OTHER: {"batch_size": 20}}))


def test_each_row_changes_the_defaults():
    assert next(iter(command.VARIANTS)) == BASE
    rows = [(row.settings, row.optimiser) for row in command.VARIANTS.values()]
    assert rows[0] == (PPOSettings(), PPOOptimiser)
    assert len(set(rows)) == len(rows)


def test_unknown_settings_are_named():
    with pytest.raises(ValueError, match="no batchsize"):
        _ = command.Variant({"batchsize": 3}).settings


def test_rows_with_another_optimiser_depend_on_its_code():
    plain, other = command.Variant({}), command.VARIANTS["without neighbours"]
    assert other.code.startswith(plain.code)
    assert other.code != plain.code


def test_a_run_is_that_of_the_benchmark():
    task = Task("mbconv-stage", "cortex-m7")
    reference = shipped_reference(task)
    ratios = command.search(command.Variant({}), task, reference, [50, 100], seed=100)
    history = run_optimiser("ppo", task, reference, 100, 100)
    curve = hypervolume_curve(history.F, history.G, reference)
    assert ratios == pytest.approx([curve[49], curve[99]], abs=1e-6)


def test_runs_and_tables(two_rows, tmp_path, capsys):
    assert start("run", tmp_path) == 0
    files = sorted(tmp_path.glob("work/runs/*.json"))
    assert [path.name for path in files] == [
        f"{name}--{PROBLEM}--s{seed}.json"
        for name in ("all-techniques", "without-shuffling")
        for seed in (100, 101)
    ]
    before = [path.stat().st_mtime_ns for path in files]
    # Damaged runs and runs of other settings are made again, the others are kept.
    files[0].write_text("{")
    other = json.loads(files[2].read_text())
    other["facts"]["settings"]["batch_size"] += 1
    files[2].write_text(json.dumps(other))
    assert start("run", tmp_path) == 0
    after = [path.stat().st_mtime_ns for path in files]
    assert [one != two for one, two in zip(before, after, strict=True)] == [
        True,
        False,
        True,
        False,
    ]

    assert start("tables", tmp_path) == 0
    frame = pd.read_csv(tmp_path / "results" / "ablation.csv")
    assert len(frame) == 2 * 2 * 2
    text = (tmp_path / "results" / "ablation.md").read_text()
    assert "go on to" not in text
    means = frame[frame["row"] == OTHER].groupby("evaluations")["ratio"].median()
    assert f"| {OTHER} | {means[30]:.4f} (" in text
    assert f"{means[60]:.4f} (" in text
    assert "`batch_size=20`" in text
    assert "python benchmarks/ablation.py run --problems" in text
    assert str(tmp_path) not in text
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100 + len(str(tmp_path))

    files[3].unlink()
    assert start("tables", tmp_path) == 0
    assert "Incomplete: 3 of 4" in (tmp_path / "results" / "ablation.md").read_text()


def test_some_rows_go_on(two_rows, tmp_path):
    assert start("run", tmp_path, "--long", "90") == 0
    assert start("tables", tmp_path, "--long", "90") == 0
    frame = pd.read_csv(tmp_path / "results" / "ablation.csv")
    assert set(frame[frame["row"] == BASE]["evaluations"]) == {30, 60, 90}
    assert set(frame[frame["row"] == OTHER]["evaluations"]) == {30, 60}
    text = (tmp_path / "results" / "ablation.md").read_text()
    assert f"only these rows go on to 90 evaluations: {BASE}" in text
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {OTHER} |"))
    assert line.split(" | ")[3] == "–"


def test_a_problem_without_reference_is_named(two_rows, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "known_reference", lambda _: None)
    with pytest.raises(SystemExit):
        start("run", tmp_path)
    assert "make it with `mcu-nas enumerate" in capsys.readouterr().err


def test_a_failing_run_does_not_stop_the_others(two_rows, tmp_path, monkeypatch, capsys):
    search = command.search

    def moody(variant, *rest):
        if variant.settings.batch_size == 20:
            raise RuntimeError("bad luck")
        return search(variant, *rest)

    monkeypatch.setattr(command, "search", moody)
    assert start("run", tmp_path) == 1
    assert capsys.readouterr().out.count("RuntimeError: bad luck") == 2
    assert len(list(tmp_path.glob("work/runs/*.json"))) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--problems", "stage"], "SPACE--PROFILE"),
        (["--seeds", "0"], "at least 1"),
        (["--counts", "x"], "'x'"),
        (["--long", "60"], "larger than all --counts"),
    ],
)
def test_bad_options_end_with_a_message(tmp_path, capsys, more, said):
    with pytest.raises(SystemExit) as stop:
        start("run", tmp_path, *more)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_tables_without_runs_name_the_remedy(tmp_path, capsys):
    with pytest.raises(SystemExit):
        start("tables", tmp_path)
    assert "step `run`" in capsys.readouterr().err


def frame_of(shifts, problems=("easy", "hard"), seeds=10):
    """Ratios of the base plus what a row adds: ``shifts[row][evaluations]``."""
    noise = np.random.default_rng(0).normal(0, 0.01, (len(problems), seeds))
    rows = [
        (row, problem, seed, count, 0.5 + 0.3 * place + noise[place, seed] + shift)
        for row, own in shifts.items()
        for count, shift in own.items()
        for place, problem in enumerate(problems)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["row", "problem", "seed", "evaluations", "ratio"])


def test_what_is_said_of_techniques():
    shifts = {
        BASE: {500: 0.0, 1000: 0.0},
        "without a": {500: -0.1, 1000: 0.0},
        "without b": {500: 0.1, 1000: 0.0},
        "without c": {500: 0.0, 1000: 0.0},
        "without d": {500: -0.1, 1000: 0.1},
        "with e": {500: 0.0, 1000: 0.1},
        "policy alone": {500: -0.1, 1000: -0.2},
    }
    found = table.standings(frame_of(shifts), list(shifts))
    assert [(standing.effect, standing.decision) for standing in found] == [
        ("–", "–"),
        ("helps at 500", "kept"),
        ("harms at 500", "kept"),
        ("no difference shown", "kept"),
        ("helps at 500; harms at 1,000", "kept"),
        ("helps at 1,000", "left out"),
        ("worse at 500, 1,000", "–"),
    ]
    assert found[1].cells[500].difference == pytest.approx(-0.1)
    assert found[1].pairs == 20


def test_rows_without_the_surrogate_have_a_table_of_their_own():
    second = table.SECOND_BASE
    other = table.SECOND_PREFIX + "b"
    frame = frame_of({BASE: {500: 0.0}, second: {500: -0.2}, other: {500: -0.1}})
    first, rest = table.all_standings(frame, [BASE, second, other])
    assert [standing.name for standing in first] == [BASE, second]
    assert [standing.effect for standing in rest] == ["–", "harms at 500"]
    assert rest[1].cells[500].difference == pytest.approx(0.1)
    text = table.ablation_markdown([first, rest], {}, ["easy"], [], [])
    assert text.count("| row |") == 2
    assert len(table.all_standings(frame, [BASE, second])) == 1


def test_means_are_over_problems_of_medians_over_seeds():
    frame = pd.DataFrame(
        [
            (BASE, "easy", 0, 500, 0.1),
            (BASE, "easy", 1, 500, 0.2),
            (BASE, "easy", 2, 500, 0.9),
            (BASE, "hard", 0, 500, 0.4),
        ],
        columns=["row", "problem", "seed", "evaluations", "ratio"],
    )
    (only,) = table.standings(frame, [BASE, "without a"])
    assert only.cells[500].mean == pytest.approx((0.2 + 0.4) / 2)
    assert only.cells[500].p is None


def test_p_values_are_corrected_over_the_whole_table():
    frame = frame_of({BASE: {500: 0.0}, "without a": {500: -0.1}, "without b": {500: -0.1}})
    # All pairs differ by another amount, so that p is exact.
    frame.loc[frame["row"] != BASE, "ratio"] -= np.arange(40) / 1000
    names = list(dict.fromkeys(frame["row"]))
    alone = table.standings(frame, names[:2])[1].cells[500].p
    # Twenty pairs of one sign: two of 2^20 ways to draw the signs.
    assert alone == pytest.approx(2 / 2**20)
    both = table.standings(frame, names)
    assert [standing.cells[500].p for standing in both[1:]] == pytest.approx([2 * alone] * 2)


def test_pairs_that_only_one_row_has_are_left_out():
    frame = frame_of({BASE: {500: 0.0}, "without a": {500: -0.1}})
    short = frame[(frame["row"] == BASE) | (frame["problem"] == "easy")]
    standing = table.standings(short, [BASE, "without a"])[1]
    assert standing.pairs == 10
    assert standing.cells[500].difference == pytest.approx(-0.1)
