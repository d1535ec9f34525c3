"""The command benchmarks/compare_optimisers.py, with tiny budgets."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mcu_nas_moo.analysis.indicators import hypervolume_curve
from mcu_nas_moo.analysis.statistics import mann_whitney
from mcu_nas_moo.bench.history import load_history
from mcu_nas_moo.bench.reference import shipped_reference
from mcu_nas_moo.task import Task

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
command = importlib.import_module("compare_optimisers")
runs_module = importlib.import_module("comparison_runs")
tables_module = importlib.import_module("comparison_tables")
picture_module = importlib.import_module("comparison_picture")

NAME = "mbconv-stage--cortex-m7--error-latency"
CHOSEN = ["--algos", "random,nsga2,ppo", "--profiles", "cortex-m7", "--spaces", "mbconv-stage"]
CHOSEN += ["--objectives", "error,latency", "--counts", "40,80", "--seeds", "2", "--jobs", "1"]


def start(step, folder, *more):
    places = ["--work", folder / "work", "--results", folder / "results"]
    places += ["--picture", folder / "anytime.png"]
    return command.main([step, *CHOSEN, *map(str, places), *more])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    assert start("run", folder) == 0
    assert start("tables", folder) == 0
    return folder


def test_runs_lie_in_a_folder_for_each_budget(made):
    files = {path.relative_to(made / "work").as_posix() for path in made.glob("work/*/runs/*")}
    # One run of random and ppo is judged at both counts; nsga2 adapts to its budget.
    made_at = {40: ("nsga2",), 80: ("random", "nsga2", "ppo")}
    assert files == {
        f"{NAME}--{budget}/runs/{name}-s{seed}.npz"
        for budget, names in made_at.items()
        for name in names
        for seed in (0, 1)
    }


def test_ratios_are_those_of_the_histories(made):
    frame = pd.read_csv(made / "results" / "comparison.csv")
    assert list(frame) == [
        "space", "profile", "objectives", "algorithm", "seed", "evaluations", "ratio",
    ]  # fmt: skip
    assert len(frame) == 3 * 2 * 2
    reference = shipped_reference(Task("mbconv-stage", "cortex-m7"))
    for row in frame.itertuples():
        budget = row.evaluations if row.algorithm == "nsga2" else 80
        path = made / "work" / f"{NAME}--{budget}" / "runs" / f"{row.algorithm}-s{row.seed}.npz"
        history = load_history(path)
        curve = hypervolume_curve(history.F, history.G, reference)
        assert row.ratio == pytest.approx(curve[row.evaluations - 1], abs=1e-6)


def test_pairs_are_tested_on_the_ratios_of_the_file(made):
    frame = pd.read_csv(made / "results" / "comparison.csv")
    pairs = pd.read_csv(made / "results" / "comparison_pairs.csv")
    assert len(pairs) == 3 * 2
    for pair in pairs.itertuples():
        at = frame[frame["evaluations"] == pair.evaluations].groupby("algorithm")["ratio"]
        samples = at.get_group(pair.first), at.get_group(pair.second)
        assert pair.a12 == pytest.approx(mann_whitney(*samples).a12)
        assert pair.median_first == pytest.approx(samples[0].median(), abs=1e-6)


def test_finished_runs_are_kept(made):
    before = {path: path.stat().st_mtime_ns for path in made.glob("work/*/runs/*")}
    gone = made / "work" / f"{NAME}--40" / "runs" / "nsga2-s1.npz"
    old = load_history(gone)
    gone.unlink()
    assert start("run", made) == 0
    after = {path: path.stat().st_mtime_ns for path in made.glob("work/*/runs/*")}
    assert {path for path in after if after[path] != before[path]} == {gone}
    assert (load_history(gone).X == old.X).all()


def test_the_file_says_how_it_was_made(made):
    text = (made / "results" / "comparison.md").read_text()
    commands = [line for line in text.splitlines() if line.startswith("python ")]
    assert len(commands) == 2
    assert "--counts 40,80" in commands[0]
    assert str(made) not in text
    assert "2 seeds are a look, not a claim" in text


def test_lines_of_tables_fit_the_terminal(made, capsys):
    start("tables", made)
    lines = [line for line in capsys.readouterr().out.splitlines() if str(made) not in line]
    assert any("ppo against" in line for line in lines)
    assert max(map(len, lines)) <= 100


def test_the_picture_shows_something(made):
    from matplotlib.image import imread

    picture = imread(made / "anytime.png")
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 20


def test_a_damaged_run_is_named_before_any_is_made(made, capsys):
    path = made / "work" / f"{NAME}--80" / "runs" / "random-s0.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    try:
        for step in ("run", "tables"):
            with pytest.raises(SystemExit) as stop:
                start(step, made)
            assert stop.value.code == 2
            assert "random-s0.npz is damaged" in capsys.readouterr().err
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--algos", "nsga"], "nsga2"),
        (["--counts", "0"], "at least 1"),
        (["--counts", "many"], "many"),
        (["--profiles", "cortex-m8"], "cortex-m8"),
        (["--objectives", "error,speed"], "speed"),
    ],
)
def test_bad_options_end_with_a_message(tmp_path, capsys, more, said):
    with pytest.raises(SystemExit) as stop:
        start("run", tmp_path, *more)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_tables_without_runs_name_the_remedy(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        start("tables", tmp_path)
    assert stop.value.code == 2
    assert "step `run`" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_a_reference_that_is_not_shipped_is_made_once(tmp_path, monkeypatch):
    task = Task("mbconv-stage", "cortex-m7", ("error", "energy"))
    assert shipped_reference(task) is None
    made = []

    def search(task, **options):
        made.append(task)
        return runs_module.shipped_reference(Task("mbconv-stage", "cortex-m7"))

    monkeypatch.setattr(runs_module, "pooled_reference", search)
    runs_module.made_reference(task, tmp_path, print)
    # What was found has the fingerprint of another task, so it is not taken.
    assert runs_module.kept_reference(task, tmp_path) is None
    own = runs_module.load_reference(next(tmp_path.glob("references/*.json")))
    monkeypatch.setattr(task, "fingerprint", own.fingerprint, raising=False)
    runs_module.made_reference(task, tmp_path, print)
    assert len(made) == 1


def test_each_algorithm_is_judged_by_the_right_runs():
    counts = [500, 1000, 2000, 5000]
    assert runs_module.budgets("nsga2", counts) == {count: count for count in counts}
    assert runs_module.budgets("ppo", counts) == dict.fromkeys(counts, 5000)
    assert runs_module.budgets("tpe", counts) == dict.fromkeys(counts[:3], 2000)
    assert runs_module.budgets("tpe", [5000]) == {}


def test_names_of_problems_read_back():
    problem = runs_module.Problem("mbconv-stage", "cortex-m7", ("error", "latency"))
    assert problem.name == NAME
    assert runs_module.problem_of(NAME) == problem
    with pytest.raises(ValueError, match="SPACE--PROFILE"):
        runs_module.problem_of("mbconv-stage")


def frame_of(values):
    """Ten runs per algorithm around a median; ``values[profile, evaluations][algorithm]``."""
    rows = [
        ("stage", profile, "error latency", name, seed, count, median + (seed - 4.5) / 1000)
        for (profile, count), medians in values.items()
        for name, median in medians.items()
        for seed in range(10)
    ]
    columns = ["space", "profile", "objectives", "algorithm", "seed", "evaluations", "ratio"]
    return pd.DataFrame(rows, columns=columns)


VALUES = {
    ("m7", 500): {"random": 0.5, "nsga2": 0.7, "ppo": 0.8},
    ("m7", 1000): {"random": 0.6, "nsga2": 0.9, "ppo": 0.9},
    ("m4", 500): {"random": 0.5, "nsga2": 0.75, "ppo": 0.7},
    ("m4", 1000): {"random": 0.5, "nsga2": 0.801, "ppo": 0.8},
}


def test_where_the_subject_stands():
    names = ["random", "nsga2", "tpe", "ppo"]
    own = tables_module.by_objectives(frame_of(VALUES), names)["error", "latency"]
    assert own.algorithms == ["random", "nsga2", "ppo"]
    assert "in 2 of 4 cells" in own.overall()
    assert own.tallies() == [
        ["random", "2 / 0 / 0", "2 / 0 / 0"],
        ["nsga2", "1 / 0 / 1", "0 / 2 / 0"],
    ]
    lines = own.markdown()
    text = "\n".join(lines)
    assert "| stage on m4 | 500 | nsga2 | 0.7500 | 0.7000 | -0.0500 |" in text
    assert "| stage on m4 | 1,000 | nsga2 | 0.8010 | 0.8000 | -0.0010 |" in text
    # Equal medians are both the best.
    assert "| nsga2 | 0.7000 [" in text
    assert text.count("**0.9000**") == 2
    assert "ppo ahead" in text
    assert "ppo behind" in text


def test_tables_do_without_the_subject_and_without_missing_cells():
    values = {("m7", 500): {"random": 0.5, "tpe": 0.7}, ("m7", 1000): {"random": 0.5}}
    own = tables_module.by_objectives(frame_of(values), ["random", "tpe"])["error", "latency"]
    assert "ppo" not in "\n".join(own.markdown())
    assert len(own.pairs) == 1


def test_what_lacks_is_said():
    class Planned:
        problem = runs_module.Problem("stage", "m7", ("error", "latency"))
        counts = (500, 1000)

    frame = frame_of({("m7", 500): {"random": 0.5, "ppo": 0.7}, ("m7", 1000): {"ppo": 0.8}})
    names = ["random", "tpe", "ppo"]
    notes = command.missing_runs(frame, [Planned], names, 10)
    assert notes == [
        "With error and latency, left out for lack of runs: tpe; incomplete: random (10 of 20 "
        "figures)."
    ]
    assert command.missing_runs(frame, [Planned], ["ppo"], 10) == []


def test_curves_are_shown_where_their_budget_counts():
    alone = picture_module.evaluations_shown(5000, 0, 100, 5000)
    assert (alone[0], alone[-1]) == (100, 5000)
    assert alone == sorted(set(alone))
    parts = [
        picture_module.evaluations_shown(budget, after, 100, 5000)
        for after, budget in ((0, 500), (500, 1000), (1000, 5000))
    ]
    assert [part[-1] for part in parts] == [500, 1000, 5000]
    assert [part[0] for part in parts[1:]] == [501, 1001]
    assert all(part == sorted(set(part)) for part in parts)
