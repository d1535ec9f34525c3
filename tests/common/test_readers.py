"""The readers that all loaders share, on files that break every rule; each file is made here."""

import io
import json
import zipfile

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from mcu_nas_moo.common.csv_files import read_table
from mcu_nas_moo.common.errors import DamagedFileError, InputError
from mcu_nas_moo.common.files import parsing, read_bytes
from mcu_nas_moo.common.json_files import DEPTH, parse_json, read_json
from mcu_nas_moo.common.npz_files import FACTS, FIGURES, INDICES, read_npz
from mcu_nas_moo.common.tensor_files import read_tensors
from mcu_nas_moo.common.yaml_files import parse, read_values

BOMB = "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}' if before else 'x'] * 9)}]"
    for before, name in zip(" abcdefgh".replace(" ", "\0"), "abcdefghi", strict=True)
).replace("*\0", "x")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, "aliases and anchors are not read"),
        ("&a {x: *a}", "aliases and anchors are not read"),
        ('name: !!timestamp "x"', "tags are not read"),
        ('name: !!bool "z"', "tags are not read"),
        ("name: !!python/object/apply:os.getcwd []", "tags are not read"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("[" * 2500 + "]" * 2500, "nested too deeply"),
        ("a: 1\na: 2", "'a' is given twice"),
        ("a: [1, 2", "line 1"),
        ("a: " + "9" * 5000, "it cannot be read"),
        ("- a", "expected fields and their values"),
        ("1: a", "expected fields and their values"),
    ],
)
def test_yaml_is_plain_values_only(text, problem):
    with pytest.raises(InputError, match=problem) as error:
        parse(text, "a.yaml")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("a.yaml: ")


def test_yaml_takes_nothing_for_what_it_is_not():
    text = "a: 2024-01-01\nb: yes\nc: 010\nd: 1:30\ne: 1e-3\nf: 0x10\ng: 1_000\nh: -1.5\n<<: {x: 1}"
    assert parse(text, "a") == {
        "a": "2024-01-01",
        "b": "yes",
        "c": "010",
        "d": "1:30",
        "e": 0.001,
        "f": 16,
        "g": 1000,
        "h": -1.5,
        "<<": {"x": 1},
    }


def test_yaml_of_json_and_of_our_own_writers_is_read_as_it_was_written():
    values = {"a": [1, -2.5, 1e-07, 1e22, True, None, "x", "", "1", "true"], "b": {"c": {}}}
    assert parse(json.dumps(values), "a") == values
    assert parse(yaml.safe_dump(values), "a") == values


def test_yaml_files_that_are_too_large_or_no_text(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: " + "x" * 2**20)
    with pytest.raises(InputError, match=r"a\.yaml: expected a readable text file"):
        read_values(path, str(path))
    path.write_bytes(b"a: \xff")
    with pytest.raises(InputError, match=r"a\.yaml: expected a readable text file"):
        read_values(path, str(path))


def test_json(tmp_path):
    assert parse_json('{"a": NaN, "b": [Infinity, 1]}') == {"a": None, "b": [None, 1]}
    assert parse_json("[1e999, -1e999, 1.5]") == [None, None, 1.5]
    nested = "[" * (DEPTH - 1) + "]" * (DEPTH - 1)
    assert json.dumps(parse_json(nested)) == nested
    path = tmp_path / "a.json"
    for text in ("[" * 100_000, "{" * 40, "[[]]" * 3, "[1]", '"a"', "[" * 40 + "]" * 40, "", "{}x"):
        path.write_text(text)
        with pytest.raises(DamagedFileError, match=r"a\.json is damaged or not a list .*; do it"):
            read_json(path, "do it", "a list")
    with pytest.raises(InputError, match=r"none\.json cannot be read \(No such file"):
        read_json(tmp_path / "none.json")


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)


def npy(shape, content=b"", dtype="<f8"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue() + content


def test_npz_is_read_as_numpy_reads_it(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {
        "X": np.arange(6, dtype=np.int16).reshape(2, 3),
        "F": np.asfortranarray(np.ones((2, 2))),
        "empty": np.zeros((0, 4)),
        "text": np.array("{}"),
        "scalar": np.array(3),
    }
    np.savez_compressed(path, **arrays)
    found = read_npz(path)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.writeable
    assert set(read_npz(path, {"X": INDICES, "F": FIGURES, "text": FACTS})) == {"X", "F", "text"}


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"X": npy((2**50,))}, "X says to be"),
        ({"X": npy((2, 2), bytes(31))}, "X says to be"),
        ({"X": npy((2, -2), bytes(32))}, "X says to be"),
        ({"X": npy((1,), bytes(8), "|O")}, "pickle"),
        ({"X": b"\x80\x04N."}, "magic"),
        ({"F": npy((1, 1), bytes(8))}, "X"),
        ({"X": npy((4,), bytes(32))}, "X is float64 of shape"),
    ],
)
def test_npz_members_that_lie(tmp_path, members, problem):
    path = tmp_path / "a.npz"
    archive(path, **members)
    with pytest.raises(DamagedFileError, match=problem), parsing(path):
        read_npz(path, {"X": FIGURES})


def test_an_npz_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "a.npz"
    archive(path, X=npy((2**21,), bytes(2**24)))
    assert path.stat().st_size < 2**13
    with pytest.raises(InputError, match="it unpacks to more than 8 MiB"):
        read_npz(path, limit=2**23)
    # A member that says to be smaller than it is: no more than it says is unpacked.
    content = path.read_bytes().replace((2**24 + 128).to_bytes(4, "little"), bytes([0, 1, 0, 0]))
    path.write_bytes(content)
    with pytest.raises(DamagedFileError), parsing(path):
        read_npz(path, limit=2**23)


def test_cut_and_spoilt_npz_files(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, X=np.arange(100.0))
    whole = path.read_bytes()
    for content in (b"", b"PK", whole[:-30], whole[:200], whole[:150] + whole[190:]):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"a\.npz is damaged"), parsing(path):
            read_npz(path)


def test_tensors_are_finite(tmp_path):
    path = tmp_path / "a.safetensors"
    for values in ([1.0, np.nan], [np.inf]):
        save_file({"w": np.array(values)}, path, {"a": "1"})
        for framework in ("numpy", "pt"):
            with pytest.raises(InputError, match="weights w are not finite"):
                read_tensors(path, framework)
    save_file({"w": np.full(9, 6e4, np.float16)}, path, {"a": '{"b": 1}'})
    tensors, metadata = read_tensors(path, "numpy")
    assert tensors["w"].dtype == np.float16
    assert metadata == {"a": {"b": 1}}
    for content in (b"", b"\xff" * 40, (2**40).to_bytes(8, "little"), path.read_bytes()[:-1]):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError), parsing(path):
            read_tensors(path)


def test_tables(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('\ufeffa, b ,c\n1, x,"y, z"\n\n , ,\n2\n', encoding="utf-8")
    columns, rows = read_table(path)
    assert columns == ["a", "b", "c"]
    assert rows == {2: {"a": "1", "b": "x", "c": "y, z"}, 5: {"a": "2", "b": "", "c": ""}}
    for text in ("", "a,a\n", "a,b\n1,2,3\n", 'a\n"1\n', "a\n" + "x" * 200_000):
        path.write_text(text)
        with pytest.raises(DamagedFileError, match=r"a\.csv is damaged or not a CSV table"):
            read_table(path)


def test_reading_without_end_ends(tmp_path):
    from pathlib import Path

    with pytest.raises(InputError, match="it has more than 1 MiB"):
        read_bytes(Path("/dev/zero"), 2**20)
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"), parsing(tmp_path):
        read_bytes(tmp_path)


def test_memory_that_ran_out_is_no_damage():
    with pytest.raises(MemoryError), parsing("a.npz"):
        raise MemoryError
