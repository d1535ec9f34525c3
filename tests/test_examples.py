"""The examples run as they stand, and go by their names into the commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

from mcu_nas_moo import load_space
from mcu_nas_moo.testing import EvaluatorSuite, OptimiserSuite, ProblemSuite, SpaceSuite

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "examples").glob("*.py"))
#: Some words of what each one prints.
PRINTED = {
    "analysis": r"subnets, \d+ fit, \d+ are on the front(.|\n)*Picture: small-search.analysis\.",
    "own_data": r"error on pictures \(20 epochs\)(.|\n)*resolution=",
    "own_evaluator": r"'warm_up_ms': 2\.\d+\} fits\n(.|\n)*does not fit into the lab's board",
    "own_operator": r"KiB of Flash, million instructions: \d\.\d+ 0\.\d+",
    "own_optimiser": r"\d\d of the 29 points of the front, after 1000 of 3,328",
    "own_problem": r"90 weeks of 7,776 are on the front",
    "own_space": r"0\.81 million MACs: width1=16 width2=24 kernel=5 depth=2",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the examples, with what commands leave there."""
    copy = tmp_path_factory.mktemp("home") / "examples"
    shutil.copytree(ROOT / "examples", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def at_home(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return folder


def run(folder, *command):
    environment = os.environ | {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def program(folder, name, *arguments):
    return run(folder, str(Path(sys.executable).with_name(name)), *arguments)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_short_and_runs(folder, path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    arguments = ["pictures"] if path.stem == "own_data" else []
    assert re.search(PRINTED[path.stem], run(folder, sys.executable, path.name, *arguments))


def test_the_notebook_runs(at_home, monkeypatch):
    monkeypatch.setattr(mpl, "rcParams", mpl.rcParams)
    cells = json.loads((at_home / "analysis.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    front = names["front"]
    assert len(front) > 3
    assert front["feasible"].all()
    assert list((at_home / "small-search").glob("analysis.*"))


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        (
            ["--space", "own_space:MySpace", "--profile", "cortex-m4"],
            {"error", "latency_ms", "warm_up_ms", "width1", "last_kernel"},
        ),
        (["--space", "own_space.yaml", "--profile", "cortex-m0plus"], {"resolution", "sram_kib"}),
        (
            ["--space", "own_table.yaml", "--objectives", "error,latency,memory_kb"],
            {"window", "log", "memory_kb"},
        ),
    ],
    ids=["module", "yaml", "table"],
)
def test_spaces_evaluators_and_tables_go_into_a_search(folder, options, columns):
    evaluator = "own_table.csv" if "own_table.yaml" in options else "own_evaluator:Mine"
    out = f"found-{options[1].replace(':', '-')}"
    command = ["search", *options, "--evaluator", evaluator, "--algo", "own_optimiser:Mine"]
    printed = program(folder, "mcu-nas", *command, "--budget", "40", "--out", out)
    assert "40 trials" in printed
    table = pd.read_csv(folder / out / "subnets.csv")
    assert columns <= set(table.columns)
    assert table["on_front"].any()
    listed = program(folder, "mcu-nas", "front", "list", "--from", out)
    assert "error" in listed


def test_a_limit_of_an_own_metric(folder):
    command = ["--space", "own_space:MySpace", "--evaluator", "own_evaluator:Mine"]
    command += ["--objectives", "error,warm_up_ms", "--limit", "warm_up_ms=5"]
    program(
        folder, "mcu-nas", "search", *command, "--budget", "40", "--algo", "random", "--out", "l"
    )
    table = pd.read_csv(folder / "l" / "subnets.csv")
    fits = table[table["feasible"]]
    assert 0 < len(fits) < len(table)
    assert fits["warm_up_ms"].max() <= 5


@pytest.mark.parametrize(
    "options",
    [
        ["--profile", "cortex-m7"],
        ["--problem", "own_problem:Mine"],
        ["--space", "own_table.yaml", "--evaluator", "own_table.csv"],
    ],
    ids=["optimiser", "problem", "table"],
)
def test_optimisers_problems_and_tables_go_into_the_harness(folder, options):
    out = f"bench{len(options)}{options[1].replace(':', '-')}"
    some = ["--algos", "own_optimiser:Mine,random", "--budget", "30", "--seeds", "3"]
    printed = program(folder, "mcu-nas-bench", *options, *some, "--out", out)
    assert "own_optimiser:Mine" in printed
    page = program(folder, "mcu-nas-bench", "report", out)
    assert "html" in page


def test_an_operator_goes_from_a_search_to_firmware_that_computes_the_same(folder):
    run(folder, sys.executable, "-c", "from pathlib import Path; from own_data import make_pictures"
        "; make_pictures(Path('stripes'))")  # fmt: skip
    search = ["--space", "own_operator:Shuffled", "--objectives", "flash,macs", "--algo", "random"]
    program(folder, "mcu-nas", "search", *search, "--profile", "cortex-m4", "--out", "shuffled")
    program(folder, "mcu-nas", "front", "pick", "1", "--from", "shuffled", "--out", "one.yaml")
    data = ["--data", "stripes"]
    short = ["--from", "scratch", "--no-distil", "--epochs", "1", "--qat-epochs", "0"]
    program(folder, "mcu-nas", "retrain", "one.yaml", *data, *short, "--batch-size", "16")
    program(folder, "mcu-nas", "export", "one.yaml", *data, "--calibration-images", "32")
    program(folder, "mcu-nas", "firmware", "one.yaml", "--profile", "cortex-m4")
    told = program(folder, "mcu-nas", "verify", "one.yaml", *data, "--profile", "cortex-m4")
    assert "VERIFIED: bit-exact" in told


def test_failures_are_counted_by_reason(folder):
    options = ["--space", "own_table.yaml", "--evaluator", "own_table.csv"]
    some = ["--algos", "random", "--budget", "60", "--seeds", "2", "--out", "failures"]
    program(folder, "mcu-nas-bench", *options, *some)
    (table,) = (folder / "failures" / "tables").glob("*-failures.md")
    assert "out of memory" in table.read_text(encoding="utf-8")


class TestMySpace(SpaceSuite):
    @pytest.fixture(autouse=True)
    def home(self, at_home):
        pass

    def make(self):
        return load_space("own_space:MySpace")


class TestMyEvaluator(EvaluatorSuite):
    @pytest.fixture(autouse=True)
    def home(self, at_home):
        pass

    def make(self):
        from own_evaluator import Mine

        return Mine()

    def make_space(self):
        return load_space("own_space.yaml")


class TestMyOptimiser(OptimiserSuite):
    @pytest.fixture(autouse=True)
    def home(self, at_home):
        pass

    def make(self):
        return "own_optimiser:Mine"


class TestMyProblem(ProblemSuite):
    @pytest.fixture(autouse=True)
    def home(self, at_home):
        pass

    def make(self):
        from own_problem import Mine

        return Mine()
