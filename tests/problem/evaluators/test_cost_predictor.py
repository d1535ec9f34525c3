"""Learned costs: how near they come, in a task, in files, and where they do not belong."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mcu_nas_moo
from mcu_nas_moo import Task
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.problem.evaluators import cost_fit as fitting
from mcu_nas_moo.problem.evaluators.cost_fit import cross_validated_costs, fit_costs, standard_costs
from mcu_nas_moo.problem.evaluators.cost_labels import CostLabels, analytic_costs, analytic_labels
from mcu_nas_moo.problem.evaluators.cost_predictor import LEARNABLE, LearnedCosts

COSTS = ("flash_kib", "sram_kib", "latency_ms", "energy_mj")


def test_what_is_learned_is_near_the_analytic_model(learned, stage_space, profile, rng):
    X = stage_space.sample(500, rng)
    found, true = learned.predict(stage_space, X), analytic_costs(stage_space, profile, X)
    assert tuple(found) == LEARNABLE
    for name in COSTS:
        assert (found[name] > 0).all()
        error = np.abs(found[name] / true[name] - 1).mean()
        constant = np.abs(np.exp(np.log(true[name]).mean()) / true[name] - 1).mean()
        assert error < 0.3 * constant
    violation = found["constraint_violation"]
    assert (violation >= 0).all()
    assert np.corrcoef(violation, true["constraint_violation"])[0, 1] > 0.9


def test_same_network_same_value_in_any_batch(learned, stage_space, rng):
    X = stage_space.sample(700, rng)
    together = learned.predict(stage_space, X)
    shuffled = rng.permutation(700)
    again = learned.predict(stage_space, X[shuffled])
    canonical = learned.predict(stage_space, stage_space.canonical(X))
    for name in LEARNABLE:
        np.testing.assert_array_equal(again[name], together[name][shuffled])
        np.testing.assert_array_equal(canonical[name], together[name])
        for row in (0, 350, 699):
            alone = learned.predict(stage_space, X[row : row + 1])[name]
            assert alone == together[name][row]


def test_task_takes_learned_metrics_and_computes_the_others(labels, stage_space, profile, rng):
    some = fit_costs(labels, profile, metrics=["latency_ms"])
    task, analytic = Task(costs=some), Task()
    X = stage_space.sample(50, rng)
    mine, theirs = task.metrics(X), analytic.metrics(X)
    assert list(mine) == list(theirs)
    np.testing.assert_array_equal(mine["latency_ms"], some.predict(stage_space, X)["latency_ms"])
    assert (mine["latency_ms"] != theirs["latency_ms"]).any()
    for name in set(mine) - {"latency_ms"}:
        np.testing.assert_array_equal(mine[name], theirs[name])
    F, G = task.evaluate(X)
    np.testing.assert_array_equal(F[:, 1], mine["latency_ms"])
    np.testing.assert_array_equal(G[:, 2], mine["latency_ms"] / task.limits["latency_ms"] - 1)
    assert task.learned_metrics == ("latency_ms",)
    assert "learned" in task.title
    assert analytic.learned_metrics == ()
    assert "learned" not in analytic.title


def test_a_learned_violation_is_a_metric_and_changes_no_constraint(learned, stage_space, rng):
    task = Task(costs=learned)
    X = stage_space.sample(20, rng)
    metrics = task.metrics(X)
    np.testing.assert_array_equal(
        metrics["constraint_violation"], learned.predict(stage_space, X)["constraint_violation"]
    )
    assert task.evaluate(X).G.shape == (20, 3)


def test_fingerprint_tells_analytic_and_learned_problems_apart(labels, learned, profile):
    some = fit_costs(labels, profile, metrics=["latency_ms"])
    other = fit_costs(labels, profile, seed=1, metrics=["latency_ms"])
    tasks = [Task(), *(Task(costs=costs) for costs in (learned, some, other))]
    assert len({task.fingerprint for task in tasks}) == 4
    again = Task(costs=fit_costs(labels, profile, metrics=["latency_ms"]))
    assert again.fingerprint == tasks[2].fingerprint


def test_file_round_trip(learned, stage_space, tmp_path, rng):
    path = tmp_path / "c.safetensors"
    learned.save(path)
    task = Task(costs=path)
    assert task.fingerprint == Task(costs=learned).fingerprint
    assert task.fingerprint == Task(costs=str(path)).fingerprint
    assert task.learned_metrics == learned.metrics
    X = stage_space.sample(30, rng)
    np.testing.assert_array_equal(task.evaluate(X).F, Task(costs=learned).evaluate(X).F)


def test_mlp_is_fitted_once_and_kept(monkeypatch, stage_space, profile, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = Task(costs="mlp")
    assert first.learned_metrics == COSTS
    (kept,) = tmp_path.rglob("*.safetensors")
    written = kept.stat().st_mtime_ns
    # Other limits are no reason to learn anew.
    second = Task(costs="mlp", limits={"latency_ms": 5.0})
    learned = first.evaluators.learned.fingerprint
    assert second.evaluators.learned.fingerprint == learned
    assert kept.stat().st_mtime_ns == written
    # A damaged file is made again, the same.
    kept.write_bytes(b"broken")
    assert standard_costs(stage_space, profile).fingerprint == learned
    assert LearnedCosts.load(kept).fingerprint == learned


def test_mlp_works_without_a_place_to_keep_it(monkeypatch, stage_space, profile, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert standard_costs(stage_space, profile).metrics == COSTS


def test_other_processes_get_the_same_and_no_torch(learned, tmp_path, stage_space, rng):
    path = tmp_path / "c.safetensors"
    learned.save(path)
    X = stage_space.sample(4, rng)
    code = (
        "import sys; from mcu_nas_moo import Task\n"
        f"task = Task(costs={str(path)!r})\n"
        f"print(task.fingerprint, task.evaluate({X.tolist()}).F.tolist())\n"
        "print('torch' in sys.modules)"
    )
    root = Path(mcu_nas_moo.__path__[0]).parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    task = Task(costs=learned)
    expected = f"{task.fingerprint} {task.evaluate(X).F.tolist()}"
    assert done.stdout.splitlines() == [expected, "False"]


def test_costs_of_another_problem_are_refused(learned, labels, profile):
    with pytest.raises(ValueError, match=r"mbconv-stage on .*not for mbconv-block on .*fit-costs"):
        Task("mbconv-block", costs=learned)
    with pytest.raises(ValueError, match=r"--space mbconv-stage --profile cortex-m4"):
        Task(profile="cortex-m4", costs=learned)
    with pytest.raises(ValueError, match=r"violation was learned for the limits"):
        Task(limits={"latency_ms": 5.0}, costs=learned)
    costs_only = fit_costs(labels, profile, metrics=["latency_ms"])
    assert Task(limits={"latency_ms": 5.0}, costs=costs_only).learned_metrics
    changed = replace(costs_only, scope=replace(costs_only.scope, costs="0123"))
    with pytest.raises(ValueError, match="cost model with other coefficients"):
        Task(costs=changed)
    changed = replace(costs_only, scope=replace(costs_only.scope, structure="0123"))
    with pytest.raises(ValueError, match="another space that was called mbconv-stage"):
        Task(costs=changed)


def test_measured_costs_outlive_a_change_of_the_cost_model(labels, profile):
    """They do not depend on its coefficients."""
    measured = CostLabels(labels.space, labels.X, labels.values, analytic=False)
    assert fit_costs(measured, profile, metrics=["sram_kib"]).scope.costs is None
    assert fit_costs(labels, profile, metrics=["sram_kib"]).scope.costs is not None


@pytest.mark.parametrize("given", ["mpl", "perceptron", 3])
def test_unknown_predictors(given):
    with pytest.raises(ValueError, match="costs"):
        Task(costs=given)


def test_damaged_and_missing_files_name_the_command(learned, tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(ValueError, match=r"is missing; make it with `mcu-nas predictor fit-costs"):
        Task(costs=path)
    learned.save(path)
    whole = path.read_bytes()
    for broken in (b"", whole[:-10], whole[:100]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"c\.safetensors .*damaged.*fit-costs"):
            Task(costs=path)
    Task().predictor.save(path)
    with pytest.raises(ValueError, match="is damaged or not learned costs"):
        Task(costs=path)


def test_labels_that_cannot_be_learned_from_are_refused(labels, stage_space, profile):
    few = analytic_labels(stage_space, profile, fitting.FEWEST - 1)
    with pytest.raises(ValueError, match=r"49 labels are too few .* at least 50.*calibrate"):
        fit_costs(few, profile)
    constant = replace(labels, values={"flash_kib": np.full(len(labels), 7.0)})
    with pytest.raises(ValueError, match="flash_kib is the same in all labels"):
        fit_costs(constant, profile)
    with pytest.raises(ValueError, match=r"unknown metric 'latency'.*latency_ms"):
        fit_costs(labels, profile, metrics=["latency"])
    with pytest.raises(ValueError, match="the labels lack sram_kib; they have flash_kib"):
        fit_costs(constant, profile, metrics=["sram_kib"])
    for factor, unit in ((1e-3, "ms"), (1e3, "ms")):
        values = {"latency_ms": labels.values["latency_ms"] * factor}
        with pytest.raises(ValueError, match=f"give it in {unit}"):
            fit_costs(replace(labels, values=values, analytic=False), profile)


def test_cross_validation_does_not_see_the_label_it_predicts(labels):
    """Costs without any relation to the networks cannot be predicted."""
    noise = np.exp(np.random.default_rng(5).normal(size=len(labels)))
    random = replace(labels, values={"latency_ms": noise})
    predicted = cross_validated_costs(random, ["latency_ms"])["latency_ms"]
    assert abs(np.corrcoef(np.log(predicted), np.log(noise))[0, 1]) < 0.2


def test_profiles_differ_in_what_is_learned(stage_space, tmp_path):
    """The labels come from the cost model of the profile."""
    slow, fast = load_profile("cortex-m0plus"), load_profile("cortex-m7")
    costs = [fit_costs(analytic_labels(stage_space, p, 60), p) for p in (slow, fast)]
    x = stage_space.largest
    mine = [c.predict(stage_space, x)["latency_ms"][0] for c in costs]
    assert mine[0] > 2 * mine[1]
