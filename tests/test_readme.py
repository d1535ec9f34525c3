"""The README's code runs as printed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mcu_nas_moo.benchmark.references import front_search
from mcu_nas_moo.cli.bench.main import main as bench
from mcu_nas_moo.cli.nas.main import main as nas

ROOT = Path(__file__).parents[1]


def blocks_of(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL)


BLOCKS = blocks_of("README.md")
PYTHON = [code for language, code in BLOCKS + blocks_of("docs/ppo.md") if language == "python"]
COMMANDS = [
    shlex.split(line, comments=True)
    for language, code in BLOCKS
    if language == "sh"
    for line in code.replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]


def commands_of(program):
    return [arguments[1:] for arguments in COMMANDS if arguments[0] == program]


def test_there_is_code_to_test():
    assert len(PYTHON) >= 3
    assert commands_of("mcu-nas-bench")
    assert commands_of("mcu-nas")
    assert {tuple(arguments) for arguments in commands_of("make")} >= {("bench",), ("test",)}


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_blocks_run(code, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.parametrize("arguments", commands_of("mcu-nas-bench"), ids=" ".join)
def test_benchmark_commands_run_with_a_smaller_budget(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for size, value in {"SAMPLE": 2000, "EVOLUTION": 500, "BATCH": 500, "VARIATIONS": 1}.items():
        monkeypatch.setattr(front_search, size, value)  # for limits without a shipped front
    small = ["--budget", "60", "--seeds", "1", "--jobs", "1"]
    result = CliRunner().invoke(bench, [*arguments, *small], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("arguments", commands_of("mcu-nas"), ids=" ".join)
def test_other_commands_are_understood(arguments):
    """They take hours or images; their options must be right."""
    command = nas
    while hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context(command.name, list(arguments))
