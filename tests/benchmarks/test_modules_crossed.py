"""The command benchmarks/modules_crossed.py, on this package."""

import importlib
import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
command = importlib.import_module("modules_crossed")


def test_a_search_enters_from_above_and_ends_in_the_costs(tmp_path):
    out = tmp_path / "result.md"
    command.main(["--out", str(out)])
    text = out.read_text(encoding="utf-8")
    modules = re.findall(r"^\d+\. `([\w.]+)`, floor (\d+)$", text, flags=re.MULTILINE)
    floors = {name: int(floor) for name, floor in modules}
    names = list(floors)
    assert names[0].startswith("cli.")
    assert floors[names[0]] == max(floors.values())
    assert floors["spaces.mbconv"] < floors["problem.task"] < floors["search.run_search"]
    # The problem is read first; networks and their costs come with the evaluation.
    assert names.index("problem.task") < names.index("networks.layer_table")
    assert names[-1].startswith("hardware.cost_model.")
    assert f"| modules entered | {len(names)} |" in text
    assert "| modules of the package in circles of imports | 0 |" in text
