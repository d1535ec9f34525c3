"""How the programs end: exit codes, one line, and the traceback of a fault."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mcu_nas_moo.cli.bench.main import main as bench
from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.cli.program import Program
from mcu_nas_moo.common.errors import InputError


@click.group(cls=Program)
def program():
    pass


@program.group()
def nested():
    pass


def ended(error, *before):
    """How a program ends in one of whose nested commands ``error`` is raised."""

    @nested.command("fail")
    def fail():
        click.echo("begun")
        raise error

    return CliRunner().invoke(program, [*before, "nested", "fail"])


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a.yaml: name:\n  a text, not 3"), 2, "Error: a.yaml: name: a text, not 3"),
        (FileNotFoundError(2, "No such file or directory", "a"), 2, "a: No such file or directory"),
        (IsADirectoryError(21, "Is a directory", "a"), 2, "Error: a: Is a directory"),
        (PermissionError(13, "Permission denied", "a"), 2, "Error: a: Permission denied"),
        (OSError(28, "No space left on device"), 2, "Error: No space left on device"),
        (click.BadParameter("no"), 2, "Invalid value: no"),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_what_the_user_can_mend_ends_with_its_code_and_one_line(error, code, line, cache):
    result = ended(error)
    assert result.exit_code == code
    assert line in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output
    assert not cache.exists()


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), OSError(5, "x"), OSError(32, "x"), MemoryError()]
)
def test_a_fault_of_ours_says_so_and_keeps_its_traceback(error, cache):
    result = ended(error)
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert "a fault of program, not of your input" in line
    (file,) = (cache / "mcu-nas-moo" / "faults").iterdir()
    assert str(file) in line
    assert "raise error" in file.read_text()


def test_a_fault_without_a_cache_keeps_its_traceback_elsewhere(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    result = ended(ValueError("x"))
    assert result.exit_code == 3
    (file,) = (tmp_path / "temporary").iterdir()
    assert str(file) in result.stderr


def test_the_traceback_of_a_fault_is_shown_where_it_is_asked_for():
    result = ended(ValueError("x"), "--traceback")
    assert result.exit_code == 3
    assert "raise error" in result.stderr


def test_both_programs_are_guarded():
    for guarded in (main, bench):
        assert isinstance(guarded, Program)
        assert CliRunner().invoke(guarded, ["--traceback", "--no-such"]).exit_code == 2


def test_a_reader_that_ends_early_is_no_error():
    command = f"{sys.executable} -m mcu_nas_moo.cli.bench.main --list | (exec 0<&-; sleep 3)"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 141
    assert ended.stderr == ""
