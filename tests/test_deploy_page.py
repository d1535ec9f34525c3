"""The commands of docs/deploy.md exist, and the page holds what its script put there."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

from mcu_nas_moo.cli.nas.main import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines() if line[:2] == "$ "
]
sys.path.append(str(ROOT / "benchmarks"))
deploy_walkthrough = importlib.import_module("deploy_walkthrough")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("mcu-nas ")])
def test_commands_are_understood(command):
    command_of = main
    arguments = shlex.split(command)[1:]
    while hasattr(command_of, "commands"):
        command_of = command_of.commands[arguments.pop(0)]
    command_of.make_context("mcu-nas", arguments)  # raises for what is no option or value


def test_the_page_goes_through_every_step():
    steps = {tuple(shlex.split(command)[1:2]) for command in COMMANDS if "mcu-nas" in command}
    assert steps == {
        *(("search",), ("front",), ("retrain",), ("export",), ("firmware",), ("verify",))
    }
    verified = [command for command in COMMANDS if command.startswith("mcu-nas verify")]
    assert {p for c in verified for p in re.findall(r"--profile (\S+)", c)} >= {
        *("cortex-m7", "cortex-m4", "cortex-m33")
    }


def test_every_command_has_its_output():
    for block in BLOCKS:
        for part in block.split("\n\n$ "):
            assert len(part.strip().splitlines()) > 1, part


def test_outputs_are_those_of_the_commands():
    """As far as a reader can tell: the numbers of images in both."""
    for block in BLOCKS:
        for part in block.split("\n\n$ "):
            command, _, output = part.removeprefix("$ ").partition("\n")
            for count in re.findall(r"--(?:test-)?images (\d+)", command):
                assert f"on {int(count):,} " in output, command
            for epochs in re.findall(r"--epochs (\d+)", command):
                assert f"{int(epochs) + 3} epochs in" in output


def test_the_script_puts_output_under_its_command(tmp_path):
    page = (
        "Text\n\n```console\n$ echo one; echo two\nold\n\n$ echo three\n```\n\n```sh\n$ no\n```\n"
    )
    expected = (
        "Text\n\n```console\n$ echo one; echo two\none\ntwo\n\n$ echo three\nthree\n```\n\n"
        "```sh\n$ no\n```\n"
    )
    assert deploy_walkthrough.remade(page, tmp_path) == expected
    assert deploy_walkthrough.remade(expected, tmp_path) == expected


def test_blocks_with_a_title_are_files_for_the_commands(tmp_path):
    page = '```python title="one.py"\nprint(6 * 7)\n```\n\n```console\n$ python one.py\n```\n'
    remade = deploy_walkthrough.remade(page, tmp_path)
    assert remade == page.replace("one.py\n```", "one.py\n42\n```")


def test_progress_is_no_output(tmp_path):
    lines = ["ppo: 5 of 9 trials, 2 feasible, about 0:00:11", "left", "0 of 9 runs", "9 of 9 equal"]
    page = "```console\n$ printf '" + "\\n".join(lines) + "\\n'\n```\n"
    remade = deploy_walkthrough.remade(page, tmp_path)
    assert remade == page.replace("'\n```", "'\n9 of 9 equal\n```")


def test_a_command_that_fails_ends_the_script(tmp_path):
    with pytest.raises(RuntimeError, match="'exit 3' ended with code 3"):
        deploy_walkthrough.remade("```console\n$ exit 3\n```\n", tmp_path)
