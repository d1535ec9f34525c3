"""The task against its parts, evaluated apart and one network at a time."""

import numpy as np
import pytest

from mcu_nas_moo import Task
from mcu_nas_moo.problem.evaluators.evaluate_all import CHUNK


@pytest.fixture(scope="module")
def task():
    return Task()


def test_columns_are_the_chosen_metrics(rng):
    objectives = ("macs", "error", "energy", "sram", "flash", "latency")
    task = Task(objectives=objectives, profile="cortex-m4")
    X = task.space.sample(50, rng)
    metrics, evaluation = task.metrics(X), task.evaluate(X)
    columns = ("macs_m", "error", "energy_mj", "sram_kib", "flash_kib", "latency_ms")
    np.testing.assert_array_equal(evaluation.F, np.stack([metrics[c] for c in columns], axis=1))
    limits = task.profile.limits
    for column, name in enumerate(("flash_kib", "sram_kib", "latency_ms")):
        np.testing.assert_array_equal(
            evaluation.G[:, column] <= 0, metrics[name] <= getattr(limits, name)
        )
    np.testing.assert_allclose(metrics["error"], 1 - metrics["accuracy"])


def test_a_batch_equals_its_networks_one_by_one(space, rng):
    """Also across the borders of the chunks that threads work on."""
    task = Task(space)
    X = space.sample(2 * CHUNK + 5, rng)
    F, G = task.evaluate(X)
    rows = [0, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK, len(X) - 1]
    for row in rows:
        one = task.evaluate(X[row : row + 1])
        np.testing.assert_array_equal(one.F[0], F[row])
        np.testing.assert_array_equal(one.G[0], G[row])


def test_metrics_agree_with_parts(task, rng):
    X = task.space.sample(30, rng)
    metrics = task.metrics(X)
    table = task.space.network(X)
    np.testing.assert_array_equal(metrics["macs_m"], table.macs.sum(axis=1) / 1e6)
    np.testing.assert_array_equal(metrics["sram_kib"], task.cost_model.evaluate(table).sram_kib)
    np.testing.assert_array_equal(
        metrics["accuracy"], task.predictor.predict(task.space, X).accuracy
    )


def test_equal_networks_have_equal_values(rng):
    task = Task("mbconv-block")
    X = task.space.sample(200, rng)
    F, G = task.evaluate(X)
    F_canonical, G_canonical = task.evaluate(task.space.canonical(X))
    np.testing.assert_array_equal(F, F_canonical)
    np.testing.assert_array_equal(G, G_canonical)


def test_no_networks(task):
    F, G = task.evaluate(np.empty((0, task.n_genes), dtype=int))
    assert F.shape == (0, 2)
    assert G.shape == (0, 3)


def test_limits_can_be_replaced(task, rng):
    tight = Task(limits={"flash_kib": task.limits["flash_kib"] / 2})
    X = task.space.sample(20, rng)
    np.testing.assert_allclose(tight.evaluate(X).G[:, 0], 2 * task.evaluate(X).G[:, 0] + 1)
    np.testing.assert_array_equal(tight.evaluate(X).G[:, 1:], task.evaluate(X).G[:, 1:])


def test_fingerprint_tells_problems_apart(task):
    same = Task("mbconv-stage", "cortex-m7", ("error", "latency"))
    assert same.fingerprint == task.fingerprint
    others = [
        Task("mbconv-block"),
        Task(profile="cortex-m4"),
        Task(objectives=("error", "flash")),
        Task(limits={"latency_ms": 1000.0}),
    ]
    assert len({other.fingerprint for other in [task, *others]}) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objectives": ("error", "latncy")}, "latncy.*latency"),
        ({"objectives": ()}, "at least one"),
        ({"objectives": ("error", "error")}, "must be different"),
        ({"space": "mbconv-stag"}, "mbconv-stage"),
        ({"profile": "cortex-m77"}, "cortex-m7"),
        ({"limits": {"flash": 3.0}}, "flash_kib"),
        ({"limits": {"flash_kib": -3.0}}, "flash_kib"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Task(**arguments)


def test_bad_genotypes(task):
    for X in (np.zeros((1, 3), dtype=int), np.zeros((1, task.n_genes)), task.n_choices[None]):
        with pytest.raises(ValueError, match="X"):
            task.evaluate(X)
