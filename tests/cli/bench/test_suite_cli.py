from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml
from click.testing import CliRunner

import mcu_nas_moo
from mcu_nas_moo.benchmark.runs import study as study_module
from mcu_nas_moo.benchmark.runs.history import load_history
from mcu_nas_moo.cli.bench.main import main

SUITE = {
    "spaces": ["mbconv-stage"],
    "profiles": ["cortex-m7"],
    "objectives": [["error", "latency"]],
    "budgets": [20, 40],
    "seeds": 2,
    "algorithms": ["random", "nsga2"],
}
PROBLEM = "mbconv-stage--cortex-m7--error-latency"


def keep_small(patch, folder):
    """Work in ``folder``; references that are made cost little, and none is shipped."""
    patch.chdir(folder)
    for name, value in (("SAMPLE", 400), ("EVOLUTION", 200), ("BATCH", 200), ("VARIATIONS", 1)):
        patch.setattr(f"mcu_nas_moo.benchmark.references.front_search.{name}", value)
    patch.setattr("mcu_nas_moo.benchmark.references.reference.shipped_folder", lambda: Path("none"))


@pytest.fixture(autouse=True)
def small_and_apart(monkeypatch, tmp_path):
    keep_small(monkeypatch, tmp_path)


def bench(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_suite(**changes):
    path = Path("small.yaml")
    path.write_text(yaml.safe_dump(SUITE | changes))
    return path


def histories(folder):
    return {
        path.relative_to(folder).as_posix(): load_history(path)
        for path in sorted(folder.glob("*/runs/*.npz"))
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished suite of five seeds, without a report."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        keep_small(patch, folder)
        result = bench("suite", write_suite(seeds=5), "--out", "out", "--jobs", 1, "--no-report")
        assert result.exit_code == 0, result.output
    return folder / "out"


def test_a_suite_from_end_to_end_and_again():
    path = write_suite()
    result = bench("suite", path, "--jobs", 1)
    assert result.exit_code == 0, result.output
    folder = Path("bench-results") / "small"
    assert {path.name for path in folder.glob("mbconv*")} == {f"{PROBLEM}--20", f"{PROBLEM}--40"}
    made = histories(folder)
    assert set(made) == {
        *(f"{PROBLEM}--{budget}/runs/nsga2-s{seed}.npz" for budget in (20, 40) for seed in (0, 1)),
        *(f"{PROBLEM}--40/runs/random-s{seed}.npz" for seed in (0, 1)),
    }
    assert (folder / "report.html").exists()
    assert "error and latency: one problem" in result.stdout
    assert re.search(r"1 +(random|nsga2) +1\.00 +0\.\d{4} +0\.\d{4}", result.stdout)
    assert "look, not a claim" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 100

    record = json.loads((folder / "suite.json").read_text())
    assert record["command"] == "mcu-nas-bench suite small.yaml"
    assert record["suite_file"] == path.read_text()
    assert record["budgets"] == {PROBLEM: [20, 40]}
    assert record["versions"]["numpy"] == np.__version__
    assert set(record["machine"]) == {"system", "machine", "cores", "cores_used"}

    before = {file: file.read_bytes() for file in folder.glob("*/runs/*.npz")}
    again = bench("suite", path, "--jobs", 1, "--seeds", 3)
    assert again.exit_code == 0, again.output
    assert "6 of 9 runs are finished already" in again.output
    assert {file: file.read_bytes() for file in before} == before
    assert len(histories(folder)) == 9


def test_jobs_do_not_change_the_histories():
    path = write_suite(algorithms=["nsga2", "regularised-evolution", "ga"], seeds=2)
    for jobs in (1, 2):
        result = bench("suite", path, "--out", f"out{jobs}", "--jobs", jobs, "--no-report")
        assert result.exit_code == 0, result.output
    one, two = histories(Path("out1")), histories(Path("out2"))
    assert list(one) == list(two)
    assert len(one) == 10
    for name, history in one.items():
        assert (history.X == two[name].X).all()
        assert (history.F == two[name].F).all()
        assert (history.G == two[name].G).all()


def test_a_failing_algorithm_does_not_stop_the_others(monkeypatch):
    original = study_module.run_optimiser

    def moody(algorithm, task, reference, budget, *rest):
        if algorithm == "nsga2" and budget == 40:
            raise RuntimeError("bad luck")
        return original(algorithm, task, reference, budget, *rest)

    monkeypatch.setattr(study_module, "run_optimiser", moody)
    result = bench("suite", write_suite(), "--jobs", 1, "--out", "out")
    assert result.exit_code == 3
    title = "mbconv-stage on cortex-m7, 2 objectives"
    assert result.stderr.splitlines() == [
        f"nsga2 failed in 2 runs (first: {title}, seed 0, budget 40): RuntimeError: bad luck"
    ]
    assert len(histories(Path("out"))) == 4
    assert (Path("out") / "report.html").exists()


OWN = '''
import numpy as np

class Blind:
    """Random search of a user."""
    any_time = True

    def __init__(self, setting):
        self.n_choices = setting.task.n_choices
        self.rng = np.random.default_rng(setting.seed)

    def ask(self):
        return self.rng.integers(0, self.n_choices, size=(10, len(self.n_choices)))

    def tell(self, X, F, G):
        pass

class Wild(Blind):
    """Leaves the space."""

    def ask(self):
        return super().ask() + 100

class Many(Blind):
    """Proposes far more than the budget."""

    def ask(self):
        return self.rng.integers(0, self.n_choices, size=(100000, len(self.n_choices)))

class Leaves(Blind):
    """Ends its process."""

    def tell(self, X, F, G):
        raise SystemExit(3)
'''


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_algorithm_of_the_user_runs_beside_the_others(jobs):
    # A name of its own: modules are imported once per process.
    Path(f"own_search_{jobs}.py").write_text(OWN)
    names = [f"own_search_{jobs}:{kind}" for kind in ("Blind", "Wild", "Many", "Leaves")]
    path = write_suite(algorithms=["random", *names], seeds=1)
    result = bench("suite", path, "--jobs", jobs, "--out", "out")
    assert result.exit_code == 2
    lines = sorted(result.stderr.splitlines(), reverse=True)
    assert f"{names[1]} with seed 0 and budget 40 failed: InputError: " in lines[0]
    # Those whose runs depend on the budget have several.
    number = OWN.splitlines().index("        raise SystemExit(3)") + 1
    assert f"{names[3]} with seed 0 and budget 40 failed: SystemExit: 3 " in lines[1]
    assert lines[1].endswith(f"(own_search_{jobs}.py:{number})")
    note = "proposed 100,000 at once, budget 40: the first 40 were taken"
    assert f"{names[2]} with seed 0 and budget 40: {note}" in " ".join(result.stdout.split())
    assert result.stdout.count("at once, budget") == 1  # random's batches are larger, too
    made = histories(Path("out"))
    assert {history.algorithm for history in made.values()} == {"random", names[0], names[2]}
    assert f"{PROBLEM}--40/runs/own_search_{jobs}--Blind-s0.npz" in made
    assert names[0] in result.stdout
    assert max(len(text) for text in result.stdout.splitlines()) <= 100


def test_interruption_keeps_what_is_finished(monkeypatch):
    original = study_module.run_optimiser

    def interrupted(algorithm, task, reference, budget, seed):
        if (budget, seed) == (40, 1):
            raise KeyboardInterrupt
        return original(algorithm, task, reference, budget, seed)

    monkeypatch.setattr(study_module, "run_optimiser", interrupted)
    result = bench("suite", write_suite(), "--jobs", 1, "--out", "out")
    assert result.exit_code == 130
    assert "the same command continues" in result.stderr
    assert len(histories(Path("out"))) == 4
    monkeypatch.setattr(study_module, "run_optimiser", original)
    result = bench("suite", write_suite(), "--jobs", 1, "--out", "out", "--no-report")
    assert result.exit_code == 0
    assert "4 of 6 runs are finished already" in result.output


def test_a_killed_process_is_said_and_the_next_budget_is_run():
    Path("own_killer.py").write_text(
        OWN
        + """
import os
import signal

class Killed(Blind):
    any_time = False

    def __init__(self, setting):
        super().__init__(setting)
        if setting.budget == 20:
            os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    path = write_suite(algorithms=["random", "own_killer:Killed"], seeds=1)
    result = bench("suite", path, "--jobs", 2, "--out", "out", "--no-report")
    assert result.exit_code == 3
    said = "own_killer:Killed with seed 0 and budget 20 failed: its process was killed twice"
    assert said in " ".join(result.stderr.split())
    assert {path.name for path in Path("out").glob("*--40/runs/*.npz")} == {
        "own_killer--Killed-s0.npz",
        "random-s0.npz",
    }


def test_a_wrong_suite_file_is_answered_on_one_line_before_anything_runs():
    Path("small.yaml").write_text(yaml.safe_dump(SUITE).replace("seeds", "sedes"))
    result = bench("suite", "small.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "Error: small.yaml: unknown field 'sedes'; did you mean 'seeds'"
    )
    assert result.stderr.count("\n") == 1
    assert {path.name for path in Path().iterdir()} == {"small.yaml"}
    assert bench("suite", "none.yaml").exit_code == 2


def test_runs_of_changed_code_are_said_before_anything_runs(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "out")
    monkeypatch.setattr(study_module, "optimiser_fingerprint", lambda name: "newer")
    result = bench("suite", write_suite(seeds=6), "--out", "out")
    assert result.exit_code == 2
    assert "was made by other code or libraries of" in result.stderr
    assert len(histories(tmp_path / "out")) == 15


def test_report_puts_folders_and_compact_files_together(finished):
    result = bench("export", finished, "--format", "compact", "--out", "compact")
    assert result.exit_code == 0, result.output
    assert "Wrote 1 files of 15 runs" in result.stdout
    result = bench("report", "compact", finished, "--out", "report", "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    files = {path.name for path in Path("report").iterdir()}
    assert {"report.html", "results.csv", "figures", "tables"} <= files
    assert max(len(line) for line in result.stdout.splitlines()) <= 100
    page = Path("report/report.html").read_text()
    assert "mcu-nas-bench report" in page
    # The record of the suite went along; a report stays out of a folder of compact files.
    assert Path("compact/suite.json").read_text() == (finished / "suite.json").read_text()
    alone = bench("report", "compact", "--jobs", 1)
    assert alone.exit_code == 0
    assert Path("bench-results/report/report.html").exists()
    assert len(list(Path("compact").iterdir())) == 2


def test_report_warns_of_damaged_files_and_goes_on(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    damaged = tmp_path / "out" / f"{PROBLEM}--40" / "runs" / "nsga2-s3.npz"
    damaged.write_bytes(b"")
    result = bench("report", "out", "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Warning: left out: out/")
    assert "nsga2-s3.npz is damaged" in result.stderr


def test_report_of_nothing_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        result = bench("report", folder)
        assert result.exit_code == 2
        assert folder in result.stderr
        assert result.stderr.count("\n") == 1


def test_compare_two_algorithms(finished):
    result = bench("compare", "nsga2", "random", finished, "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert "mbconv-stage on cortex-m7, error and latency" in result.stdout
    assert re.search(r"^ +20 +0\.\d{4} +0\.\d{4} +[+-]0\.\d{4} ", result.stdout, re.MULTILINE)
    assert "5 seeds are a look, not a claim" in result.stdout
    assert "of 2 comparisons" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 100


def test_compare_old_results_with_new_ones(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "old")
    result = bench("compare", "old", finished, "--jobs", 1)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if "no difference shown" in line]
    # Both algorithms at both budgets are what they were.
    rows = [line for line in lines if line.strip().startswith(("nsga2", "random"))]
    assert len(rows) == 4
    assert all("0.50" in line and "+0.0000" in line for line in rows)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nsga", "random", "out"), "unknown algorithm of these results 'nsga'; did you mean"),
        (("ppo", "random", "out"), "unknown algorithm of these results 'ppo'"),
        (("nsga2", "random"), "there is no bench-results here"),
        (("nsga2", "random", "nowhere"), "nowhere: there is no such folder"),
        (("out", "out", "out"), "A and B are folders already"),
    ],
)
def test_wrong_comparisons(finished, tmp_path, arguments, says):
    shutil.copytree(finished, tmp_path / "out")
    result = bench("compare", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["moocore", "csv", "ioh"])
def test_export_of_files(finished, form):
    arguments = ("--out", "files", "--algos", "nsga2", "--seed", 1)
    result = bench("export", finished, "--format", form, *arguments)
    assert result.exit_code == 0, result.output
    assert any(path.is_file() for path in Path("files").rglob("*"))
    assert "of 2 runs" in result.stdout  # one per budget


def test_export_to_optuna(finished, monkeypatch):
    monkeypatch.setattr("mcu_nas_moo.common.progress.LINE_EVERY_S", 0.01)
    arguments = ("--format", "optuna", "--storage", "sqlite:///runs.db", "--seed", 0)
    result = bench("export", finished, *arguments)
    assert result.exit_code == 0, result.output
    assert "Adding trials: 2 of 3 runs" in result.stdout
    assert "Added 3 runs" in result.stdout
    names = optuna.get_all_study_names("sqlite:///runs.db")
    assert set(names) == {
        f"{PROBLEM}--nsga2-s0--20",
        f"{PROBLEM}--nsga2-s0--40",
        f"{PROBLEM}--random-s0--40",
    }
    again = bench("export", finished, *arguments)
    assert "Added 0 runs to sqlite:///runs.db; 3 were there already" in again.stdout
    one = (*arguments, "--algos", "random", "--study-name", "mine")
    assert bench("export", finished, *one).exit_code == 0
    assert "mine" in optuna.get_all_study_names("sqlite:///runs.db")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "csv"), "needs --out"),
        (("--format", "csv", "--out", "x", "--storage", "y"), "--storage and --study-name are for"),
        (("--format", "optuna"), "needs --storage"),
        (("--format", "optuna", "--storage", "nope://x"), "cannot open the storage nope://x"),
        (("--format", "csv", "--out", "x", "--algos", "ppo"), "no such runs; there are runs of"),
        (("--format", "optuna", "--storage", "x", "--algos", "ppo"), "no full history"),
    ],
)
def test_wrong_exports(finished, arguments, says):
    result = bench("export", finished, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_compact_files_have_no_full_histories(finished):
    assert bench("export", finished, "--format", "compact", "--out", "compact").exit_code == 0
    result = bench("export", "compact", "--format", "optuna", "--storage", "runs.journal")
    assert result.exit_code == 2
    assert "is compact and holds no full histories" in result.stderr


@pytest.mark.parametrize("command", ["suite", "report", "compare", "export"])
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys; from mcu_nas_moo.cli.bench.main import main\n"
        f"try: main(['{command}', '--help'])\nexcept SystemExit: pass\n"
        "heavy = 'numpy torch pymoo optuna plotly matplotlib stable_baselines3 pandas'.split()\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    root = Path(mcu_nas_moo.__path__[0]).parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
