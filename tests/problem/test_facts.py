"""Problems as plain data: written, read and told apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_space import quick_costs, random_predictor

from mcu_nas_moo.benchmark.results.compact import read_compact
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.facts import difference, problem_facts
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.spaces import load_space

ROOT = Path(__file__).parents[2]
SPACE = load_space("mbconv-stage")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of the user's: a predictor, learned costs and a profile."""
    folder = tmp_path_factory.mktemp("mine")
    random_predictor(SPACE).save(folder / "accuracy.safetensors")
    quick_costs(folder / "c.safetensors")
    facts = load_profile("cortex-m4").model_dump(mode="json", exclude={"name"})
    (folder / "kettle.yaml").write_text(yaml.safe_dump(facts))
    facts["device"]["clock_mhz"] /= 2  # called as a shipped one, but slower
    (folder / "cortex-m4.yaml").write_text(yaml.safe_dump(facts))
    return folder


def again(task: Task, source: Path) -> Task:
    """The task after a journey through a JSON file beside ``source``."""
    text = json.dumps(task.facts().plain(source.parent))
    return Task.from_facts(problem_facts(json.loads(text), "some.json"), source)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"space": "mbconv-block", "objectives": ("sram", "error"), "limits": {"sram_kib": 40.5}},
        {"space": load_space("mbconv-stage", 7)},
        {"profile": "kettle.yaml"},
        {"profile": "cortex-m4.yaml"},
        {"accuracy": "accuracy.safetensors"},
        {"predictors": "c.safetensors"},
        {"accuracy": "accuracy.safetensors", "predictors": "c.safetensors"},
    ],
    ids=["usual", "names", "classes", "profile", "namesake", "accuracy", "costs", "both"],
)
def test_a_task_returns_from_its_facts(files, options, tmp_path, rng):
    given = {
        name: files / value if str(value).endswith((".yaml", ".safetensors")) else value
        for name, value in options.items()
    }
    if "accuracy" in given:
        given["predictor"] = AccuracyPredictor.load(given.pop("accuracy"))
    task = Task(**given)
    found = again(task, tmp_path / "study.json")
    assert found.fingerprint == task.fingerprint
    assert found.facts() == task.facts()
    assert difference(task.facts(), found.facts()) is None
    X = task.space.sample(20, rng)
    for one, two in zip(found.evaluate(X), task.evaluate(X), strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_stands_at_its_first_value_is_left_out(files):
    always = {"space", "profile", "objectives", "limits", "fingerprint", "fingerprints"}
    assert set(Task().facts().plain()) == always
    own = Task(profile=files / "kettle.yaml", accuracy=AccuracyPredictor.load(_accuracy(files)))
    assert set(own.facts().plain()) == always | {
        *("profile_facts", "profile_file", "predictor", "accuracy_of"),
    }


def _accuracy(folder: Path) -> Path:
    return folder / "accuracy.safetensors"


def test_files_below_the_folder_are_named_as_seen_from_it(files, tmp_path):
    folder = tmp_path / "before"
    folder.mkdir()
    _accuracy(folder).write_bytes(_accuracy(files).read_bytes())
    task = Task(accuracy=AccuracyPredictor.load(_accuracy(folder)))
    facts = task.facts().plain(folder)
    assert facts["predictor"]["file"] == "accuracy.safetensors"
    assert task.facts().plain(files)["predictor"]["file"] == str(_accuracy(folder))
    moved = folder.rename(tmp_path / "after") / "study.json"
    found = Task.from_facts(problem_facts(facts, "study.json"), moved)
    assert found.fingerprint == task.fingerprint


def test_a_missing_or_other_file_is_named_with_the_remedy(files, tmp_path):
    path, source = _accuracy(tmp_path), tmp_path / "runs" / "study.json"
    path.write_bytes(_accuracy(files).read_bytes())
    task = Task(accuracy=AccuracyPredictor.load(path))
    random_predictor(SPACE, seed=1).save(path)
    with pytest.raises(InputError) as other:
        again(task, source)
    assert f"{source}: {path} is not the file of then" in str(other.value)
    path.unlink()
    with pytest.raises(InputError) as missing:
        again(task, source)
    assert f"{source}: {path} is missing; put that file there or in" in str(missing.value)
    assert "\n" not in f"{other.value}{missing.value}"
    # It may also lie beside the file that names it.
    source.parent.mkdir()
    _accuracy(source.parent).write_bytes(_accuracy(files).read_bytes())
    assert again(task, source).fingerprint == task.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": None}, "f.json: space: field required"),
        ({"limits": [1]}, "f.json: limits: "),
        ({"limits": {"latency_ms": float("nan")}}, "limits.latency_ms: .*finite"),
        ({"fingerprint": 7}, "fingerprint: .*string"),
        ({"predictor": {"file": "x", "sha256": "short"}}, "predictor.sha256: "),
        ({"predictor": {"file": "x" * 5000, "sha256": "0" * 64}}, "is missing"),
        ({"predictor": {"file": "\0", "sha256": "0" * 64}}, "is missing"),
        ({"profile": "/etc/passwd"}, "unknown profile"),
        ({"profile": "cortex-m8"}, "unknown profile 'cortex-m8'; did you mean"),
        ({"objectives": ["eror"]}, "unknown objective 'eror'"),
        ({"classes": 1}, "classes"),
        ({"fingerprints": {"costs": "old"}, "fingerprint": "old"}, "differs in .*the cost model"),
        ({"fingerprints": {}, "fingerprint": "old"}, r"fingerprint old there, \w{16} here"),
    ],
)
def test_wrong_facts_are_refused_with_their_field(changes, message):
    facts = {n: v for n, v in {**Task().facts().plain(), **changes}.items() if v is not None}
    with pytest.raises(InputError, match=message) as refused:
        Task.from_facts(problem_facts(facts, "f.json"), Path("f.json"))
    assert len(str(refused.value).splitlines()) == 1


def test_differences_in_words():
    usual = Task().facts()
    assert difference(usual, Task().facts()) is None
    assert difference(usual, Task("mbconv-block").facts()) == (
        "space: mbconv-stage there, mbconv-block here"
    )
    assert difference(usual, Task(limits={"sram_kib": 50}).facts()) == (
        "limits: sram_kib 48 there, sram_kib 50 here"
    )
    untold = usual.model_copy(update={"limits": {}, "fingerprints": {}, "fingerprint": "old"})
    assert difference(untold, usual).endswith(f"fingerprint old there, {usual.fingerprint} here")
    wider = Task(objectives=("error", "sram", "latency")).facts()
    assert difference(wider, usual) == "objectives: error,sram,latency there, error,latency here"
    mine = Task(accuracy=random_predictor(SPACE)).facts()
    assert difference(usual, mine) == "the accuracy predictor"


#: ``study.json`` and the problem of ``search.json`` as the first edition wrote them.
BEFORE = {
    "space": "mbconv-stage",
    "profile": "cortex-m7",
    "objectives": ["error", "latency"],
    "limits": Task().limits,
    "fingerprint": Task().fingerprint,
}


def test_files_of_the_first_edition_are_read():
    study = BEFORE | {"learned_metrics": [], "budget": 60}
    search = BEFORE | {"classes": 10, "fingerprints": Task().fingerprints}
    for facts in (study, search):
        read = problem_facts(facts, "before.json")
        assert difference(read, Task().facts()) is None
        assert Task.from_facts(read, Path("before.json")).name == read.name


@pytest.mark.parametrize("path", sorted(ROOT.glob("benchmarks/results/full/*.npz")), ids=str)
def test_stored_runs_are_about_todays_problems(path):
    problem = read_compact(path).problem
    assert problem.name == path.stem
    assert Task.from_facts(problem, path).fingerprint == problem.fingerprint
