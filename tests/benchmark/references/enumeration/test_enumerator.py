from __future__ import annotations

import numpy as np
import pytest
from small_space import LIMITS, brute_force, everything, random_predictor, small_space, small_task

from mcu_nas_moo.benchmark.references.enumeration import Enumerator, enumerator
from mcu_nas_moo.benchmark.references.enumeration.block import evaluate_block
from mcu_nas_moo.benchmark.references.reference import can_enumerate
from mcu_nas_moo.problem.task import Task

MANY = ("error", "latency", "sram", "flash")
PROFILES = ("cortex-m7", "cortex-m0plus")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several blocks and chunks, and a sample that leaves most of the front to be found."""
    monkeypatch.setattr(enumerator, "BLOCK", 300)
    monkeypatch.setattr(enumerator, "SAMPLE", 20)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.enumeration.block.CHUNK", 100)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.enumeration.block.WAITING", 50)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.enumeration.halves.MOST_BACKS", 40)


def finished(tasks, **options):
    found = Enumerator(tasks, **options)
    found.run()
    return found.results()


def tasks_of(granularity="stage", objectives=MANY, profiles=PROFILES):
    space = small_space(granularity)
    predictor = random_predictor(space)
    slow = LIMITS | {"latency_ms": 290.0, "flash_kib": 145.0}
    return [
        Task(
            space,
            profile,
            objectives,
            accuracy=predictor,
            limits=slow if profile == "cortex-m0plus" else LIMITS,
        )
        for profile in profiles
    ]


@pytest.mark.parametrize("granularity", ["stage", "block"])
@pytest.mark.parametrize("objectives", [("error", "latency"), ("error", "energy", "sram"), MANY])
def test_equals_brute_force_for_several_profiles_at_once(granularity, objectives):
    tasks = tasks_of(granularity, objectives)
    for task, found in zip(tasks, finished(tasks), strict=True):
        feasible, front = brute_force(task)
        assert found.networks == len(everything(task.space)) == task.space.n_networks
        assert 0 < feasible < found.networks
        assert found.feasible == feasible
        assert np.array_equal(found.front.F, front)
        assert np.array_equal(task.evaluate(found.front.X).F, front)
        assert (task.evaluate(found.front.X).G <= 0).all()


def test_the_limits_of_this_test_all_bind():
    for task in tasks_of():
        G = task.evaluate(everything(task.space)).G
        for column in range(3):
            others = np.delete(G, column, axis=1)
            assert ((others <= 0).all(axis=1) & (G[:, column] > 0)).any()


def test_a_front_for_fewer_objectives_is_part_of_that_for_more():
    tasks = tasks_of(objectives=MANY)
    for found in finished(tasks):
        for objectives in (("error", "latency"), ("latency", "error"), ("error", "flash")):
            reference = found.reference(objectives)
            task = Task(
                found.task.space,
                found.task.profile,
                objectives,
                accuracy=found.task.predictor,
            )
            assert np.array_equal(reference.F, brute_force(task)[1])
            assert reference.problem.fingerprint == task.fingerprint
            assert reference.kind == "exact"
            assert reference.origin["feasible_share"] == found.feasible / found.networks


def test_branches_beyond_the_limits_are_skipped():
    tasks = tasks_of(profiles=["cortex-m7"])
    (found,) = finished(tasks)
    assert found.predicted == found.feasible
    tight = small_task(objectives=MANY, limits=LIMITS | {"sram_kib": 12.0})
    (fewer,) = finished([tight])
    assert fewer.feasible == brute_force(tight)[0] < found.feasible


def test_nothing_feasible_is_said():
    task = small_task(limits=LIMITS | {"sram_kib": 1.0})
    (found,) = finished([task])
    assert (found.feasible, len(found.front.F)) == (0, 0)
    with pytest.raises(ValueError, match="no network of small-stage meets the limits"):
        found.reference(("error", "latency"))


def test_processes_and_devices_give_the_same():
    tasks = tasks_of()
    expected = finished(tasks)
    parallel = Enumerator(tasks)
    parallel.run(jobs=2)
    for other in (parallel.results(), finished(tasks, device="cpu")):
        for one, two in zip(expected, other, strict=True):
            assert np.array_equal(one.front.X, two.front.X)
            assert np.array_equal(one.front.F, two.front.F)
            assert (one.feasible, one.predicted) == (two.feasible, two.predicted)


def test_an_interrupted_enumeration_continues(tmp_path):
    tasks, state = tasks_of(), tmp_path / "state.npz"
    (expected, *_) = finished(tasks)

    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    first = Enumerator(tasks, state)
    with pytest.raises(KeyboardInterrupt):
        first.run(done=stop)
    with pytest.raises(RuntimeError, match="not finished"):
        first.results()
    again = Enumerator(tasks, state)
    assert 0 < again.n_done < again.n_blocks
    told = []
    again.run(done=told.append)
    assert told == list(range(4, again.n_blocks + 1))
    found = again.results()[0]
    assert np.array_equal(found.front.X, expected.front.X)
    assert (found.feasible, found.predicted) == (expected.feasible, expected.predicted)


def test_the_state_of_another_enumeration_is_refused(tmp_path):
    state = tmp_path / "state.npz"
    Enumerator([small_task()], state).run()
    with pytest.raises(ValueError, match=r"state\.npz is the state of another enumeration; delete"):
        Enumerator([small_task("cortex-m4")], state)
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"state\.npz is damaged .*delete"):
        Enumerator([small_task()], state)


def test_a_block_that_knows_its_front_adds_nothing():
    tasks = tasks_of()
    known = [found.front for found in finished(tasks)]
    search = Enumerator(tasks)
    for interface, fronts in search._blocks:
        block = evaluate_block(search.halves, interface, fronts, known)
        assert [len(X) for X, _ in block.points] == [0, 0]


@pytest.mark.parametrize(
    ("objectives", "text"),
    [(("latency", "sram"), "got latency, sram"), (("error", "macs"), "got error, macs")],
)
def test_objectives_that_cannot_be_enumerated_are_refused(objectives, text):
    with pytest.raises(ValueError, match=text):
        Enumerator([small_task(objectives=objectives)])


def test_tasks_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="must share"):
        Enumerator([small_task(), small_task(objectives=("error", "flash"))])
    space = small_space()
    with pytest.raises(ValueError, match="must share"):
        Enumerator([small_task(), small_task(accuracy=random_predictor(space, seed=1))])


def test_a_space_too_large_is_refused_with_its_size():
    task = Task("mbconv-block")
    assert not can_enumerate(task)
    assert can_enumerate(Task("mbconv-stage"))
    with pytest.raises(ValueError, match=r"mbconv-block has .*e\+\d+ networks.*pooled"):
        Enumerator([task])


def test_learned_costs_are_refused(monkeypatch):
    task = small_task()
    monkeypatch.setattr(type(task), "learned_metrics", property(lambda _: ("sram_kib",)))
    assert not can_enumerate(task)
    with pytest.raises(ValueError, match="learned costs"):
        Enumerator([task])


def test_costs_that_do_not_follow_from_halves_are_noticed(monkeypatch):
    task = small_task()
    exact = type(task).metrics

    def other(self, X):
        found = exact(self, X)
        return found | {"flash_kib": found["flash_kib"] + (X.sum(axis=1) > 5)}

    monkeypatch.setattr(type(task), "metrics", other)
    with pytest.raises(ValueError, match="flash_kib of small-stage on cortex-m7 does not follow"):
        Enumerator([task])
