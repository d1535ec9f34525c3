"""A short run of the command that feeds damaged files to the loaders."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mcu_nas_moo.common.files import parsing

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import fuzz as command
from fuzz_targets import Target

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FAST = ("profile", "suite", "config", "subnet", "labels", "run", "kept-reference", "reference")
FAST += ("predictor", "onnx")


def fuzz(*arguments):
    return subprocess.run(
        [sys.executable, BENCHMARKS / "fuzz.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_loaders_refuse_damaged_files_with_one_line_or_read_them(tmp_path):
    targets = [word for name in FAST for word in ("--target", name)]
    ended = fuzz(*targets, "--inputs", 30, "--seed", 7, "--cli", 2, "--out", tmp_path / "fuzz.md")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = [line.split(" ") for line in ended.stdout.splitlines()]
    assert [row[0] for row in rows] == list(FAST)
    for row in rows:
        inputs, read, refused, *finds = map(int, row[1:])
        assert inputs == read + refused == 30
        assert refused
        assert not any(finds)
    assert "| profile | 30 |" in (tmp_path / "fuzz.md").read_text()


def test_targets_are_listed():
    listed = fuzz("--list").stdout.split()
    assert {*FAST, "compact", "checkpoint", "journal", "firmware"} <= set(listed)


@pytest.mark.parametrize(("module", "found"), [("/mcu_nas_moo/loader.py", True), ("/x.py", False)])
def test_a_bug_of_a_loader_that_is_taken_for_damage_is_a_find(tmp_path, module, found):
    exec(compile("def load(): [].items()", module, "exec"), vars(code := ModuleType("loader")))

    def load(path):
        with parsing(path):
            code.load()

    what, detail = command._loaded(Target("a.json", load), tmp_path / "a.json")
    assert (what == "", "AttributeError" in detail) == (found, found)
