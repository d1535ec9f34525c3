from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest
from click.testing import CliRunner

from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.problem.adapters.optuna_objective import McuNasObjective
from mcu_nas_moo.search import search_study, study_storage
from mcu_nas_moo.spaces.subnet_file import read_subnet

DEFAULT = Path("search") / "mbconv-stage--cortex-m7--error-latency"


SMALLEST = """
class Search:
    def __init__(self, setting):
        self.space = setting.task.space
        self.genes = [gene.name for gene in self.space.genes]

    def ask(self):
        X = self.space.sample(4, __import__("numpy").random.default_rng(0))
        X[:, self.genes.index("resolution")] = 0
        return X

    def tell(self, X, F, G):
        pass
"""


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(*arguments):
    return CliRunner().invoke(main, ["search", *map(str, arguments)])


def table(folder=DEFAULT):
    with (folder / "subnets.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_writes_table_files_and_pictures():
    result = run("--budget", 30, "--algo", "nsga2")
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 100 for line in result.output.splitlines())
    rows = table()
    front = {row["name"] for row in rows if row["on_front"] == "true"}
    assert f"{len(rows)} distinct subnets" in result.output
    assert f"{len(front)} on the front" in result.output
    assert "of that of the exact reference front" in result.output
    assert {path.stem for path in (DEFAULT / "subnets").iterdir()} == front
    for name in front:
        assert read_subnet(DEFAULT / "subnets" / f"{name}.yaml").predicted["latency_ms"] <= 30
    assert {path.name for path in DEFAULT.iterdir()} == {
        "pareto_front.html",
        "pareto_front.png",
        "search.json",
        "study.journal",
        "subnets",
        "subnets.csv",
    }


def test_the_same_command_continues_and_then_only_writes_again():
    assert run("--budget", 12).exit_code == 0
    first = {row["name"]: row for row in table()}
    assert run("--budget", 25).exit_code == 0
    rows = table()
    assert len(rows) == 25  # PPO repeats no network genotype
    assert {row["name"] for row in rows} >= set(first)
    (DEFAULT / "subnets.csv").unlink()
    again = run("--budget", 25)
    assert again.exit_code == 0, again.output
    assert table() == rows
    record = json.loads((DEFAULT / "search.json").read_text())
    assert [start["from_trial"] for start in record["starts"]] == [0, 12]
    assert record["trials"] == 25


def test_an_interrupted_search_writes_what_is_finished(monkeypatch):
    whole = McuNasObjective.__call__
    calls = []

    def interrupted(self, trial):
        calls.append(trial.number)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return whole(self, trial)

    monkeypatch.setattr(McuNasObjective, "__call__", interrupted)
    result = run("--budget", 15, "--algo", "random")
    assert result.exit_code == 130
    assert "the same command continues" in result.output
    assert len(table()) == 8
    assert run("--budget", 15, "--algo", "random").exit_code == 0
    storage = study_storage.storage_for_reading(str(DEFAULT / "study.journal"))
    study = optuna.load_study(study_name=DEFAULT.name, storage=storage)
    assert len(search_study.finished_trials(study)) == 15


def started(*arguments):
    program = "from mcu_nas_moo.cli.nas.main import main; main()"
    words = [sys.executable, "-c", program, "search", *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def trials_of(storage):
    opened = study_storage.storage_for_reading(str(storage))
    return search_study.load_study(opened, None).trials


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_searches_at_once_on_a_new_storage_finish_the_trials_exactly(kind, tmp_path):
    storage = tmp_path / "study.journal" if kind == "journal" else f"sqlite:///{tmp_path}/study.db"
    words = ("--budget", 24, "--algo", "nsga2", "--storage", storage)
    searches = [started(*words) for _ in range(3)]
    for process in searches:
        output = process.communicate()[0]
        assert process.returncode == 0, output
        assert "24 trials: " in output
    trials = trials_of(storage)
    assert [trial.state.name for trial in trials] == 24 * ["COMPLETE"]
    # The same seed, and yet none repeats what another does.
    assert len({tuple(trial.params.values()) for trial in trials}) == 24


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_the_search_and_leave_what_is_finished(number):
    journal = DEFAULT / "study.journal"
    process = started("--budget", 100_000, "--algo", "random", "--jobs", 2)
    while not journal.is_file() or journal.read_text().count('"values":[') < 60:
        assert process.poll() is None
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 3  # and one that guards them
    process.send_signal(number)
    begin = time.monotonic()
    # What nobody has waited for yet is a zombie.
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in children):
        assert time.monotonic() - begin < 2
        time.sleep(0.05)
    output = process.communicate()[0]
    if number == signal.SIGTERM:
        assert process.returncode == 130
        assert "the same command continues" in output
        finished = sum(trial.state.name == "COMPLETE" for trial in trials_of(journal))
        assert {trial.state.name for trial in trials_of(journal)} <= {"COMPLETE", "FAIL"}
        assert json.loads((DEFAULT / "search.json").read_text())["trials"] == finished
    trials = len(trials_of(journal)) + 10
    again = run("--budget", trials, "--algo", "random", "--jobs", 2)
    assert again.exit_code == 0, again.output
    states = [trial.state.name for trial in trials_of(journal)]
    assert (states.count("COMPLETE"), states.count("RUNNING")) == (trials, 0)


def test_bad_input_in_a_process_of_several_is_one_line(tmp_path):
    (tmp_path / "mine.py").write_text("class Search:\n  ask = tell = lambda self, *told: 1 / 0\n")
    result = run("--budget", 8, "--algo", "mine:Search", "--jobs", 2)
    assert result.exit_code == 2
    assert "Error: mine:Search failed: ZeroDivisionError" in result.output


def test_an_algorithm_of_the_user_s_is_taken(tmp_path):
    (tmp_path / "smallest.py").write_text(SMALLEST)
    result = run("--budget", 12, "--algo", "smallest:Search", "--out", "k 4")
    assert result.exit_code == 0, result.output
    assert "Next: mcu-nas front list --from 'k 4', then" in result.output
    trials = trials_of(Path("k 4") / "study.journal")
    assert [trial.params["resolution"] for trial in trials] == 12 * [16]


def test_any_storage_of_optuna_and_any_space(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    words = ("--space", "mbconv-block", "--profile", "cortex-m4", "--algo", "tpe")
    result = run(*words, "--budget", 5, "--storage", storage, "--study-name", "mine", "--out", "o")
    assert result.exit_code in (0, 2), result.output  # five trials may all be infeasible
    study = optuna.load_study(study_name="mine", storage=storage)
    assert len(study.trials) == 5
    assert study.metric_names == ["error", "latency"]
    assert len(table(tmp_path / "o")) == 5
    assert not (tmp_path / "o" / "study.journal").exists()


def test_other_limits_get_a_folder_of_their_own():
    assert run("--budget", 12).exit_code == 0
    result = run("--budget", 20, "--latency-ms", 25)
    assert result.exit_code == 0, result.output
    assert (DEFAULT.with_name(f"{DEFAULT.name}--latency-ms-25") / "subnets.csv").is_file()
    refused = run("--budget", 20, "--latency-ms", 25, "--out", DEFAULT)
    assert refused.exit_code == 2
    assert "holds another search, which differs in limits:" in refused.output


def test_without_a_feasible_subnet_the_nearest_limit_is_said():
    result = run("--budget", 5, "--latency-ms", 0.5)
    assert result.exit_code == 2
    assert "none of 5 subnets is feasible" in result.output
    assert "latency by" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--algo", "pppo"], "did you mean 'ppo'"),
        (["--profile", "cortex-m9"], "unknown profile"),
        (["--space", "mbconv"], "unknown space"),
        (["--objectives", "error"], "has no trade-off"),
        (["--objectives", "error,speed"], "unknown objective"),
        (["--budget", "0"], "--budget"),
        (["--latency-ms", "-3"], "latency_ms"),
        (["--storage", "sqlite:////no/such/folder/x.db"], "cannot open the storage"),
        (["--storage", "nonsense://x"], "cannot open the storage"),
        (["--storage", "no/such/folder/x.journal"], "cannot open the storage"),
        (["--costs", "none.json"], "none.json"),
        (["--study-name", "a\x1b[2Jb"], "printable"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, message, tmp_path):
    result = run("--budget", 3, *words)
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.strip().splitlines()[-1].startswith("Error")
    assert list(tmp_path.iterdir()) == []


def test_folders_and_studies_of_others_are_left_alone(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    result = run("--budget", 3, "--out", "photos")
    assert result.exit_code == 2
    assert "choose another --out" in result.output
    assert os.listdir("photos") == ["cat.jpg"]
    storage = f"sqlite:///{tmp_path}/s.db"
    theirs = optuna.create_study(storage=storage, study_name="theirs", directions=["minimize"] * 2)
    theirs.add_trial(optuna.trial.create_trial(values=[0.1, 2.0]))
    result = run("--budget", 3, "--storage", storage, "--study-name", "theirs")
    assert result.exit_code == 2
    assert "choose another --study-name" in result.output
    assert not Path("search").exists()


def test_a_damaged_journal_is_refused():
    DEFAULT.mkdir(parents=True)
    (DEFAULT / "study.journal").write_text("nonsense\n{}\n")
    result = run("--budget", 3)
    assert result.exit_code == 2
    assert "cannot be read" in result.output
    assert os.listdir(DEFAULT) == ["study.journal"]


def test_a_damaged_database_is_refused(tmp_path):
    (tmp_path / "s.db").write_bytes(bytes(range(256)) * 8)
    result = run("--budget", 3, "--storage", f"sqlite:///{tmp_path}/s.db")
    assert result.exit_code == 2
    assert "cannot open the storage" in result.output
    assert os.listdir(tmp_path) == ["s.db"]


@pytest.mark.parametrize(
    "storage",
    [
        "postgresql://me:s3cret@localhost/db",
        "postgresql://me:s3cret@localhost:port/db",
        "nonsense:///db?user=me&password=s3cret",
        "postgresql:me:s3cret@localhost",
    ],
)
def test_passwords_of_a_storage_are_shown_nowhere(storage, tmp_path):
    for command in (["search"], ["front", "list"]):
        result = CliRunner().invoke(main, [*command, "--storage", storage])
        assert result.exit_code == 2, result.output
        assert "***" in result.output
        assert "s3cret" not in result.output + repr(result.exception)
    assert not [path for path in tmp_path.rglob("*") if "s3cret" in path.name]
