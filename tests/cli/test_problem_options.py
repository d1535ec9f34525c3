"""The options by which spaces, evaluators, accuracies and limits of one's own come in."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mcu_nas_moo.benchmark.report.appearance import axes_of
from mcu_nas_moo.cli.bench.main import main as bench
from mcu_nas_moo.cli.nas.main import main as nas
from mcu_nas_moo.cli.problem_options import ProblemOptions
from mcu_nas_moo.problem.facts import problem_facts
from mcu_nas_moo.problem.task import Task

SPACE = """
kind: mbconv
name: grey
classes: 5
granularity: stage
input: {channels: 1}
resolution: [[24, 48], [32, 64]]
stem: [4, 8]
stages:
  - {stride: 2, depth: [1, 2], kernel: [3, 5], width: [8, 16], expansion: [2, 4]}
head: [32, 64]
"""
MODULE = """
import numpy as np
from mcu_nas_moo.contracts.metrics import Metric

RECALL = Metric("recall", unit="%", factor=100.0, smaller_is_better=False)


class Fails:
    metrics = ["accuracy", Metric("wow_mb", unit="MB"), RECALL]

    def evaluate(self, space, X):
        size = X.sum(axis=1)
        bad = size % 3 == 0
        accuracy = np.where(bad, np.nan, 0.5 + size / 40)
        reasons = np.where(bad, "sum divisible by 3", "")
        recall = 1 - size / 40
        return {"accuracy": accuracy, "wow_mb": size + 1.0, "recall": recall, "reason": reasons}
"""


@pytest.fixture(autouse=True)
def own(monkeypatch, tmp_path):
    """A folder with a space and an evaluator, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("grey.yaml").write_text(SPACE)
    Path("own_fails.py").write_text(MODULE)
    return tmp_path


OWN = ("--space", "grey.yaml", "--evaluator", "own_fails:Fails")


def run(program, *words):
    return CliRunner().invoke(program, [str(word) for word in words])


def refused(program, *words):
    """The one line that a command ends with."""
    result = run(program, *words)
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line


def test_an_own_space_and_evaluator_from_the_comparison_to_the_report(own):
    command = (*OWN, "--algos", "random,nsga2", "--budget", 30, "--seeds", 2, "--jobs", 1)
    result = run(bench, *command, "--objectives", "error,wow_mb", "--limit", "recall=85")
    assert result.exit_code == 0, result.output
    assert "the reference front is exact" in result.output
    (folder,) = Path("bench-results").iterdir()
    assert folder.name.startswith("grey-cortex-m7-error-wow_mb-recall-0.85-own-")
    facts = json.loads((folder / "study.json").read_text())
    assert facts["limits"]["recall"] == 0.85
    again = run(bench, "report", folder, "--jobs", 1)
    assert again.exit_code == 0, again.output
    (table,) = (folder / "tables").glob("*-failures.md")
    (row,) = [line for line in table.read_text().splitlines() if "divisible" in line]
    counts = [int(cell) for cell in row.split("|")[2:4]]
    assert all(0 < count < 60 for count in counts)
    task = Task.from_facts(problem_facts(facts, "study.json"), folder / "study.json")
    labels = [axis.label for axis in axes_of(task)]
    assert labels == ["error on data of evaluator Fails, %", "wow, MB"]
    with (folder / "pareto.csv").open() as file:
        assert all(float(row["recall"]) >= 0.85 for row in csv.DictReader(file))


def test_other_parts_make_other_names(own):
    names = {ProblemOptions().task().name}
    names.add(ProblemOptions(space="grey.yaml", evaluators=("own_fails:Fails",)).task().name)
    text = Path("own_fails.py").read_text()
    Path("more_fails.py").write_text(text.replace("0.5 +", "0.4 +"))
    names.add(ProblemOptions(space="grey.yaml", evaluators=("more_fails:Fails",)).task().name)
    Path("grey.yaml").write_text(SPACE.replace("[4, 8]", "[4, 16]"))
    names.add(ProblemOptions(space="grey.yaml", evaluators=("own_fails:Fails",)).task().name)
    assert len(names) == 4
    assert "mbconv-stage--cortex-m7--error-latency" in names


def test_front_limits_sorts_and_picks_by_own_metrics(own):
    search = ("search", *OWN, "--objectives", "error,wow_mb", "--algo", "random", "--budget", 60)
    assert run(nas, *search).exit_code == 0
    (table,) = Path("search").glob("*/subnets.csv")
    with table.open() as file:
        rows = [row for row in csv.DictReader(file) if row["feasible"] == "true"]
    kept = [row for row in rows if float(row["recall"]) >= 0.88 and float(row["wow_mb"]) <= 5]
    assert 0 < len(kept) < len(rows)
    limits = ("--limit", "recall=88", "--limit", "wow-mb=5")
    result = run(nas, "front", "list", *limits, "--sort", "recall", "--rows", 0)
    assert result.exit_code == 0, result.output
    F = [(float(row["error"]), float(row["wow_mb"]), float(row["recall"])) for row in kept]
    front = [f for f in F if not any(o[0] <= f[0] and o[1] <= f[1] and o[:2] != f[:2] for o in F)]
    lines = [line.split() for line in result.output.splitlines() if " cortex-m7-t" in line]
    shown = [(float(words[-2]), float(words[-1])) for words in lines]
    assert [recall for _, recall in shown] == sorted((r for _, r in shown), reverse=True)
    assert sorted(shown) == sorted((wow, float(f"{100 * recall:.4g}")) for _, wow, recall in front)
    assert run(nas, "front", "pick", "--best", "recall", "--out", "best.yaml").exit_code == 0
    best = yaml.safe_load(Path("best.yaml").read_text())["predicted"]["recall"]
    assert best == max(float(row["recall"]) for row in rows if row["on_front"] == "true")
    line = refused(nas, "front", "list", "--limit", "recall=99")
    assert "no feasible subnet has recall of at least 99 %; the best is" in line


def test_two_profiles_of_one_name_have_folders_of_their_own(own):
    Path("a").mkdir()
    Path("b").mkdir()
    assert run(nas, "profile", "new", "a/board.yaml").exit_code == 0
    text = Path("a/board.yaml").read_text()
    Path("b/board.yaml").write_text(text.replace("latency_ms: 100", "latency_ms: 40"))
    names = [ProblemOptions(profile=f"{folder}/board.yaml").task().name for folder in "ab"]
    assert names[0] != names[1]
    assert all("--board--error-latency--own-" in name for name in names)
    Path("b/board.yaml").write_text(text)
    again = ProblemOptions(profile="b/board.yaml").task().name
    assert again == names[0]
    few = ("--algos", "random", "--budget", 20, "--seeds", 1, "--jobs", 1)
    Path("b/board.yaml").write_text(text.replace("latency_ms: 100", "latency_ms: 40"))
    for folder in "ab":
        result = run(bench, "--profile", f"{folder}/board.yaml", *few)
        assert result.exit_code == 0, result.output
    assert len([*Path("bench-results").iterdir()]) == 2


def test_every_network_of_a_small_space_is_enumerated(own):
    result = run(nas, "enumerate", *OWN, "--objectives", "error,wow_mb", "--out", "fronts")
    assert result.exit_code == 0, result.output
    (file,) = Path("fronts").iterdir()
    assert file.name.startswith("grey--cortex-m7--error-wow_mb--own-")


def test_limits_are_given_in_the_unit_that_is_shown():
    options = ProblemOptions(further_limits=("error=12.5", "energy-mj=3"), limits={"sram_kib": 50})
    limits = options.task().limits
    assert limits["error"] == 0.125
    assert limits["energy_mj"] == 3.0
    assert limits["sram_kib"] == 50


def test_networks_on_no_device_have_what_their_evaluator_tells():
    Path("table.yaml").write_text("kind: genes\ngenes: {a: [1, 2], b: [x, y]}\n")
    Path("known.csv").write_text(
        "a,b,error,latency_ms\n1,x,0.5,1\n1,y,0.4,2\n2,x,0.3,3\n2,y,0.2,4\n"
    )
    task = ProblemOptions(space="table.yaml", evaluators=("known.csv",)).task()
    assert task.profile is None
    assert task.evaluate([[0, 1]]).F.tolist() == [[0.4, 2.0]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--space", "none.yaml"), "none.yaml"),
        (("--space", "no_such_module:Space"), "cannot import 'no_such_module'"),
        (("--space", "grey.yaml"), "nothing tells"),
        (("--evaluator", "own_fails"), "write module:Name"),
        (("--evaluator", "own_fails:Fail"), "did you mean 'Fails'"),
        (("--evaluator", "none.csv"), "none.csv"),
        (("--accuracy", "none.safetensors"), "none.safetensors"),
        (("--supernet", "shipped"), "a supernet needs data"),
        (("--data", "."), "data (pictures) go with a supernet"),
        (("--supernet", "none.safetensors", "--data", "."), "none.safetensors: No such file"),
        (("--supernet", "shipped", "--data", "."), "expected an image folder"),
        ((*OWN, "--objectives", "error,wow"), "unknown objective 'wow'; did you mean 'wow_mb'"),
        (("--objectives", "error,wow_mb"), "unknown objective 'wow_mb'"),
        (("--limit", "latency"), "expected NAME=VALUE"),
        (("--limit", "latency_ms=x"), "expected NAME=VALUE"),
        (("--limit", "latency_ms=nan"), "should be a finite number"),
        (("--limit", "latencies=5"), "unknown limit 'latencies'"),
        (("--limit", "latency_ms=5", "--latency-ms", "6"), "latency_ms is given twice"),
        (("--limit", "latency_ms=5", "--limit", "latency-ms=6"), "latency_ms is given twice"),
        (("--costs", "none.safetensors"), "none.safetensors"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(own, words, says):
    before = sorted(own.iterdir())
    assert says in refused(bench, "--algos", "random", *words)
    assert says in refused(nas, "search", "--algo", "random", *words)
    assert [path for path in sorted(own.iterdir()) if path.name != "__pycache__"] == before


def test_limits_that_no_network_meets_are_told_with_what_is_possible(own):
    words = (*OWN, "--limit", "recall=99.9", "--limit", "wow-mb=1.5", "--algos", "random")
    line = refused(bench, *words)
    assert "recall ≥ 99.9 % (largest 97.5 %)" in line
    assert "--limit recall=" in line


def test_a_suite_takes_the_same_parts_seen_from_its_folder(monkeypatch, own):
    Path("own.yaml").write_text(
        "spaces: [grey.yaml]\nprofiles: [cortex-m7]\nobjectives: [[error, wow_mb]]\n"
        "evaluators: [own_fails:Fails]\nlimits: {recall: 85}\nbudgets: [20]\nseeds: 1\n"
        "algorithms: [random]\n"
    )
    (own / "elsewhere").mkdir()
    monkeypatch.chdir(own / "elsewhere")
    result = run(bench, "suite", "../own.yaml", "--out", "out", "--jobs", 1, "--no-report")
    assert result.exit_code == 0, result.output
    (study,) = Path("out").glob("*/study.json")
    assert json.loads(study.read_text())["limits"]["recall"] == 0.85


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[own_fails:Fails]", "[]"), "unknown objective 'wow_mb'"),
        (("grey.yaml", "none.yaml"), "none.yaml"),
        (("{recall: 85}", "{recal: 85}"), "unknown limit 'recal'; did you mean 'recall'"),
        (("[own_fails:Fails]", "[none.csv]"), "none.csv"),
        (("seeds: 1", "seeds: 1\nsupernet: shipped"), "a supernet needs data"),
    ],
)
def test_a_wrong_suite_is_one_line(own, change, says):
    text = (
        "spaces: [grey.yaml]\nprofiles: [cortex-m7]\nobjectives: [[error, wow_mb]]\n"
        "evaluators: [own_fails:Fails]\nlimits: {recall: 85}\nbudgets: [20]\nseeds: 1\n"
        "algorithms: [random]\n"
    )
    Path("own.yaml").write_text(text.replace(*change))
    assert says in refused(bench, "suite", "own.yaml")


def test_the_exact_front_of_an_own_problem_is_listed():
    own = (*OWN, "--objectives", "error,wow_mb")
    line = refused(nas, "front", "list", "--exact", *own)
    assert "no reference front is known for grey on cortex-m7" in line
    assert run(nas, "enumerate", *own).exit_code == 0
    result = run(nas, "front", "list", "--exact", *own)
    assert result.exit_code == 0, result.output
    assert "the exact reference front" in result.output
    assert "Error on data of evaluator Fails" in result.output
    assert "--exact and --storage" in refused(
        nas, "front", "list", "--evaluator", "own_fails:Fails"
    )
