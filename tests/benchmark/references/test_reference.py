from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_task import ToyTask

from mcu_nas_moo.benchmark.references import reference as module
from mcu_nas_moo.benchmark.references.front_search import pooled_reference
from mcu_nas_moo.benchmark.references.reference import (
    known_reference,
    load_reference,
    shipped_reference,
    stale_note,
    user_reference_path,
)
from mcu_nas_moo.problem.reachability import check_limits, smallest_reachable
from mcu_nas_moo.problem.task import Task


@pytest.fixture(autouse=True)
def small_searches(monkeypatch):
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.SAMPLE", 200)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.EVOLUTION", 200)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.BATCH", 500)
    monkeypatch.setattr("mcu_nas_moo.problem.reachability.SAMPLE", 50)


def test_search_finds_the_brute_force_front(task, exact):
    found = pooled_reference(task, searches=1)
    assert np.unique(found.F, axis=0) == pytest.approx(exact.F)
    assert found.origin["closed"]
    assert task.evaluate(found.X).F == pytest.approx(found.F)
    assert (task.evaluate(found.X).G <= 0).all()


def test_search_is_deterministic_and_other_seeds_differ(task):
    first, second = (pooled_reference(ToyTask(), searches=1, rounds=1) for _ in range(2))
    assert (first.X == second.X).all()
    assert (first.F == second.F).all()
    other = pooled_reference(ToyTask(), seed=1, searches=1, rounds=1)
    assert other.origin["evaluations"] != first.origin["evaluations"]


def test_ranges_and_reference_point(exact):
    assert exact.ideal == pytest.approx(exact.F.min(axis=0))
    assert exact.normalise(exact.nadir) == pytest.approx(np.ones(2))
    assert exact.normalise(exact.ideal) == pytest.approx(np.zeros(2))
    assert exact.reference_point == pytest.approx(np.full(2, 1.1))


def test_saved_reference_reads_back(tmp_path, exact):
    exact.save(tmp_path / "front.npz")
    again = load_reference(tmp_path / "front.npz")
    assert (again.X == exact.X).all()
    assert (again.F == exact.F).all()
    assert again.hypervolume == exact.hypervolume
    assert (again.kind, again.origin) == (exact.kind, exact.origin)
    assert again.problem == exact.problem
    span = exact.nadir - exact.ideal
    with np.load(tmp_path / "front.npz") as data:
        assert data["reference_point"] == pytest.approx(exact.nadir + 0.1 * span)


@pytest.mark.parametrize("length", [0, 1, 200])
def test_damaged_reference_is_named(tmp_path, exact, length):
    path = tmp_path / "front.npz"
    exact.save(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"front\.npz.*delete it"):
        load_reference(path)


def test_of_a_damaged_shipped_reference_the_command_is_said(tmp_path, monkeypatch):
    task = Task("mbconv-stage", "cortex-m4")
    monkeypatch.setattr(module, "shipped_folder", lambda: tmp_path)
    (tmp_path / f"{task.name}.npz").write_text("some text")
    with pytest.raises(ValueError, match=r"\(no NPZ file.*remake it with `mcu-nas enumerate --"):
        shipped_reference(task)


def test_a_foreign_file_is_no_reference(tmp_path):
    np.savez(tmp_path / "front.npz", X=np.zeros(3))
    with pytest.raises(ValueError, match=r"front\.npz.*delete it"):
        load_reference(tmp_path / "front.npz")


def test_only_a_shipped_reference_of_the_same_task_is_used(tmp_path, monkeypatch, task, exact):
    monkeypatch.setattr(module, "shipped_folder", lambda: tmp_path)
    assert shipped_reference(task) is None
    exact.save(tmp_path / f"{task.name}.npz")
    assert shipped_reference(task) is not None
    assert shipped_reference(ToyTask(limits={"flash_kib": 59.0})) is None


def test_a_reference_that_the_user_made_goes_first(tmp_path, monkeypatch, task, exact):
    monkeypatch.setattr(module, "shipped_folder", lambda: tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exact.save(tmp_path / f"{task.name}.npz")
    assert known_reference(task).origin == exact.origin
    replace(exact, origin={"made": "by the user"}).save(user_reference_path(task.facts()))
    assert user_reference_path(task.facts()).is_relative_to(tmp_path / "cache")
    assert known_reference(task).origin == {"made": "by the user"}
    assert known_reference(ToyTask(limits={"flash_kib": 59.0})) is None


def shipped_with(tmp_path, monkeypatch, task, **fingerprints):
    """Ship a reference of another state of the task's parts."""
    shipped = shipped_reference(task)
    monkeypatch.setattr(module, "shipped_folder", lambda: tmp_path)
    other = task.fingerprints | fingerprints
    problem = shipped.problem.model_copy(update={"fingerprint": "other", "fingerprints": other})
    replace(shipped, problem=problem).save(tmp_path / f"{task.name}.npz")


@pytest.mark.parametrize(
    ("space", "command"),
    [
        ("mbconv-stage", "mcu-nas enumerate --space mbconv-stage --profile cortex-m4 "),
        ("mbconv-block", "python benchmarks/make_references.py"),
    ],
)
def test_a_stale_reference_is_said_with_what_changed_and_the_remedy(
    tmp_path, monkeypatch, space, command
):
    task = Task(space, "cortex-m4")
    assert stale_note(task) is None
    shipped_with(tmp_path, monkeypatch, task, predictor="other", costs="other")
    note = stale_note(task)
    assert f"{space}--cortex-m4--error-latency is stale" in note
    assert "the accuracy predictor and the cost model changed" in note
    assert command in note


def test_other_limits_are_another_problem_and_no_sign_of_age(tmp_path, monkeypatch):
    shipped = Task("mbconv-stage", "cortex-m4")
    task = Task("mbconv-stage", "cortex-m4", limits={"sram_kib": 20.5})
    assert shipped_reference(task) is None
    assert stale_note(task) is None
    command = module.remake_command(task)
    assert command.endswith("--profile cortex-m4 --objectives error,latency --sram-kib 20.5")
    shipped_with(tmp_path, monkeypatch, shipped, limits="other")
    assert stale_note(shipped) is None


def test_smallest_reachable_equals_brute_force():
    task = ToyTask(limits={"flash_kib": 13.0, "sram_kib": 2.0, "latency_ms": 100.0})
    reach = smallest_reachable(task)
    everything = task.metrics(task.space.everything())
    assert reach.feasible_example is None
    for metric, value in reach.smallest.items():
        assert value == pytest.approx(everything[metric].min())


def test_a_single_feasible_network_is_found():
    smallest = ToyTask().metrics(np.zeros((1, 6), dtype=int))
    limits = {name: smallest[name][0] * 1.0001 for name in ("flash_kib", "sram_kib")}
    task = ToyTask(limits=limits)
    example = smallest_reachable(task).feasible_example
    assert (task.evaluate(example[None, :]).G <= 0).all()
    check_limits(task)


def test_limits_that_nothing_meets_are_refused_with_the_smallest_values():
    with pytest.raises(ValueError) as caught:
        check_limits(ToyTask(limits={"flash_kib": 10.0}))
    message = str(caught.value)
    assert "no subnet of toy meets the limits of toy-board" in message
    assert "Flash ≤ 10 KiB (smallest 13.5 KiB)" in message
    assert "SRAM ≤ 13 KiB (smallest 3 KiB)" in message
    assert "latency ≤ 30 ms (smallest" in message
    assert "\n" not in message
