"""Names become file names that stay in their folder; hostile ones are no exception."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas_moo.common.naming import file_name, printable
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.problem.facts import ProblemFacts

HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows",
    "a/b",
    "a\\b",
    ".hidden",
    "ends.",
    "CON",
    "con.txt",
    "NUL",
    "lpt1",
    "line\nbreak",
    "nul\0byte",
    "a" * 300,
    "a" * 299 + "b",
    "ä" * 300,
    "%2E",
    "%",
    "a b",
    "$HOME `id` *?",
    "caf\u00e9",
    unicodedata.normalize("NFD", "caf\u00e9"),
    "p\u0430ypal",  # a Cyrillic letter
    "paypal",
    "\u202ecod.exe",
    "\udcff",
]
#: Letters of which names that nearly collide are made.
LETTERS = "aA.%/~-\u00e9e\u0301\n2E"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_file_in_its_folder(name, tmp_path):
    made = file_name(name)
    path = tmp_path / made
    assert path.parent == tmp_path
    assert path.resolve().parent == tmp_path.resolve()
    assert made.isascii()
    assert 0 < len(made) <= 100
    assert not made.startswith(".")
    path.write_text("x")
    assert os.listdir(tmp_path) == [made]


def test_hostile_names_stay_different():
    assert len({file_name(name) for name in HOSTILE}) == len(HOSTILE)


@given(st.text(LETTERS, max_size=6), st.text(LETTERS, max_size=6))
def test_different_names_have_different_files(first, second):
    assert (file_name(first) == file_name(second)) == (first == second)


@given(st.from_regex(r"[A-Za-z0-9_-]([A-Za-z0-9._-]{0,60}[A-Za-z0-9_-])?", fullmatch=True))
def test_ordinary_names_stay_as_they_are(name):
    devices = ["con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(10))]
    if name.split(".")[0].lower() in devices:
        assert file_name(name) == f"%{ord(name[0]):02X}{name[1:]}"
    else:
        assert file_name(name) == name


def test_shipped_references_keep_their_names():
    folder = Path(__file__).parents[2] / "mcu_nas_moo" / "reference_fronts"
    shipped = [path.stem for path in folder.glob("*.npz")]
    assert len(shipped) > 10
    for stem in shipped:
        space, profile, objectives = stem.split("--")
        facts = {"space": space, "profile": profile, "objectives": objectives.split("-")}
        assert ProblemFacts(**facts, fingerprint="f").name == stem


@given(st.lists(st.text("a-%", max_size=4), min_size=2, max_size=3), st.data())
def test_joined_names_have_different_files(names, data):
    other = data.draw(
        st.lists(st.text("a-%", max_size=4), min_size=len(names), max_size=len(names))
    )
    assert (file_name(*names) == file_name(*other)) == (names == other)


def test_joins_within_names_are_no_joins():
    assert file_name("a--b", "c") != file_name("a", "b--c")
    assert file_name("a-", "b") != file_name("a", "-b")


def test_several_names_are_joined():
    assert file_name("a.b", "C") == "a.b--C"
    assert file_name("my module", "C/D") == "my%20module--C%2FD"


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "a\tb", "\x1b[31mred", "\u202ecod.exe", "\udcff"]
)
def test_names_that_cannot_be_seen_are_refused(name):
    with pytest.raises(ValueError, match="printable") as caught:
        printable(name)
    assert str(caught.value).isascii()


def test_composed_and_decomposed_names_of_profiles_are_one(tmp_path):
    text = "device: nucleo-h743zi2\nruntime: tflm-cmsis-nn\n"
    text += "limits: {flash_kib: 256, sram_kib: 256, latency_ms: 30}\n"
    names = []
    for form in ("NFC", "NFD"):
        path = tmp_path / f"{form}.yaml"
        path.write_text(f"name: {unicodedata.normalize(form, 'café')}\n{text}", encoding="utf-8")
        names.append(load_profile(path).name)
    assert names == ["café", "café"]
