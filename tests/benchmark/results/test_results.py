from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from suite_runs import PROBLEM, make_study, small_searches

from mcu_nas_moo.benchmark.references.reference import load_reference, user_reference_path
from mcu_nas_moo.benchmark.results.compact import save_compact
from mcu_nas_moo.benchmark.results.loading import load_results
from mcu_nas_moo.benchmark.results.problem_results import chosen_runs
from mcu_nas_moo.benchmark.runs.history import load_history
from mcu_nas_moo.problem.task import Task

GENES = Task().n_genes


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two folders of runs on one problem with different budgets."""
    with pytest.MonkeyPatch.context() as patch:
        small_searches(patch)
        folder = tmp_path_factory.mktemp("made")
        make_study(folder / "short", ("nsga2",), budget=40)
        make_study(folder / "long", budget=60)
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy to spoil."""
    small_searches(monkeypatch)
    return shutil.copytree(made, tmp_path / "results")


def test_runs_of_all_folders_stand_together(folder):
    (problem,) = load_results([folder]).problems
    assert problem.name == PROBLEM
    assert problem.budgets == (40, 60)
    found = {(run.algorithm, run.seed, run.budget) for run in problem.trajectories}
    assert found == {
        *(("nsga2", seed, budget) for seed in (0, 1) for budget in (40, 60)),
        *(("random", seed, 60) for seed in (0, 1)),
    }
    assert [run.budget for run in problem.judged("nsga2", 40)] == [40, 40]
    assert [run.budget for run in problem.judged("random", 40)] == [60, 60]
    one = load_history(folder / "long" / "runs" / "random-s1.npz")
    run = next(r for r in problem.trajectories if (r.algorithm, r.seed) == ("random", 1))
    assert (run.F == one.F[run.at - 1]).all()


def test_processes_do_not_change_what_is_read(folder):
    one, two = (load_results([folder], jobs).problems[0] for jobs in (1, 2))
    for first, second in zip(one.trajectories, two.trajectories, strict=True):
        assert (first.algorithm, first.seed, first.budget) == (
            second.algorithm,
            second.seed,
            second.budget,
        )
        assert (first.F == second.F).all()


def test_runs_named_twice_count_once(folder, tmp_path):
    again = shutil.copytree(folder / "long", tmp_path / "again")
    results = load_results([folder, folder / "long", again])
    assert len(results.problems[0].trajectories) == 6
    assert results.warnings == ()


def test_runs_that_differ_under_one_name_are_left_out(folder, tmp_path):
    again = shutil.copytree(folder / "long", tmp_path / "again")
    path = again / "runs" / "nsga2-s0.npz"
    history = load_history(path)
    order = np.arange(len(history.X))[::-1]
    turned = replace(history, X=history.X[order], F=history.F[order], G=history.G[order])
    turned.save(path)
    results = load_results([folder, again])
    (warning,) = results.warnings
    assert "again/runs/nsga2-s0.npz and " in warning
    assert "different evaluations of nsga2 with seed 0 and budget 60" in warning
    assert warning.endswith("(all 2 runs of nsga2 there)")
    assert len(results.problems[0].trajectories) == 6


def test_other_limits_under_one_name_are_left_out(folder, tmp_path):
    make_study(tmp_path / "other", ("random",), task=Task(limits={"sram_kib": 60.0}))
    results = load_results([folder, tmp_path / "other"])
    (warning,) = results.warnings
    assert warning.startswith(f"left out: {tmp_path}/other/study.json: it and {folder}/long/study")
    assert "differ in limits: " in warning
    assert results.problems[0].task.limits["sram_kib"] != 60.0
    assert {run.budget for run in results.problems[0].trajectories} == {40, 60}
    assert len(results.problems[0].trajectories) == 6
    # Alone, each is fine.
    assert load_results([tmp_path / "other"]).problems[0].task.limits["sram_kib"] == 60.0


def test_a_task_that_changed_since_is_refused_with_both_fingerprints(folder):
    for path in folder.rglob("study.json"):
        facts = json.loads(path.read_text())
        path.write_text(json.dumps(facts | {"fingerprint": "before"}))
    with pytest.raises(ValueError, match=r"long/study\.json .*fingerprint before there, \w+ here"):
        load_results([folder])


def test_other_hyperparameters_of_one_algorithm_are_left_out(folder, tmp_path):
    options = {"nsga2": {"population": 0.5}}
    make_study(tmp_path / "tuned", ("nsga2", "random"), (2,), hyperparameters=options)
    results = load_results([folder, tmp_path / "tuned"])
    (warning,) = results.warnings
    assert "nsga2-s2.npz: hyperparameters: nsga2 has population 0.5 here and its defaults in" in (
        warning
    )
    # The other algorithm of that folder stays.
    found = {(run.algorithm, run.seed) for run in results.problems[0].trajectories}
    assert ("random", 2) in found
    assert ("nsga2", 2) not in found


def test_a_stale_folder_leaves_the_others(folder, tmp_path):
    again = shutil.copytree(folder / "long", folder / "before")
    facts = json.loads((again / "study.json").read_text())
    (again / "study.json").write_text(json.dumps(facts | {"fingerprint": "older"}))
    # The stale folder comes first; it does not decide which task counts.
    results = load_results([again, folder])
    (warning,) = results.warnings
    assert f"{again}/study.json is about the problem of before" in warning
    assert "fingerprint older there" in warning
    assert len(results.problems[0].trajectories) == 6


def spoil_run(path, **changes):
    """Change fields of a run's file by a function each."""
    history = load_history(path)
    changed = {name: change(getattr(history, name)) for name, change in changes.items()}
    replace(history, **changed).save(path)
    return history


def with_row(values, row, value):
    values = values.copy()
    values[row, 0] = value
    return values


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"F": lambda F: 0.5 * F}, r"F: row \d+ is not what the task says \(.* there, .* computed"),
        ({"F": lambda F: with_row(F, -1, 1e-3)}, r"F: row 59 is not what the task says"),
        ({"G": lambda G: G - 100.0}, r"G: row \d+ is not what the task says \(feasible there, "),
        ({"F": lambda F: with_row(F, 7, np.nan)}, "F: row 7 is not finite: nan"),
        ({"G": lambda G: with_row(G, 3, -np.inf)}, "G: row 3 is not finite: -inf"),
        ({"G": lambda G: G[1:]}, r"is damaged \(its arrays differ in their numbers of rows"),
    ],
    ids=["scaled", "one value", "limits", "nan", "infinity", "shape"],
)
def test_objectives_are_not_believed_unseen(folder, changes, says):
    path = folder / "long" / "runs" / "nsga2-s1.npz"
    if "F" in changes:
        # So that the last row is in the archive if it is better.
        spoil_run(path, G=lambda G: with_row(G, -1, -1.0))
    spoil_run(path, **changes)
    results = load_results([folder])
    (warning,) = results.warnings
    assert re.fullmatch(rf"left out: {path}:? {says}.*", warning)
    assert len(results.problems[0].trajectories) == 5


@pytest.mark.parametrize("above", [True, False])
def test_runs_without_a_study_are_said_once_with_the_remedy(folder, above):
    (folder / "long" / "study.json").unlink()
    results = load_results([folder if above else folder / "long", folder / "short"])
    (warning,) = results.warnings
    assert warning == (
        f"{folder}/long/runs: study.json is missing; 4 runs left out; give the suite's command "
        "again"
    )
    assert len(results.problems[0].trajectories) == 2


def test_the_folder_above_is_named_for_runs_alone(folder):
    with pytest.raises(ValueError, match=r"4 runs left out; name the folder above, which has the"):
        load_results([folder / "long" / "runs"])


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("optimiser", "older", "different code or libraries: optimiser: "),
        ("versions", {"pymoo": "0.5"}, "different versions: versions: "),
    ],
)
def test_mixed_origins_of_one_algorithm_are_said(folder, field, value, says):
    path = folder / "long" / "runs" / "nsga2-s0.npz"
    history = load_history(path)
    replace(history, metadata=history.metadata | {field: value}).save(path)
    (warning,) = load_results([folder]).warnings
    assert f"{PROBLEM}: runs of nsga2 were made with {says}" in warning
    assert str(path) in warning


def test_damaged_and_foreign_files_are_left_out_with_their_names(folder):
    runs = folder / "long" / "runs"
    (runs / "random-s0.npz").write_bytes(b"no zip")
    whole = (runs / "nsga2-s0.npz").read_bytes()
    (runs / "nsga2-s0.npz").write_bytes(whole[: len(whole) // 2])
    shutil.copy(folder / "short" / "runs" / "nsga2-s0.npz", runs / "nsga2-s7.npz")
    np.savez(folder / "other.npz", a=np.zeros(3))
    (folder / "broken").mkdir()
    (folder / "broken" / "study.json").write_text('{"space": "mbconv-stage"}')
    results = load_results([folder])
    assert len(results.problems[0].trajectories) == 4
    said = "\n".join(results.warnings)
    assert len(results.warnings) == 5
    assert "random-s0.npz is damaged" in said
    assert "nsga2-s0.npz is damaged" in said
    assert "nsga2-s7.npz: budget: expected 60, that of its folder, got 40" in said
    assert "other.npz is damaged or not a file of results (field 'facts' is missing" in said
    assert "broken/study.json: objectives: field required" in said


def test_points_outside_the_space_are_left_out(folder):
    path = folder / "long" / "runs" / "random-s0.npz"
    history = load_history(path)
    replace(history, X=np.full_like(history.X, 99)).save(path)
    (warning,) = load_results([folder]).warnings
    assert "random-s0.npz: X: X[0, 0] = 99 is outside" in warning


def test_nothing_left_is_an_error(tmp_path, folder):
    with pytest.raises(ValueError, match="no such folder"):
        load_results([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no finished runs in .*empty"):
        load_results([tmp_path / "empty"])
    for path in folder.rglob("runs/*.npz"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no finished runs.*random-s1\.npz is damaged"):
        load_results([folder])


def test_the_shipped_reference_of_today_is_used_and_said(folder, monkeypatch):
    kept = load_reference(folder / "long" / "reference.npz")
    today = replace(kept, X=kept.X[1:], F=kept.F[1:], kind="exact")
    monkeypatch.setattr(
        "mcu_nas_moo.benchmark.references.reference.shipped_reference", lambda task: today
    )
    results = load_results([folder])
    assert results.problems[0].reference is today
    (warning,) = results.warnings
    assert "scored again, against the exact reference of today" in warning
    assert "and 1 more" in warning


def test_a_missing_reference_is_said_with_the_remedy(folder):
    for path in folder.rglob("reference.npz"):
        path.unlink()
    with pytest.raises(ValueError, match="no reference is kept beside it, and none is known"):
        load_results([folder])


def test_the_budgets_of_a_suite_are_kept_where_no_run_has_them(folder):
    (folder / "suite.json").write_text(json.dumps({"budgets": {PROBLEM: [20, 60, 9000]}}))
    # 9,000 evaluations were asked for, but no run got there yet.
    assert load_results([folder]).problems[0].budgets == (20, 40, 60)


def test_a_profile_of_the_user_travels_with_the_runs(tmp_path, monkeypatch):
    small_searches(monkeypatch)
    profile = tmp_path / "kettle.yaml"
    profile.write_text(
        "device: nucleo-h7a3zi-q\nruntime: stm32cube-ai-10\n"
        "limits: {flash_kib: 300, sram_kib: 60, latency_ms: 40}\n"
    )
    make_study(tmp_path / "results", ("random",), task=Task(profile=str(profile)))
    profile.unlink()
    (problem,) = load_results([tmp_path / "results"]).problems
    assert problem.task.profile.name == "kettle"


def test_chosen_runs(folder):
    results = load_results([folder])
    chosen = chosen_runs(results, ["nsga2"], 1).problems[0]
    assert {(run.algorithm, run.seed) for run in chosen.trajectories} == {("nsga2", 1)}
    with pytest.raises(ValueError, match="there are runs of nsga2, random"):
        chosen_runs(results, ["ppo"])


def test_compact_results_are_exactly_the_full_ones(folder, tmp_path):
    full = load_results([folder])
    (path,) = save_compact(full, tmp_path / "compact")
    (problem,), (again,) = full.problems, load_results([tmp_path / "compact"]).problems
    assert again.budgets == problem.budgets
    assert (again.reference.F == problem.reference.F).all()
    assert len(again.trajectories) == len(problem.trajectories)
    for one, two in zip(problem.trajectories, again.trajectories, strict=True):
        for field in ("algorithm", "seed", "budget", "evaluations", "first_feasible"):
            assert getattr(one, field) == getattr(two, field)
        for field in ("feasible_share", "unique_share", "optimiser_ms", "wall_s", "metadata"):
            assert getattr(one, field) == getattr(two, field)
        for field in ("at", "X", "F"):
            assert np.array_equal(getattr(one, field), getattr(two, field))
    # Full and compact runs are the same runs.
    both = load_results([folder, tmp_path / "compact"])
    assert len(both.problems[0].trajectories) == len(problem.trajectories)
    assert save_compact(full, tmp_path / "twice")[0].read_bytes() == path.read_bytes()


def test_compact_results_take_little_space(folder, tmp_path):
    (path,) = save_compact(load_results([folder]), tmp_path / "compact")
    runs = sum(file.stat().st_size for file in folder.rglob("runs/*.npz"))
    assert path.stat().st_size < runs / 5


def test_indicators_of_compact_results_are_identical(folder, tmp_path):
    from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse

    full = load_results([folder])
    save_compact(full, tmp_path / "compact")
    again = load_results([tmp_path / "compact"])
    one, two = analyse(full.problems[0]), analyse(again.problems[0])
    assert one.scores.equals(two.scores)
    assert one.targets.equals(two.targets)
    assert one.pairs.equals(two.pairs)


def spoil(path, **changes):
    """Write a compact file again with other contents."""
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}
    facts = json.loads(str(arrays["facts"]))
    for name, value in changes.items():
        if name in arrays:
            arrays[name] = value
        elif value is None:
            del facts[name]
        else:
            facts[name] = value
    arrays["facts"] = np.array(json.dumps(facts))
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fingerprint": "before"}, "fingerprint before there"),
        ({"format": 7}, "facts: format: input should be 1"),
        ({"runs": None}, "facts: runs: "),
        ({"runs": [{"rows": 3}]}, "runs.0.algorithm: field required"),
        ({"space": "mbconv-stag"}, "unknown space 'mbconv-stag'; did you mean"),
        ({"at": np.zeros(2, dtype=np.uint8)}, "at is \\(2,\\)"),
    ],
)
def test_spoilt_compact_files_are_named_with_what_is_wrong(folder, tmp_path, changes, says):
    (path,) = save_compact(load_results([folder]), tmp_path / "compact")
    spoil(path, **changes)
    with pytest.raises(ValueError, match=says) as raised:
        load_results([tmp_path / "compact"])
    assert path.name in str(raised.value)


def test_cut_compact_files_are_named(folder, tmp_path):
    (path,) = save_compact(load_results([folder]), tmp_path / "compact")
    whole = path.read_bytes()
    middle = len(whole) // 3
    for broken in (b"", whole[:-100], whole[:middle] + b"x" * 60 + whole[middle + 60 :]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=rf"{path.name} is damaged"):
            load_results([tmp_path / "compact"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reference": [1]}, "reference: "),
        ({"reference": {"kind": 5, "origin": {}}}, "reference: kind: "),
        ({"reference": {"colour": "red"}}, "reference: kind: field required"),
        ({"reference_X": np.zeros(3, dtype=np.uint8)}, "X must have shape"),
        ({"reference_X": np.zeros((0, GENES), dtype=np.uint8)}, "reference_X has no rows"),
        ({"reference_X": np.full((2, GENES), np.nan)}, "X must hold integers"),
    ],
)
def test_a_damaged_kept_reference_costs_one_warning(folder, tmp_path, changes, says):
    (path,) = save_compact(load_results([folder]), tmp_path / "compact")
    spoil(path, **changes)
    *_, warning = load_results([folder, tmp_path / "compact"]).warnings
    assert f"left out: {path} is damaged" in warning
    assert says in warning


def test_a_damaged_front_in_the_cache_costs_one_warning(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = user_reference_path(load_results([folder]).problems[0].task.facts())
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a fro")
    results = load_results([folder])
    (warning,) = results.warnings
    assert f"left out: {path} is damaged" in warning
    assert len(results.problems[0].trajectories) == 6


def test_a_damaged_shipped_front_costs_one_warning(folder, tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    monkeypatch.setattr(
        "mcu_nas_moo.benchmark.references.reference.shipped_folder", lambda: shipped
    )
    shipped.mkdir()
    (shipped / f"{PROBLEM}.npz").write_bytes(b"half a fro")
    results = load_results([folder])
    (warning,) = results.warnings
    assert f"left out: {shipped / PROBLEM}.npz is damaged" in warning
    assert "install the package again" in warning
    # The front that the runs keep is used.
    kept = load_reference(folder / "long" / "reference.npz")
    assert (results.problems[0].reference.F == kept.F).all()
    assert len(results.problems[0].trajectories) == 6


def test_a_damaged_record_of_a_suite_is_named_once(folder):
    (folder / "suite.json").write_text("{")
    (warning,) = load_results([folder]).warnings
    assert f"left out: {folder / 'suite.json'} is damaged" in warning
