from __future__ import annotations

import json

import numpy as np
import pytest
from toy_task import ToyTask

from mcu_nas_moo.bench import reference as module
from mcu_nas_moo.bench.front_search import pooled_reference
from mcu_nas_moo.bench.reachability import check_limits, smallest_reachable
from mcu_nas_moo.bench.reference import file_name, load_reference, shipped_reference


@pytest.fixture(autouse=True)
def small_searches(monkeypatch):
    monkeypatch.setattr("mcu_nas_moo.bench.front_search.SAMPLE", 200)
    monkeypatch.setattr("mcu_nas_moo.bench.front_search.EVOLUTION", 200)
    monkeypatch.setattr("mcu_nas_moo.bench.front_search.BATCH", 500)
    monkeypatch.setattr("mcu_nas_moo.bench.reachability.SAMPLE", 50)


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
    exact.save(tmp_path / "front.json")
    again = load_reference(tmp_path / "front.json")
    assert (again.X == exact.X).all()
    assert (again.F == exact.F).all()
    assert again.hypervolume == exact.hypervolume
    facts = json.loads((tmp_path / "front.json").read_text())
    span = exact.nadir - exact.ideal
    assert facts["reference_point"] == pytest.approx(exact.nadir + 0.1 * span)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"front": 3}'])
def test_damaged_reference_is_named(tmp_path, text):
    (tmp_path / "front.json").write_text(text)
    with pytest.raises(ValueError, match=r"front\.json.*delete it"):
        load_reference(tmp_path / "front.json")


def test_only_a_shipped_reference_of_the_same_task_is_used(tmp_path, monkeypatch, task, exact):
    monkeypatch.setattr(module, "shipped_folder", lambda: tmp_path)
    assert shipped_reference(task) is None
    exact.save(tmp_path / file_name(task))
    assert shipped_reference(task) is not None
    assert shipped_reference(ToyTask(limits={"flash_kib": 59.0})) is None


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
