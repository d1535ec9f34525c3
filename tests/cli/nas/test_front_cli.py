from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from mcu_nas_moo.benchmark.references.reference import shipped_reference
from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.search.front import front_of
from mcu_nas_moo.search.search_folder import SearchFolder, find_search
from mcu_nas_moo.spaces.subnet_file import read_subnet


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with search/ of 60 trials."""
    root = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        result = CliRunner().invoke(main, ["search", "--budget", "60"])
    assert result.exit_code == 0, result.output
    return root


@pytest.fixture(autouse=True)
def there(searched, monkeypatch, tmp_path):
    monkeypatch.chdir(searched)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def found(searched):
    return find_search(searched / "search").read()


def run(*arguments):
    return CliRunner().invoke(main, ["front", *map(str, arguments)])


def listed(*arguments):
    """The rows of the table: number, name and figures."""
    result = run("list", "--rows", 0, *arguments)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 100 for line in result.output.splitlines())
    lines = [line.split() for line in result.output.splitlines()]
    rows = [words for words in lines if len(words) == 8 and words[0].isdecimal()]
    return [[*words[:2], *(float(word.replace(",", "")) for word in words[2:])] for words in rows]


def test_the_list_is_the_front_by_latency(found):
    rows = listed()
    feasible = found.take(found.feasible)
    F = feasible.objective_values
    truth = [
        (name, f)
        for name, f in zip(feasible.names, F.tolist(), strict=True)
        if not ((F <= f).all(axis=1) & (F < f).any(axis=1)).any()
    ]
    truth.sort(key=lambda one: one[1][1])
    assert [row[1] for row in rows] == [name for name, _ in truth]
    assert [row[0] for row in rows] == [str(n) for n in range(1, len(truth) + 1)]
    assert [row[2] for row in rows] == pytest.approx([100 * f[0] for _, f in truth], abs=0.006)
    assert [row[3] for row in rows] == pytest.approx([f[1] for _, f in truth], rel=1e-3)


def test_limits_and_sorting():
    rows = listed("--latency-ms", 15, "--sram-kib", 40, "--max-error", 27, "--sort", "error")
    assert rows
    assert all(row[2] <= 27 and row[3] <= 15 and row[4] <= 40 for row in rows)
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)
    assert len(rows) < len(listed())
    short = run("list", "--rows", 2)
    assert "--rows 0 shows all" in short.output


def test_limits_by_name_are_those_of_the_options():
    named = ("--limit", "latency_ms=15", "--limit", "accuracy=73", "--limit", "sram-kib=40")
    rows = listed(*named)
    assert rows
    assert rows == listed("--latency-ms", 15, "--max-error", 27, "--sram-kib", 40)
    by_energy = listed("--limit", "energy_mj=1.2")
    assert 0 < len(by_energy) < len(listed())


def test_exact_fronts_are_limited_by_their_objectives_alone():
    exact = ("--exact", "--profile", "cortex-m4")
    rows = listed(*exact, "--limit", "accuracy=75", "--limit", "latency_ms=200")
    assert rows == listed(*exact, "--max-error", 25, "--latency-ms", 200)
    refused = run("list", *exact, "--limit", "energy_mj=3")
    assert refused.exit_code == 2
    assert "and error,latency,energy; `mcu-nas enumerate" in refused.output


def test_the_exact_front_is_listed_without_a_search(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = listed("--exact", "--profile", "cortex-m4")
    reference = shipped_reference(Task("mbconv-stage", "cortex-m4"))
    F = reference.F[np.argsort(reference.F[:, 1])]
    assert [row[2] for row in rows] == pytest.approx(100 * F[:, 0], abs=0.006)
    assert [row[3] for row in rows] == pytest.approx(F[:, 1], rel=1e-3)


def test_a_limit_on_another_cost_takes_the_exact_front_of_all_objectives():
    objectives = ("error", "latency", "sram", "flash")
    task = Task("mbconv-stage", "cortex-m7", objectives)
    known = shipped_reference(task)
    F = known.F[known.F[:, 2] <= 25][:, :2]
    kept = [not ((F <= f).all(axis=1) & (F < f).any(axis=1)).any() for f in F]
    truth = np.unique(F[kept], axis=0)
    rows = listed("--exact", "--sram-kib", 25)
    assert {row[3] for row in rows} == {float(f"{latency:.4g}") for latency in truth[:, 1]}


def test_pick_by_name_number_and_rule(tmp_path):
    rows = listed()
    _, name, *_ = rows[2]
    by_number, by_name = tmp_path / "n.yaml", tmp_path / "n.json"
    result = run("pick", 3, "--out", by_number)
    assert result.exit_code == 0, result.output
    assert f"mcu-nas retrain {by_number} --data DIR" in result.output
    assert run("pick", name, "--out", by_name).exit_code == 0
    assert read_subnet(by_number) == read_subnet(by_name)
    assert read_subnet(by_number).name == name
    out = tmp_path / "best.yaml"
    assert run("pick", "--best", "error", "--latency-ms", 12, "--out", out).exit_code == 0
    best = min((row for row in rows if row[3] <= 12), key=lambda row: row[2])
    assert read_subnet(out).name == best[1]


def test_pick_the_knee_into_a_file_of_its_name(monkeypatch, tmp_path, searched):
    rows = listed()
    low, high = ([pick(row[n] for row in rows) for n in (2, 3)] for pick in (min, max))
    distance = {
        row[1]: math.hypot(*((row[n + 2] - low[n]) / (high[n] - low[n]) for n in (0, 1)))
        for row in rows
    }
    monkeypatch.chdir(tmp_path)
    result = run("pick", "--knee", "--from", find_search(searched / "search").root)
    assert result.exit_code == 0, result.output
    (path,) = tmp_path.glob("*.yaml")
    assert path.stem == min(distance, key=distance.get)
    # Once more is no conflict; something else in its place is.
    again = ("pick", "--knee", "--from", find_search(searched / "search").root)
    assert run(*again).exit_code == 0
    path.write_text("mine")
    refused = run(*again)
    assert refused.exit_code == 2
    assert "holds something else" in refused.output
    assert path.read_text() == "mine"


def test_a_study_in_a_storage_gives_the_same_list():
    folder = find_search()
    assert listed("--storage", folder.journal) == listed("--from", folder.root) == listed()
    assert listed("--profile", "cortex-m7") == listed()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "--from", "nowhere"], "holds no results of a search"),
        (["list", "--profile", "cortex-m4"], "run `mcu-nas search --profile cortex-m4` first"),
        (["list", "--storage", "sqlite:///none.db"], "no storage"),
        (["list", "--latency-ms", "0.1"], "no feasible subnet has latency of at most 0.1 ms"),
        (["list", "--latency-ms", "nan"], "--latency-ms must be a number"),
        (["list", "--exact", "--max-error", "nan"], "--max-error must be a number"),
        (["list", "--profile", "none.yaml"], "expected a profile file"),
        (["list", "--limit", "latency_ms=15", "--latency-ms", "9"], "latency_ms is given twice"),
        (["list", "--limit", "latency_ms"], "expected NAME=VALUE"),
        (["list", "--limit", "latency_ms=nan"], "--limit latency_ms must be a number"),
        (["list", "--limit", "latency=5"], "unknown limit 'latency'; did you mean 'latency_ms'"),
        (["list", "--limit", "accuracy=99.9"], "accuracy of at least 99.9 %; the best is"),
        (["list", "--exact", "--limit", "speed=5"], "unknown limit 'speed'"),
        (["list", "--sort", "speed"], "unknown objective"),
        (["list", "--exact", "--profile", "cortex-m9"], "unknown profile"),
        (["list", "--exact", "--objectives", "error,energy"], "mcu-nas enumerate"),
        (["list", "--exact", "--from", "search"], "one of --from"),
        (["list", "--study-name", "x"], "needs --storage"),
        (["pick"], "or --knee"),
        (["pick", "3", "--knee"], "or --knee"),
        (["pick", "0"], "numbers 1 to"),
        (["pick", "9999"], "numbers 1 to"),
        (["pick", "cortex-m7-t9999"], "`mcu-nas front list` shows the names"),
        (["pick", "--best", "beauty"], "unknown objective"),
        (["pick", "1", "--out", "chosen.txt"], "ends in .yaml or .json"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(words, message, searched):
    before = sorted(searched.rglob("*"))
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert sorted(searched.rglob("*")) == before


def test_damaged_results_are_refused(tmp_path, found, searched):
    folder = SearchFolder(tmp_path)
    origin = find_search(searched / "search")
    folder.record.write_text(origin.record.read_text())
    text = re.sub(r"(?m)^(cortex-m7-t\d+),(\d+),", r"\1,x,", origin.table.read_text(), count=1)
    folder.table.write_text(text)
    result = run("list", "--from", tmp_path)
    assert result.exit_code == 2
    assert "line 2: damaged" in result.output


def test_pick_replaces_no_file_of_another_name_or_of_other_classes(tmp_path):
    path = tmp_path / "chosen.yaml"
    assert run("pick", "--knee", "--out", path).exit_code == 0
    text = path.read_text()
    for change in (("classes: 10", "classes: 5"), ("name: cortex-m7", "name: mine")):
        path.write_text(text.replace(*change, 1))
        result = run("pick", "--knee", "--out", path)
        assert result.exit_code == 2
        assert "holds something else" in result.output
        assert path.read_text() == text.replace(*change, 1) != text


def test_the_profile_may_be_a_file(tmp_path):
    path = tmp_path / "board.yaml"
    shipped = Path(__file__).parents[3] / "constraint_profiles" / "cortex-m7.yaml"
    path.write_text(shipped.read_text())
    assert listed("--profile", path) == listed()


def test_a_damaged_search_of_another_problem_is_passed_over(searched, tmp_path, monkeypatch):
    shutil.copytree(searched / "search", tmp_path / "search")
    (tmp_path / "search" / "other").mkdir()
    (tmp_path / "search" / "other" / "search.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    assert run("list").exit_code == 2
    result = run("list", "--profile", "cortex-m7")
    assert result.exit_code == 0
    assert "Note: passed over search/other" in result.stderr


OFFSET = '''
class Offset:
    """Measures 10 KiB more than the cost model says, and fails for every second network."""

    metrics = ("flash_kib", "warm_up_ms")

    def __init__(self):
        from mcu_nas_moo import Metric

        self.metrics = ("flash_kib", Metric("warm_up_ms", unit="ms"))

    def evaluate(self, space, X):
        from mcu_nas_moo import Task

        flash = Task(space).metrics(X)["flash_kib"] + 10
        failed = X.sum(axis=1) % 2 == 1
        flash[failed] = float("nan")
        return {
            "flash_kib": flash,
            "warm_up_ms": flash / 4,
            "reason": ["the board was away" if one else "" for one in failed],
        }
'''


def test_measured_beside_believed(tmp_path, searched, found):
    (searched / "offset_board.py").write_text(OFFSET)
    out = tmp_path / "measured.csv"
    result = run("measure", "--with", "offset_board:Offset", "--rows", 0, "--jobs", 1, "--out", out)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out, keep_default_na=False, na_values=[""])
    front = front_of(found)
    assert table["name"].tolist() == list(front.names)
    failed = table["flash_kib"].isna()
    assert 0 < failed.sum() < len(table)
    assert (table.loc[failed, "reason"] == "the board was away").all()
    fine = table[~failed]
    np.testing.assert_allclose(fine["flash_kib"] - fine["flash_kib_believed"], 10)
    np.testing.assert_allclose(fine["warm_up_ms"], fine["flash_kib"] / 4)
    assert result.output.count("the board was away") == failed.sum()
    assert re.search(r"\d → \d+\.\d+ \(-\d+ %\)", result.output)
    assert all(len(line) <= 100 for line in result.output.splitlines() if "Wrote" not in line)


def test_a_part_of_a_front_is_measured_from_end_to_end(searched, found, tmp_path):
    (searched / "offset_board.py").write_text(OFFSET)
    out = tmp_path / "measured.csv"
    arguments = ["--with", "offset_board:Offset", "--rows", 3, "--jobs", 1, "--out", out]
    assert run("measure", *arguments).exit_code == 0
    names = front_of(found).names
    assert pd.read_csv(out)["name"].tolist() == [
        names[0],
        names[round((len(names) - 1) / 2)],
        names[-1],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--with", "nobody"], "unknown evaluator 'nobody'"),
        (["--with", "missing_module:X"], "cannot import 'missing_module'"),
        (["--out", "figures.txt"], r"figures\.txt: expected a file that ends in \.csv"),
    ],
)
def test_what_cannot_measure(arguments, message):
    result = run("measure", *arguments)
    assert result.exit_code == 2
    assert re.search(message, " ".join(result.output.split()))
