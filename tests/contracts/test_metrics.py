"""The one table of metrics: complete, without doubles, and read by whatever lists metrics."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mcu_nas_moo
from mcu_nas_moo import Task
from mcu_nas_moo.contracts.metrics import LIMITED, METRICS, OBJECTIVES
from mcu_nas_moo.hardware.profile import Limits

PACKAGE = Path(mcu_nas_moo.__file__).parent
#: Modules in which a group of metrics is the subject: the table, what computes, fits or limits the
#: costs one by one, and the figures of the toy task.
ABOUT_METRICS = {
    "contracts/metrics.py",
    "deployment/emulated_firmware.py",
    "hardware/calibration/board_refit.py",
    "hardware/profile_template.py",
    "hardware/runtime.py",
    "testing/optimiser_suite.py",
    "testing/toy_task.py",
}


#: What the cost model does not tell.
NOT_MODELLED = {"constraint_violation", "instructions_m"}


class Learned:
    """A cost predictor that knows every metric that can be learned."""

    metrics = ("flash_kib", "sram_kib", "latency_ms", "energy_mj", "constraint_violation")
    fingerprint = "all"

    def predict(self, space, X):
        return dict.fromkeys(self.metrics, np.ones(len(X)))

    def check(self, space, profile):
        pass


@pytest.mark.parametrize("costs", ["analytic", Learned()])
def test_whatever_a_task_measures_is_in_the_table(costs, rng):
    task = Task(costs=costs)
    found = task.metrics(task.space.sample(2, rng))
    missing = {"instructions_m"} if costs != "analytic" else NOT_MODELLED
    assert set(METRICS) - set(found) == missing
    assert set(found) <= set(METRICS)


def test_objectives_and_limits_stay_what_stored_results_hold():
    names = ["error", "latency", "sram", "flash", "energy", "macs", "instructions"]
    assert list(OBJECTIVES) == names
    assert list(LIMITED) == ["flash", "sram", "latency"]  # columns of G
    assert {metric.name for metric in LIMITED.values()} == set(Limits.model_fields)
    assert all(metric.smaller_is_better for metric in [*OBJECTIVES.values(), *LIMITED.values()])
    assert not METRICS["accuracy"].smaller_is_better


@pytest.mark.parametrize("what", ["label", "short", "heading", "option"])
def test_no_two_metrics_are_called_the_same(what):
    names = [getattr(metric, what) for metric in METRICS.values()]
    assert len(set(names)) == len(METRICS)
    assert all(names)


def test_names_and_units_agree():
    """The stored unit is the last part of a name; shares have none and are shown in per cent."""
    for metric in METRICS.values():
        last = metric.name.rpartition("_")[2]
        if metric.unit == "%":
            assert metric.factor == 100
        elif metric.unit:
            assert (last, metric.factor) == (metric.unit.lower(), 1)
            assert metric.unit in metric.label or metric.label.startswith("million")


@pytest.mark.parametrize(
    ("name", "value", "number", "text"),
    [
        ("error", 0.17426, "17.43", "17.43 %"),
        ("error", 0.05, "5.00", "5 %"),
        ("latency_ms", 3.76649, "3.766", "3.766 ms"),
        ("flash_kib", 12345.6, "12,346", "12,346 KiB"),
        ("macs_m", 0.25, "0.25", "0.25 M"),
        ("constraint_violation", 0.5, "0.5", "0.5"),
    ],
)
def test_figures_as_people_read_them(name, value, number, text):
    assert METRICS[name].number(value) == number
    assert METRICS[name].text(value) == text


def test_nobody_else_lists_metrics():
    """Three names in one tuple, list, set or mapping are a table of their own."""
    names = [set(METRICS), set(OBJECTIVES), {metric.option for metric in METRICS.values()}]
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
            texts = {part.value for part in parts if isinstance(part, ast.Constant)}
            if max(len(texts & group) for group in names) >= 3:
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found <= ABOUT_METRICS


#: In a process of its own: the table is read when modules are imported.
NEW_METRIC = """
import io, json, sys
from mcu_nas_moo.contracts import metrics
new = metrics.Metric(
    "memory_mb", "memory", "MB", "memory of it all, MB", objective="memory", limit="memory"
)
metrics.METRICS[new.name] = metrics.OBJECTIVES["memory"] = metrics.LIMITED["memory"] = new

from click.testing import CliRunner
from rich.console import Console
from mcu_nas_moo.cli.bench.main import main as bench
from mcu_nas_moo.cli.nas import front
from mcu_nas_moo.cli.nas.main import main as nas
from mcu_nas_moo.search import front_page, search_folder
sys.path.insert(0, sys.argv[1])
import made_up_subnets
made_up_subnets.LIMITS["memory_mb"] = 4.0
subnets = made_up_subnets.made_up(
    error=[0.2, 0.1], memory_mb=[1.25, 3.5], objectives=("error", "memory")
)

def shown(program, *arguments):
    result = CliRunner().invoke(program, [*arguments, "--help"], terminal_width=100)
    assert result.exit_code == 0, result.output
    return result.output

console = Console(file=io.StringIO(), width=120)
console.print(front._table(subnets, [0, 1]))
page = front_page.page_data(None, subnets, subnets, None)
print(json.dumps({
    "options": {
        name: shown(program, *arguments)
        for name, program, arguments in (
            ("search", nas, ["search"]),
            ("cost", nas, ["cost"]),
            ("enumerate", nas, ["enumerate"]),
            ("bench", bench, []),
            ("front", nas, ["front", "list"]),
        )
    },
    "table": console.file.getvalue(),
    "axes": page["axes"],
    "values": page["subnets"]["values"],
    "csv": search_folder.table_text(subnets, ["depth"]),
    "G": subnets.constraint_values.tolist(),
}))
"""


def test_a_new_metric_is_in_options_tables_and_pages_without_another_edit():
    folder = Path(__file__).parents[1] / "search"
    done = subprocess.run(
        [sys.executable, "-c", NEW_METRIC, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for command in ("search", "cost", "enumerate", "bench"):
        assert "--memory-mb" in found["options"][command], command
        assert "Memory limit instead of the profile's." in found["options"][command]
    assert "--memory-mb" in found["options"]["front"]
    assert "error, latency, sram, flash, energy, macs, instructions, memory" in " ".join(
        found["options"]["front"].split()
    )
    assert "memory MB" in found["table"]
    assert "1.25" in found["table"]
    axis = {"label": "memory of it all, MB", "short": "memory", "unit": "MB", "limit": 4.0}
    assert found["axes"][-1] == axis
    assert found["values"][-1] == [1.25, 3.5]
    head, first, _ = found["csv"].splitlines()
    assert dict(zip(head.split(","), first.split(","), strict=True))["memory_mb"] == "1.25"
    assert [row[-1] for row in found["G"]] == [1.25 / 4 - 1, 3.5 / 4 - 1]
