"""Learned costs on the command line: labels, a fit with its report, and a benchmark with them."""

import csv
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from mcu_nas_moo import Task
from mcu_nas_moo.cli.bench.main import main as bench
from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.problem.evaluators import cost_fit as fitting
from mcu_nas_moo.problem.evaluators.cost_predictor import LearnedCosts


@pytest.fixture(autouse=True)
def small_and_apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fitting, "SETTINGS", replace(fitting.SETTINGS, members=2, steps=150))
    monkeypatch.setattr(fitting, "SAMPLES", 100)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.SAMPLE", 400)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.EVOLUTION", 200)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.BATCH", 200)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.VARIATIONS", 1)
    monkeypatch.setattr("mcu_nas_moo.problem.reachability.SAMPLE", 500)


def run(command, *arguments, exit_code=0):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_fit_to_analytic_labels_says_how_far_it_is_off(tmp_path):
    output = run(
        main,
        "predictor",
        "fit-costs",
        "--profile",
        "cortex-m4",
        "--samples",
        60,
        "--out",
        "c.safetensors",
    )
    lines = output.splitlines()
    assert max(len(line) for line in lines) <= 100
    for text in ("MAPE", "worst", "Kendall", "meet the limits of cortex-m4", "Processor time"):
        assert text in output
    for metric in ("flash_kib", "sram_kib", "latency_ms", "energy_mj"):
        assert any(line.split()[:1] == [metric] for line in lines)
    assert "learned from 60 labels" in output
    assert "stay analytic" not in output
    costs = LearnedCosts.load(tmp_path / "c.safetensors")
    assert Task(profile="cortex-m4", costs=costs).learned_metrics == costs.metrics


def test_from_measured_labels_only_what_was_measured_is_learned(tmp_path):
    run(main, "predictor", "label-costs", "--samples", 60, "--out", "all.csv")
    with (tmp_path / "all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    with (tmp_path / "measured.csv").open("w", newline="") as file:
        names = [name for name in rows[0] if name.startswith(("space", "st", "res", "head", "lat"))]
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row | {"latency_ms": 2 * float(row["latency_ms"])} for row in rows)
    output = run(main, "predictor", "fit-costs", "--labels", "measured.csv")
    assert "not learned, stay analytic: flash_kib, sram_kib, energy_mj" in output
    # The analytic model is off by exactly one half, and in the right order.
    (row,) = [line.split() for line in output.splitlines() if line.split()[:1] == ["latency_ms"]]
    assert row[-3:] == ["50.00", "50.0", "1.0000"]
    assert Task(costs="./costs.safetensors").learned_metrics == ("latency_ms",)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--samples", 20), "20 labels are too few"),
        (("--profile", "cortex-m77"), "unknown profile"),
        (("--space", "mbconv"), "unknown space"),
        (("--labels", "none.csv"), "none.csv cannot be read"),
        (("--labels", "none.csv", "--samples", 60), "leave it or --labels out"),
        (("--metric", "latency"), "unknown metric 'latency'; did you mean 'latency_ms'?"),
        (("--out", "costs.bin"), "must end in .safetensors"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, arguments, says):
    output = run(main, "predictor", "fit-costs", *arguments, exit_code=2)
    assert says in output
    assert output.startswith("Error: ")
    assert output.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_a_study_with_learned_costs_says_so_everywhere(tmp_path):
    command = ("--algos", "random", "--budget", 40, "--seeds", 1, "--jobs", 1)
    command = (*command, "--costs", "mlp")
    output = run(bench, *command)
    assert "No reference front is known" in output
    assert "mbconv-stage on cortex-m7, learned costs, error and latency" in output
    assert "Learned by an MLP: flash_kib, sram_kib, latency_ms, energy_mj." in output
    folder = tmp_path / "bench-results" / "mbconv-stage-cortex-m7-learned-mlp-40"
    facts = json.loads((folder / "study.json").read_text())
    assert facts["learned_metrics"] == ["flash_kib", "sram_kib", "latency_ms", "energy_mj"]
    assert facts["fingerprint"] == Task(costs="mlp").fingerprint
    with (folder / "pareto.csv").open() as file:
        assert {row["learned_metrics"] for row in csv.DictReader(file)} == {
            "flash_kib sram_kib latency_ms energy_mj"
        }
    assert "learned costs" in (folder / "report.html").read_text()
    assert "1 of 1 runs are finished already" in run(bench, *command)
    # The same folder is not continued with the cost model.
    command = (*command[:-2], "--out", folder)
    assert "another study, which differs in learned metrics" in run(bench, *command, exit_code=2)


def test_runs_in_other_processes_use_the_same_costs(tmp_path):
    command = ("--algos", "random,ga", "--budget", 20, "--seeds", 2, "--costs", "mlp")
    for jobs in (1, 2):
        run(bench, *command, "--jobs", jobs, "--out", f"out{jobs}")
    tables = [(tmp_path / f"out{jobs}" / "pareto.csv").read_text() for jobs in (1, 2)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("mpl", "unknown costs 'mpl'; choose analytic, mlp, or a file"),
        ("none.safetensors", "none.safetensors is missing; make it with"),
    ],
)
def test_bad_predictors_of_the_benchmark(tmp_path, value, says):
    output = run(bench, "--costs", value, exit_code=2)
    assert says in output
    assert output.count("\n") == 1
    assert not any(tmp_path.iterdir())
