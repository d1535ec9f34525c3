from __future__ import annotations

import csv
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

import mcu_nas_moo
from mcu_nas_moo.benchmark.runs.history import load_history
from mcu_nas_moo.benchmark.runs.hyperparameter_files import write_config
from mcu_nas_moo.cli.bench.main import main
from mcu_nas_moo.cli.nas.main import main as nas_main


@pytest.fixture(autouse=True)
def small_and_apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.SAMPLE", 400)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.EVOLUTION", 200)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.BATCH", 200)
    monkeypatch.setattr("mcu_nas_moo.benchmark.references.front_search.VARIATIONS", 1)
    monkeypatch.setattr("mcu_nas_moo.problem.reachability.SAMPLE", 500)
    monkeypatch.setattr(
        "mcu_nas_moo.benchmark.references.reference.shipped_folder", lambda: Path("none")
    )


def bench(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_small_study_from_end_to_end_and_again(tmp_path):
    command = ("--algos", "random,nsga2", "--budget", 40, "--seeds", 2, "--jobs", 1)
    result = bench(*command)
    assert result.exit_code == 0, result.output
    assert "made one of" in result.output
    assert "look, not a claim" in result.output
    assert result.output.index("hypervolume") < result.output.index("leads with")
    folder = tmp_path / "bench-results" / "mbconv-stage-cortex-m7-40"
    assert {path.name for path in folder.iterdir()} == {
        "figures",
        "pairs.csv",
        "pareto.csv",
        "reference.npz",
        "report.html",
        "results.csv",
        "runs",
        "study.json",
        "tables",
    }
    histories = {path: path.read_bytes() for path in (folder / "runs").iterdir()}
    assert len(histories) == 4
    with (folder / "results.csv").open() as file:
        first = list(csv.DictReader(file))
    assert [int(row["evaluations"]) for row in first] == [40] * 4

    again = bench(*command[:-4], "--seeds", 3, "--jobs", 1)
    assert again.exit_code == 0, again.output
    assert "4 of 6 runs are finished already" in again.output
    assert "made one of" not in again.output
    assert {path: path.read_bytes() for path in histories} == histories
    with (folder / "results.csv").open() as file:
        second = list(csv.DictReader(file))
    assert [row for row in second if row["seed"] != "2"] == first


def test_another_budget_in_the_same_folder_is_refused(tmp_path):
    base = ("--algos", "random", "--seeds", 1, "--jobs", 1, "--out", tmp_path / "here")
    assert bench(*base, "--budget", 20).exit_code == 0
    result = bench(*base, "--budget", 30)
    assert result.exit_code == 2
    assert "budget: 20 there, 30 here" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "kind", "nearest", "valid"),
    [
        ("--algos", "random,nsga", "algorithm", "nsga", "ppo"),
        ("--profile", "cortex-m8", "profile", "cortex-m", "cortex-m0plus"),
        ("--space", "mbconv-stages", "space", "mbconv-stage", "mbconv-block"),
        ("--objectives", "error,latencies", "objective", "latency", "energy"),
    ],
)
def test_unknown_names_are_answered_on_one_line(tmp_path, option, value, kind, nearest, valid):
    result = bench(option, value)
    assert result.exit_code == 2
    assert result.stdout == ""
    line = result.stderr.strip()
    assert "\n" not in line
    assert line.startswith(f"Error: unknown {kind} '{value.split(',')[-1]}'")
    assert f"did you mean '{nearest}" in line
    assert valid in line
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--objectives", "error"), "no trade-off"),
        (("--objectives", "error,error"), "no trade-off"),
        (("--algos", ","), "--algos names nothing"),
        (("--flash-kib", "-3"), "flash_kib"),
        (("--profile", "missing.yaml"), "missing.yaml"),
        (("--flash-kib", "1"), "Flash ≤ 1 KiB (smallest"),
    ],
)
def test_bad_values_are_answered_on_one_line_before_anything_runs(tmp_path, arguments, says):
    result = bench(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [("--budget", "0"), ("--seeds", "x"), ("--nonsense",)])
def test_bad_options(arguments):
    assert bench(*arguments).exit_code == 2


def test_limits_make_a_folder_of_their_own(tmp_path):
    result = bench("--algos", "random", "--budget", 20, "--seeds", 1, "--sram-kib", 60)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "bench-results" / "mbconv-stage-cortex-m7-sram-kib-60-20").is_dir()


def test_a_failed_run_is_reported_after_the_others(monkeypatch):
    from mcu_nas_moo.benchmark.runs import study

    original = study.run_optimiser

    def moody(algorithm, *rest):
        if algorithm == "nsga2":
            raise RuntimeError("bad luck")
        return original(algorithm, *rest)

    monkeypatch.setattr(study, "run_optimiser", moody)
    command = ("--algos", "random,nsga2", "--budget", 20, "--seeds", 1, "--jobs", 1)
    result = bench(*command)
    assert result.exit_code == 3  # no algorithm of the user's
    assert "random leads" in result.stdout
    assert "nsga2 with seed 0 and budget 20 failed: RuntimeError: bad luck" in result.stderr


def test_without_a_finished_run_no_page_is_offered(monkeypatch):
    from mcu_nas_moo.benchmark.runs import study

    def unlucky(*_):
        raise RuntimeError("bad\nluck")

    monkeypatch.setattr(study, "run_optimiser", unlucky)
    result = bench("--algos", "random", "--budget", 20, "--seeds", 2, "--jobs", 1)
    assert result.exit_code == 3  # no algorithm of the user's
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(
        r"random failed in 2 runs \(first: .+, seed 0, budget 20\): RuntimeError: bad luck", line
    )
    assert "A page with more" not in result.stdout


def test_interruption_keeps_what_is_finished(monkeypatch, tmp_path):
    from mcu_nas_moo.benchmark.runs import study

    original = study.run_optimiser

    def interrupted(algorithm, task, reference, budget, seed):
        if seed == 1:
            raise KeyboardInterrupt
        return original(algorithm, task, reference, budget, seed)

    monkeypatch.setattr(study, "run_optimiser", interrupted)
    command = ("--algos", "random", "--budget", 20, "--seeds", 3, "--jobs", 1, "--out", "out")
    result = bench(*command)
    assert result.exit_code == 130
    assert "the same command continues" in result.stderr
    assert [path.name for path in (tmp_path / "out" / "runs").iterdir()] == ["random-s0.npz"]
    monkeypatch.setattr(study, "run_optimiser", original)
    result = bench(*command)
    assert result.exit_code == 0
    assert "1 of 3 runs are finished already" in result.output


def test_list_shows_every_choice():
    result = bench("--list")
    assert result.exit_code == 0
    for name in ("tpe", "cortex-m0plus", "mbconv-block", "energy"):
        assert name in result.output


def test_tuned_settings_make_a_folder_of_their_own(tmp_path):
    config = tmp_path / "best_config.json"
    write_config(config, {"nsga2": {"population": 0.5}, "ga": {"crossover": 0.1}})
    command = ("--algos", "random,nsga2", "--budget", 30, "--seeds", 1, "--jobs", 1)
    result = bench(*command, "--hyperparameters", config)
    assert result.exit_code == 0, result.output
    assert "nsga2 with population 0.5" in result.output
    (folder,) = (tmp_path / "bench-results").iterdir()
    assert re.fullmatch(r"mbconv-stage-cortex-m7-config-[0-9a-f]{8}-30", folder.name)
    histories = [load_history(path) for path in sorted((folder / "runs").iterdir())]
    found = {history.algorithm: history.metadata["hyperparameters"] for history in histories}
    assert found == {"nsga2": {"population": 0.5}, "random": {}}
    # In the same folder, runs with and without them are not mixed.
    result = bench(*command, "--out", folder)
    assert result.exit_code == 2
    assert "other hyperparameters of nsga2" in result.stderr
    # A file that sets nothing makes no other study; one about other algorithms is a mistake.
    write_config(config, {"nsga2": {"population": 1.0}})
    assert bench(*command, "--hyperparameters", config).exit_code == 0
    assert (tmp_path / "bench-results" / "mbconv-stage-cortex-m7-30").is_dir()
    write_config(config, {"nsga3": {"population": 0.5}})
    result = bench(*command, "--hyperparameters", config)
    assert result.exit_code == 2
    assert "--hyperparameters are about nsga3, --algos about random, nsga2" in result.stderr


def test_logs_for_tensorboard(monkeypatch, tmp_path):
    command = ("--budget", 64, "--seeds", 1, "--jobs", 1, "--tensorboard", "logs")
    assert bench("--algos", "random,ppo-plain", *command).exit_code == 0
    assert list((tmp_path / "logs" / "cortex-m7" / "ppo-plain" / "seed-0").iterdir())
    result = bench("--algos", "random,ga", *command)
    assert result.exit_code == 2
    assert "none of random, ga writes a log; these do: ppo, ppo-plain" in result.stderr
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = bench("--algos", "ppo-plain", *command)
    assert result.exit_code == 2
    assert "pip install tensorboard" in result.stderr


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from mcu_nas_moo.cli.bench.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = 'numpy torch pymoo optuna plotly matplotlib stable_baselines3 loky'.split()\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    # The test runs in a temporary folder; a source tree is found from its own.
    root = Path(mcu_nas_moo.__path__[0]).parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "--budget" in done.stdout


def test_the_traceback_may_be_asked_for_before_a_command():
    result = bench("--traceback", "report", "nowhere")
    assert result.exit_code == 2
    assert "nowhere: there is no such folder" in result.stderr


@pytest.mark.parametrize("program", [main, nas_main])
def test_both_programs_tell_their_version_and_help(program):
    assert version("mcu-nas-moo") in CliRunner().invoke(program, ["--version"]).output
    assert "--traceback" in CliRunner().invoke(program, ["-h"]).output
