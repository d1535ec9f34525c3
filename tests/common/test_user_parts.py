"""Parts that users bring, by name and as files."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import (
    UserFile,
    describe,
    failure,
    find,
    is_users,
    made,
    module_of,
    one_line,
    user_fingerprint,
)

MODULE = """
class Part:
    class Inner:
        size = 3

def fails():
    return {}["key"]

part = Part()
"""


@pytest.fixture
def folder(user_module):
    return user_module("their_part", MODULE)


def test_names_lead_to_objects_and_what_they_make(folder):
    part = find("their_part:part", "things", "thing")
    assert type(part).__name__ == "Part"
    assert find("their_part:Part.Inner.size", "things", "thing") == 3
    assert made("their_part:part", "things", "thing") is part
    assert type(made("their_part:Part", "things", "thing")) is type(part)
    assert made("math:pi", "things", "thing") == pytest.approx(3.14159, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("their_part:", "thing 'their_part:' lacks a part; write module:Name, as in mine:MyClass"),
        (":Part", "thing ':Part' lacks a part"),
        ("their_part:Prt", "their_part.py has no 'Prt', wanted for thing .*; did you mean 'Part'?"),
        ("their_part:Part.Iner", "has no 'Iner', wanted for .*; did you mean 'Inner'?"),
        ("nowhere_at_all:Part", "cannot import 'nowhere_at_all' .*No module named.*current folder"),
        ("sys:nothing_like_it", "sys has no 'nothing_like_it', wanted for thing"),
    ],
)
def test_names_that_lead_nowhere(folder, name, message):
    with pytest.raises(InputError, match=message) as refused:
        find(name, "things", "thing")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def part(:\n", "SyntaxError"),
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError('one\\n  two')\n", "RuntimeError: one two"),
        ("import sys\nsys.exit('bye')\n", "SystemExit: bye"),
    ],
)
def test_modules_that_fail_when_they_are_imported(folder, text, message):
    (folder / "bad_part.py").write_text(text)
    with pytest.raises(InputError, match=f"cannot import 'bad_part' for thing .*{message}") as bad:
        find("bad_part:Part", "things", "thing")
    assert "\n" not in str(bad.value)


def test_what_cannot_be_made_is_told_with_its_line(folder):
    with pytest.raises(InputError) as refused:
        made("their_part:fails", "things", "thing")
    assert str(refused.value) == (
        "thing 'their_part:fails' cannot be made without arguments: KeyError: 'key' "
        "(their_part.py:7)"
    )


def test_an_entry_point_that_does_not_import_is_told(folder, announce):
    announce(
        EntryPoint("theirs", "their_part:Part", "mcu_nas_moo.things"),
        EntryPoint("gone", "their_package.gone:Part", "mcu_nas_moo.things"),
    )
    assert is_users("theirs", "things")
    assert not is_users("theirs", "others")
    assert not is_users("ours", "things")
    assert describe("theirs", "things") == "their_part:Part"
    assert type(made("theirs", "things", "thing")).__name__ == "Part"
    with pytest.raises(InputError) as refused:
        find("gone", "things", "thing")
    assert str(refused.value).startswith("cannot import 'their_package.gone' for thing 'gone' (Mod")


def test_fingerprints_follow_what_the_module_does(folder):
    first = user_fingerprint("their_part:Part", "things", "thing")
    path = folder / "their_part.py"
    path.write_text(f'"""Words."""\nimport math\n{MODULE}  # more\n')
    assert user_fingerprint("their_part:Part", "things", "thing") == first
    path.write_text(MODULE.replace("size = 3", "size = 4"))
    assert user_fingerprint("their_part:Part", "things", "thing") != first
    assert user_fingerprint("their_part:part", "things", "thing") != first


def test_lines_are_those_of_the_user_s_module(folder):
    fails = find("their_part:fails", "things", "thing")
    with pytest.raises(KeyError) as raised:
        fails()
    assert module_of("random", "things") is None
    assert failure(raised.value, None) == "KeyError: 'key'"
    module = module_of("their_part:fails", "things")
    assert failure(raised.value, module) == "KeyError: 'key' (their_part.py:7)"
    assert one_line(ValueError("a\n b")) == "ValueError: a b"
    assert one_line(ValueError()) == "ValueError"


def test_files_are_found_where_they_were_or_beside_what_names_them(tmp_path):
    path = tmp_path / "mine" / "table.csv"
    path.parent.mkdir()
    path.write_text("a,b\n")
    known = UserFile.of(path)
    assert known.find(tmp_path) == path
    beside = tmp_path / "study"
    beside.mkdir()
    path.rename(beside / "table.csv")
    assert known.find(beside) == beside / "table.csv"
    with pytest.raises(InputError, match=rf"{path} is missing; put that file there or in"):
        known.find(tmp_path)
    path.write_text("other\n")
    with pytest.raises(InputError, match=rf"{path} is not the file of then \(its SHA-256 differs"):
        known.find(tmp_path)
    assert known.find(beside) == beside / "table.csv"  # the right one counts
    assert UserFile(file="t.csv", sha256=known.sha256.replace("a", "b")).file == "t.csv"


@pytest.mark.parametrize("sha256", ["", "0" * 63, "G" * 64])
def test_a_hash_is_one(sha256):
    with pytest.raises(ValueError, match="sha256"):
        UserFile(file=str(Path("t.csv")), sha256=sha256)
