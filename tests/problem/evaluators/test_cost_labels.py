"""Labels: sampled, written, read, and whatever a user's table may get wrong."""

import csv

import numpy as np
import pytest

from mcu_nas_moo import Task
from mcu_nas_moo.problem.evaluators.cost_labels import CostLabels, analytic_labels


def test_analytic_labels_are_what_the_task_says(space, profile):
    labels = analytic_labels(space, profile, 30, seed=3)
    task = Task(space, profile)
    metrics, G = task.metrics(labels.X), task.evaluate(labels.X).G
    for name in ("flash_kib", "sram_kib", "latency_ms", "energy_mj"):
        np.testing.assert_array_equal(labels.values[name], metrics[name])
    by_hand = [sum(max(0.0, g) for g in row) for row in G]
    np.testing.assert_allclose(labels.values["constraint_violation"], by_hand)
    assert (labels.values["constraint_violation"] > 0).any()


def test_file_round_trip(space, profile, tmp_path):
    labels = analytic_labels(space, profile, 40)
    labels.save(tmp_path / "l.csv")
    again = CostLabels.load(tmp_path / "l.csv", space)
    np.testing.assert_array_equal(again.X, space.canonical(labels.X))
    assert not again.analytic
    assert list(again.values) == list(labels.values)
    for name, values in labels.values.items():
        np.testing.assert_allclose(again.values[name], values, rtol=1e-5)


def rows_of(labels, tmp_path):
    """The table of some labels, as a user would see it."""
    labels.save(tmp_path / "l.csv")
    with (tmp_path / "l.csv").open() as file:
        return list(csv.DictReader(file))


def load(rows, path, space):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return CostLabels.load(path, space)


def test_genotypes_may_be_given_as_in_the_accuracy_labels(stage_space, tmp_path, rng):
    X = stage_space.sample(5, rng)
    rows = [{"genotype": "-".join(map(str, x)), "latency_ms": 3.5, "sample": "uniform"} for x in X]
    labels = load(rows, tmp_path / "g.csv", stage_space)
    np.testing.assert_array_equal(labels.X, X)
    assert list(labels.values) == ["latency_ms"]


def test_the_pareto_table_of_a_study_can_be_completed_with_measurements(
    labels, stage_space, tmp_path
):
    rows = [
        {name: value for name, value in row.items() if name not in ("space", "sram_kib")}
        | {"accuracy": "0.8", "algorithms": "ppo ga", "stem": f"{row['stem']}.0"}
        for row in rows_of(labels, tmp_path)[:3]
    ]
    again = load(rows, tmp_path / "p.csv", stage_space)
    np.testing.assert_array_equal(again.X, labels.X[:3])
    assert "sram_kib" not in again.values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latency_ms": ""}, r"row 2: expected a number above 0 for latency_ms, got ''"),
        ({"latency_ms": "nan"}, r"row 2: expected a number above 0"),
        ({"latency_ms": "inf"}, r"row 2: expected a number above 0"),
        ({"latency_ms": "-4"}, r"row 2: .* got '-4'; correct it or leave the row out"),
        ({"latency_ms": "0"}, r"row 2: expected a number above 0"),
        ({"latency_ms": "12 ms"}, r"row 2: .* got '12 ms'"),
        ({"constraint_violation": "-0.1"}, r"at least 0 for constraint_violation"),
        ({"space": "mbconv-block"}, r"row 2: is of space 'mbconv-block', not of 'mbconv-stage'"),
        ({"stem": "17"}, r"row 2: stem = 17 is not one of"),
        ({"stem": "8.5"}, r"row 2: stem = '8.5' is no whole number"),
        ({"stem": "wide"}, r"row 2: "),
        ({"stem": ""}, r"row 2: the subnet lacks the active genes \['stem'\]"),
    ],
)
def test_a_bad_row_is_named(labels, stage_space, tmp_path, change, message):
    rows = rows_of(labels, tmp_path)[:3]
    rows[1] |= change
    with pytest.raises(ValueError, match=message):
        load(rows, tmp_path / "bad.csv", stage_space)


def test_bad_tables_are_refused(labels, stage_space, tmp_path):
    rows = rows_of(labels, tmp_path)[:3]
    path = tmp_path / "bad.csv"
    with pytest.raises(ValueError, match=r"unknown column 'stage1_dpth'.*'stage1_depth'"):
        load([row | {"stage1_dpth": 1} for row in rows], path, stage_space)
    costs = labels.values
    without = [{k: v for k, v in row.items() if k not in costs} for row in rows]
    with pytest.raises(ValueError, match="expected a column of at least one of flash_kib"):
        load(without, path, stage_space)
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"bad\.csv is damaged or not a CSV table"):
        CostLabels.load(path, stage_space)
    path.write_text("")
    with pytest.raises(ValueError, match=r"bad\.csv is damaged or not a CSV table"):
        CostLabels.load(path, stage_space)
    with pytest.raises(ValueError, match=r"none\.csv cannot be read"):
        CostLabels.load(tmp_path / "none.csv", stage_space)
