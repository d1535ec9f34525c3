"""What help texts promise: examples, summaries that are not cut, one name for each option."""

import click
import pytest
from click.testing import CliRunner

from mcu_nas_moo.cli.bench.main import main as bench
from mcu_nas_moo.cli.nas.main import main as nas
from mcu_nas_moo.cli.option_types import RenamedOption


def commands(command, path):
    """A command and all below it, with what one types for them."""
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))


ALL = [*commands(nas, ("mcu-nas",)), *commands(bench, ("mcu-nas-bench",))]


def shown(program, *words):
    result = CliRunner().invoke(program, [*words, "-h"], terminal_width=80)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_shows_how_it_is_typed(path, command):
    program = nas if path[0] == "mcu-nas" else bench
    lines = shown(program, *path[1:]).splitlines()
    (start,) = [n for n, line in enumerate(lines) if line.strip() in ("Example:", "Examples:")]
    assert lines[start + 1].startswith(f"    {' '.join(path)}")


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_summaries_stand_on_one_line(path, command):
    if not isinstance(command, click.Group):
        return
    program = nas if path[0] == "mcu-nas" else bench
    lines = [" ".join(line.split()) for line in shown(program, *path[1:]).splitlines()]
    for name, below in command.commands.items():
        summary = below.get_short_help_str(limit=1000)
        assert f"{name} {summary}" in lines
        assert "..." not in summary


def test_commands_stand_by_stage():
    text = shown(nas)
    stages = ("Search:", "Train:", "Deploy:", "Boards and costs:")
    places = [text.index(stage) for stage in stages]
    assert places == sorted(places)
    assert places[0] < text.index("  search") < places[1] < text.index("  retrain") < places[2]


@pytest.mark.parametrize(
    ("path", "new", "old"),
    [
        (("supernet", "label"), "--supernet", "--weights"),
        (("supernet", "evaluate"), "--supernet", "--weights"),
        (("supernet", "rank"), "--supernet", "--weights"),
        (("predictor", "fit"), "--supernet", "--weights"),
        (("retrain",), "--supernet", "--weights"),
        (("export",), "--subnet-weights", "--weights"),
        (("search",), "--budget", "--trials"),
        (("search",), "--costs", "--predictors"),
        (("front", "list"), "--latency-ms", "--max-latency-ms"),
        (("front", "pick"), "--sram-kib", "--max-sram-kib"),
    ],
)
def test_old_names_of_options_still_work_unseen(path, new, old):
    command = nas
    for name in path:
        command = command.commands[name]
    text = shown(nas, *path)
    assert new in text
    assert f" {old} " not in text
    (option,) = [one for one in command.params if new in one.opts]
    assert isinstance(option, RenamedOption)
    assert old in option.old


@click.command()
@click.option("--much", cls=RenamedOption, old=["--many", "--lots"], type=int, default=7)
@click.option("--files", cls=RenamedOption, old=["--paths"], multiple=True)
def sample(much, files):
    click.echo(f"{much} {','.join(files)}")


@pytest.mark.parametrize(
    ("words", "printed", "said"),
    [
        ("", "7 ", []),
        ("--much 3 --files a --files b", "3 a,b", []),
        ("--many 3", "3 ", ["--many is called --much"]),
        ("--lots=3", "3 ", ["--lots is called --much"]),
        ("--many 3 --many 4", "4 ", ["--many is called --much"]),
        ("--many 3 --much 4", "4 ", ["--many is called --much"]),
        ("--files a --paths b --paths c", "7 a,b,c", ["--paths is called --files"]),
    ],
)
def test_an_old_name_is_told_once_and_takes_its_value(words, printed, said):
    result = CliRunner().invoke(sample, words.split())
    assert result.exit_code == 0
    assert result.stdout == f"{printed}\n"
    lines = [f"Note: {one} now; the old name ends with 0.3" for one in said]
    assert result.stderr.splitlines() == lines


def test_a_wrong_value_under_an_old_name_is_refused_under_the_new_one():
    result = CliRunner().invoke(sample, ["--many", "x"])
    assert result.exit_code == 2
    assert "Invalid value for '--much'" in result.stderr


def test_the_old_name_of_hyperparameters_still_works(tmp_path):
    words = ["--algos", "ga", "--config", str(tmp_path / "none.json")]
    result = CliRunner().invoke(bench, words)
    assert result.exit_code == 2
    assert "Note: --config is called --hyperparameters now" in result.stderr
    assert "none.json" in result.stderr
    assert "--hyperparameters" in result.stderr
    assert "--config" not in shown(bench)
