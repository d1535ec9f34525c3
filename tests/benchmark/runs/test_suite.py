from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mcu_nas_moo.benchmark.runs.suite import load_suite, plan
from mcu_nas_moo.optimisers.register import entry, list_optimisers

SUITES = Path(__file__).parents[3] / "benchmarks" / "suites"

SMALL = {
    "spaces": ["mbconv-stage"],
    "profiles": ["cortex-m7"],
    "objectives": [["error", "latency"]],
    "budgets": [20, 40],
    "seeds": 2,
    "algorithms": ["random", "nsga2"],
}


def write(path, **changes):
    values = SMALL | changes
    kept = {name: value for name, value in values.items() if value is not None}
    path.write_text(yaml.safe_dump(kept))
    return path


def runs_of(planned):
    """Of each problem and budget, who runs with which seeds."""
    return {
        (entry.task.name, budget): sorted(runs)
        for entry in planned
        for budget, runs in entry.runs.items()
    }


def test_a_run_per_budget_unless_proposals_do_not_depend_on_it(tmp_path):
    assert entry("random").any_time
    assert not entry("nsga2").any_time
    planned = plan(load_suite(write(tmp_path / "small.yaml")))
    name = "mbconv-stage--cortex-m7--error-latency"
    assert runs_of(planned) == {
        (name, 20): [("nsga2", 0), ("nsga2", 1)],
        (name, 40): [("nsga2", 0), ("nsga2", 1), ("random", 0), ("random", 1)],
    }
    assert planned[0].counts == (20, 40)
    assert planned[0].n_runs == 6


def test_every_combination_is_a_problem(tmp_path):
    path = write(
        tmp_path / "small.yaml",
        spaces=["mbconv-stage", "mbconv-block"],
        profiles=["cortex-m7", "cortex-m4"],
        objectives=[["error", "latency"], ["error", "sram", "flash"]],
    )
    names = [entry.task.name for entry in plan(load_suite(path), seeds=1)]
    assert len(names) == len(set(names)) == 8
    assert "mbconv-block--cortex-m4--error-sram-flash" in names


def test_an_algorithm_may_have_fewer_evaluations_and_problems(tmp_path):
    path = write(
        tmp_path / "small.yaml",
        budgets=[500, 1000, 5000],
        profiles=["cortex-m7", "cortex-m4"],
        seeds=1,
        algorithms=[
            {"name": "random", "ceiling": 1000},
            {"name": "nsga2", "profiles": ["cortex-m4"], "ceiling": 600},
            {"name": "ga", "objectives": [["error", "sram"]]},
            "tpe",
        ],
    )
    assert entry("tpe").ceiling == 2000
    assert runs_of(plan(load_suite(path))) == {
        ("mbconv-stage--cortex-m7--error-latency", 1000): [("random", 0), ("tpe", 0)],
        ("mbconv-stage--cortex-m4--error-latency", 1000): [("random", 0), ("tpe", 0)],
        ("mbconv-stage--cortex-m4--error-latency", 500): [("nsga2", 0)],
    }


def test_parts_say_what_differs_in_them(tmp_path):
    path = write(
        tmp_path / "small.yaml",
        seeds=1,
        spaces=None,
        parts=[
            {"spaces": ["mbconv-stage"]},
            {"spaces": ["mbconv-block"], "algorithms": ["random"], "budgets": [30]},
            {"spaces": ["mbconv-block"], "algorithms": ["random", "ga"], "seeds": 2},
        ],
    )
    assert runs_of(plan(load_suite(path))) == {
        ("mbconv-stage--cortex-m7--error-latency", 20): [("nsga2", 0)],
        ("mbconv-stage--cortex-m7--error-latency", 40): [("nsga2", 0), ("random", 0)],
        ("mbconv-block--cortex-m7--error-latency", 30): [("random", 0)],
        ("mbconv-block--cortex-m7--error-latency", 20): [("ga", 0), ("ga", 1)],
        ("mbconv-block--cortex-m7--error-latency", 40): [
            *(("ga", 0), ("ga", 1)),
            *(("random", 0), ("random", 1)),
        ],
    }


def test_hyperparameters_go_to_the_runs(tmp_path):
    tuned = {"name": "nsga2", "hyperparameters": {"population": 0.5, "crossover": 0.9}}
    planned = plan(load_suite(write(tmp_path / "small.yaml", algorithms=["random", tuned])))
    assert planned[0].hyperparameters == {"nsga2": {"population": 0.5}}  # 0.9 is the default
    parts = [{"algorithms": [tuned]}, {"algorithms": ["nsga2"]}]
    path = write(tmp_path / "small.yaml", parts=parts)
    with pytest.raises(ValueError, match="parts give nsga2 different hyperparameters"):
        plan(load_suite(path))


def test_a_profile_file_is_seen_from_the_folder_of_the_suite(tmp_path, monkeypatch):
    (tmp_path / "suites").mkdir()
    (tmp_path / "kettle.yaml").write_text(
        "device: nucleo-h7a3zi-q\nruntime: stm32cube-ai-10\n"
        "limits: {flash_kib: 300, sram_kib: 60, latency_ms: 40}\n"
    )
    path = write(tmp_path / "suites" / "small.yaml", profiles=["../kettle.yaml"])
    monkeypatch.chdir("/")
    (entry,) = plan(load_suite(path))
    assert entry.task.name.startswith("mbconv-stage--kettle--error-latency--own-")
    assert entry.task.limits["sram_kib"] == 60


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sedes": 3}, "unknown field 'sedes'; did you mean 'seeds'?"),
        ({"parts": [{"space": ["a"]}]}, "parts.0: unknown field 'space'; did you mean 'spaces'?"),
        (
            {"algorithms": [{"name": "ga", "ceilling": 4}]},
            "algorithms.0: unknown field 'ceilling'; did you mean 'ceiling'?",
        ),
        ({"algorithms": ["ga", "nsga"]}, "algorithms.1.name: unknown algorithm 'nsga'"),
        ({"algorithms": ["ga", "ga"]}, "algorithms: ga is given twice"),
        ({"algorithms": []}, "algorithms: the list should have at least 1 item, not 0"),
        (
            {"algorithms": [{"name": "nsga2", "hyperparameters": {"populaton": 2.0}}]},
            "algorithms.0: unknown hyperparameter of nsga2 'populaton'; did you mean 'population'",
        ),
        ({"spaces": ["mbconv-stages"]}, "spaces.0: unknown space 'mbconv-stages'; did you mean"),
        ({"profiles": ["cortex-m8"]}, "profiles.0: unknown profile 'cortex-m8'; did you mean"),
        ({"profiles": ["none.yaml"]}, "none.yaml: expected a profile file"),
        ({"objectives": [["error", "laten"]]}, "objectives: unknown objective 'laten'"),
        ({"objectives": [["error"]]}, "objectives.0: the list should have at least 2 items, not 1"),
        ({"objectives": [["error", "error"]]}, "objectives.0: error is given twice"),
        (
            {"objectives": ["error", "latency"]},
            "objectives: a list of lists is wanted, such as [[error, latency]]",
        ),
        ({"spaces": "mbconv-stage"}, "spaces: input should be a list"),
        ({"budgets": [0]}, "budgets.0: input should be greater than or equal to 1"),
        ({"budgets": ["many"]}, "budgets.0: input should be a valid integer"),
        ({"budgets": [20, 20]}, "budgets: 20 is given twice"),
        ({"seeds": 2.5}, "seeds: input should be a valid integer"),
        ({"seeds": None}, "seeds: field required"),
        ({"profiles": None}, "profiles: field required; [none] for networks on no device"),
        ({"spaces": None, "parts": [{"seeds": 2}]}, "parts.0: spaces: field required"),
        ({"name": "a\nb"}, "name: expected a name of printable characters on one line"),
    ],
)
def test_mistakes_are_said_on_one_line_with_file_and_field(tmp_path, changes, says):
    path = write(tmp_path / "small.yaml", **changes)
    with pytest.raises(ValueError) as raised:
        load_suite(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "\n" not in message
    # A list is not called too short because what is in it is wrong.
    assert ("at least 1 item" in message) == ("at least 1 item" in says)


def test_a_file_that_is_missing_or_no_yaml(tmp_path):
    with pytest.raises(ValueError, match=r"none\.yaml: expected a readable text file"):
        load_suite(tmp_path / "none.yaml")
    path = tmp_path / "bad.yaml"
    path.write_text("seeds: 3\nseeds: 4\n")
    with pytest.raises(ValueError, match=r"bad\.yaml: line 2: .*'seeds' is given twice"):
        load_suite(path)


def test_the_shipped_suites_are_valid():
    names = {path.stem for path in SUITES.glob("*.yaml")}
    assert names == {"smoke", "full"}
    for name in names:
        suite = load_suite(SUITES / f"{name}.yaml")
        assert suite.name == name
        assert plan(suite)


def test_full_has_every_algorithm_on_every_profile_with_seeds_for_a_claim():
    suite = load_suite(SUITES / "full.yaml")
    planned = plan(suite)
    names = {entry.task.name for entry in planned}
    assert names == {
        f"{space}--{profile}--{objectives}"
        for space, sets in (
            ("mbconv-stage", ("error-latency", "error-latency-sram-flash")),
            ("mbconv-block", ("error-latency",)),
        )
        for profile in ("cortex-m7", "cortex-m4", "cortex-m33")
        for objectives in sets
    }
    runs = {run for entry in planned for own in entry.runs.values() for run in own}
    assert {name for name, _ in runs} == set(list_optimisers()) - {"exhaustive"}
    assert {seed for _, seed in runs} == set(range(21))


def test_problems_by_name_stand_beside_networks(tmp_path):
    path = write(
        tmp_path / "small.yaml",
        problems=["lotz", "reliability"],
        budgets=[20],
        seeds=1,
        algorithms=["random", {"name": "nsga2", "problems": ["lotz"]}],
    )
    assert runs_of(plan(load_suite(path))) == {
        ("mbconv-stage--cortex-m7--error-latency", 20): [("nsga2", 0), ("random", 0)],
        ("lotz--lacking_leading_ones-lacking_trailing_zeros", 20): [("nsga2", 0), ("random", 0)],
        ("reliability--failure_probability-system_cost", 20): [("random", 0)],
    }
    alone = {"spaces": None, "profiles": None, "objectives": None}
    path = write(tmp_path / "small.yaml", problems=["lotz"], **alone)
    assert [entry.title for entry in plan(load_suite(path))] == ["lotz, 2 objectives"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problems": ["lotzz"]}, "problems.0: unknown problem 'lotzz'; did you mean 'lotz'"),
        ({"problems": ["lotz", "lotz"]}, "problems: lotz is given twice"),
        ({"problems": []}, "problems: the list should have at least 1 item"),
        ({"problems": ["lotz"], "spaces": None, "objectives": None}, "spaces: field required"),
        ({"spaces": None, "profiles": None, "objectives": None}, "field required"),
    ],
)
def test_problems_that_make_no_suite(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_suite(write(tmp_path / "small.yaml", **changes))


def test_two_problems_of_one_name_are_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    code = "from mcu_nas_moo.problem.named.bit_strings import Lotz\n"
    code += "class One(Lotz):\n    name = 'same'\n\nclass Two(Lotz):\n    name = 'same'\n"
    (tmp_path / "problems_of_one_name.py").write_text(code, encoding="utf-8")
    names = ["problems_of_one_name:One", "problems_of_one_name:Two"]
    suite = load_suite(write(tmp_path / "small.yaml", problems=names))
    with pytest.raises(ValueError, match="two different problems are called same--"):
        plan(suite)
