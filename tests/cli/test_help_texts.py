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
    context = click.Context(command, ignore_unknown_options=False)
    by_new = command.make_parser(context).parse_args([new, "3"])[0]
    by_old = command.make_parser(context).parse_args([old, "3"])[0]
    assert by_old[option.name] == by_new[option.name] == "3"


def test_the_old_name_of_hyperparameters_still_works(tmp_path):
    words = ["--algos", "ga", "--config", str(tmp_path / "none.json")]
    result = CliRunner().invoke(bench, words)
    assert result.exit_code == 2
    assert "none.json" in result.stderr
    assert "--hyperparameters" in result.stderr
    assert "--config" not in shown(bench)
