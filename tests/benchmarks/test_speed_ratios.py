"""The command benchmarks/speed_ratios.py, of this checkout against itself."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))
command = importlib.import_module("speed_ratios")
checkouts = importlib.import_module("checkouts")


def test_measures_both_checkouts(tmp_path):
    out = tmp_path / "ratios.md"
    command.main(["--against", str(ROOT), "--pairs=2", "--only=--help", f"--out={out}"])
    rows = [line.strip("| ").split(" | ") for line in out.read_text().splitlines() if "|" in line]
    assert [row[0] for row in rows[2:]] == ["mcu-nas --help", "mcu-nas-bench --help"]
    for row in rows[2:]:
        assert all(1 < float(time) < 60_000 for time in row[1:3])
        assert 0.1 < float(row[3].split()[0]) < 10


def test_ratios_are_medians_over_pairs():
    """Twice as fast in every pair, though the second pair took ten times as long."""
    times = np.array([[[1, 2], [0.5, 1]], [[10, 20], [5, 10]], [[1, 2], [0.5, 1]]])
    assert command.row("what", times) == (
        "what",
        "1,000.0",
        "500.0",
        "0.50 (0.50 to 0.50)",
        "0.50 (0.50 to 0.50)",
    )


def test_entry_points_are_found_by_name():
    for program in ("mcu-nas", "mcu-nas-bench"):
        module, function = checkouts.entry_point(ROOT, program)
        assert callable(getattr(importlib.import_module(module), function))
    with pytest.raises(LookupError, match="no command mcu-x"):
        checkouts.entry_point(ROOT, "mcu-x")
