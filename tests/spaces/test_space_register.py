"""Spaces by name, file and module, and what is wrong with them."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

from mcu_nas_moo import Gene, InputError, SearchSpace, load_space
from mcu_nas_moo.spaces.register import (
    SpaceReference,
    known_spaces,
    list_spaces,
    space_of_facts,
)

MBCONV = """
classes: 4
granularity: stage
resolution: [16]
stem: [4, 8]
stages: [{stride: 2, depth: [1], kernel: [3], width: [8], expansion: [2, 3]}]
head: [16]
"""
MINE = """
from mcu_nas_moo import Gene, SearchSpace

class Mine(SearchSpace):
    def __init__(self):
        super().__init__("mine", [Gene("a", (1, 2)), Gene("b", ("x", "y"))])

def made():
    return SearchSpace("made", [Gene("a", (1, 2, 3))])

ready = made()
number = 5

def needs(size):
    return made()
"""


@pytest.fixture
def folder(user_module):
    return user_module("their_space", MINE)


def written(folder, text, name="filters.yaml"):
    (folder / name).write_text(text)
    return folder / name


def test_a_file_of_genes_keeps_kinds_of_values(folder):
    text = 'kind: genes\ngenes: {a: [1, 2.5], b: ["1", x], c: [false, true], d: [3]}'
    space = load_space(written(folder, text))
    assert type(space) is SearchSpace
    assert space.name == "filters"
    assert space.genes == (
        Gene("a", (1, 2.5)),
        Gene("b", ("1", "x")),
        Gene("c", (False, True)),
        Gene("d", (3,)),
    )
    assert [type(v) for gene in space.genes for v in gene.options] == [
        *(int, float, str, str, bool, bool, int)
    ]


def test_files_of_mbconv_need_no_kind_and_no_name(folder):
    plain = load_space(written(folder, MBCONV))
    named = load_space(written(folder, f"kind: mbconv\nname: filters\n{MBCONV}", "other.yml"))
    assert plain.facts == named.facts
    assert (plain.name, plain.n_networks, plain.output.classes) == ("filters", 4, 4)
    assert load_space("filters.yaml", classes=7).output.classes == 7


def test_modules_bring_classes_functions_and_objects(folder):
    assert load_space("their_space:Mine").name == "mine"
    assert load_space("their_space:made").name == "made"
    assert load_space("their_space:ready").n_genotypes == 3
    assert load_space("their_space:Mine").source.name == "their_space:Mine"


def test_packages_announce_spaces(folder, announce):
    names = ("theirs", "mbconv-stage")
    announce(*(EntryPoint(name, "their_space:Mine", "mcu_nas_moo.spaces") for name in names))
    assert load_space("theirs").name == "mine"
    assert known_spaces() == [*list_spaces(), "theirs"]
    assert load_space("mbconv-stage").name == "mbconv-stage"  # a name of ours stays ours


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: mbcon", r"kind: unknown kind of space 'mbcon'; did you mean 'mbconv'\? choose one"),
        ("kind: 5", "kind: unknown kind of space '5'; choose one of mbconv, genes"),
        ("kind: [a]", "kind: unknown kind of space"),
        ("kind: genes\ngenes: {}", "genes: the list should have at least 1 item"),
        ("kind: genes\ngenes: {a: []}", "gene 'a' has no options; give it at least one value"),
        ("kind: genes\ngenes: {a: 5}", "genes.a: input should be a list"),
        ("kind: genes\ngenes: {a: [3, 1]}", r"options of gene 'a' must increase, got \(3, 1\)"),
        ("kind: genes\ngenes: {a: [x, x]}", r"options of gene 'a' must differ, got \('x', 'x'\)"),
        ("kind: genes\ngenes: {a: [1, true]}", "options of gene 'a' must differ"),
        ("kind: genes\ngenes: {a: [1, null]}", "gene 'a' has the option None; options are numbers"),
        ("kind: genes\ngenes: {a: [[1]]}", r"gene 'a' has the option \[1\]; options are numbers"),
        ("kind: genes\ngenes: {a: [1, .nan]}", "gene 'a' has the option nan; options are numbers"),
        ("kind: genes\ngenes: {space: [1]}", "calls a gene 'space', which is the field of the sp"),
        ("kind: genes", "genes: field required"),
        ("kind: genes\ngenes: {a: [1]}\nclases: 3", "clases: extra inputs are not permitted"),
        ("- a", "expected fields and their values"),
        (f"{MBCONV}input: {{channels: 0}}", "input.channels: .*greater than or equal to 1"),
        (f"{MBCONV}input: {{chanels: 1}}", "input.chanels: extra inputs"),
        (MBCONV.replace("[16]\nstem", "[[24, 48, 3]]\nstem"), "resolution"),
        (MBCONV.replace("[16]\nstem", "[[32, 64], [24, 48]]\nstem"), "options must increase"),
        (MBCONV.replace("[16]\nstem", "[16, [24, 48]]\nstem"), "resolution"),
    ],
)
def test_a_wrong_file_is_told_with_its_field(folder, text, message):
    path = written(folder, text)
    with pytest.raises(InputError, match=message) as refused:
        load_space(path)
    assert "filters" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mbconv-stag", "unknown space 'mbconv-stag'; did you mean 'mbconv-stage'.* or a YAML"),
        ("none.yaml", "none.yaml: expected a readable text file"),
        ("no_such_module:Mine", "cannot import 'no_such_module' for space 'no_such_module:Mine'"),
        (
            "their_space:Min",
            "their_space.py has no 'Min', wanted for space .*; did you mean 'Mine'",
        ),
        ("their_space:", "space 'their_space:' lacks a part; write module:Name"),
        ("their_space:number", "is of the class int; it must be a subclass of mcu_nas_moo.Search"),
        ("their_space:needs", "cannot be made without arguments: TypeError: needs.. missing 1"),
    ],
)
def test_a_name_that_leads_to_no_space(folder, name, message):
    with pytest.raises(InputError, match=message) as refused:
        load_space(name)
    assert "\n" not in str(refused.value)


def test_classes_that_cannot_be_chosen(folder):
    with pytest.raises(InputError, match="'their_space:Mine' has its own number of classes, not 3"):
        load_space("their_space:Mine", classes=3)
    path = written(folder, "kind: genes\ngenes: {a: [1, 2]}")
    with pytest.raises(InputError, match="classes: extra inputs"):
        load_space(path, classes=3)


def referred(space):
    fields = json.loads(SpaceReference(**SpaceReference.fields_of(space)).model_dump_json())
    return SpaceReference.model_validate(fields)


def test_every_kind_returns_from_what_files_say_of_it(folder):
    genes = written(folder, "kind: genes\ngenes: {a: [1, 2.5], b: [true, x]}")
    mbconv = written(folder, MBCONV, "small.yaml")
    for given in (genes, mbconv, "mbconv-block", "their_space:Mine", "their_space:made"):
        space = load_space(given)
        again = referred(space).search_space()
        assert again.fingerprint == space.fingerprint
        assert again.genes == space.genes
    assert set(SpaceReference.fields_of(load_space("mbconv-block"))) == {"space", "classes"}
    assert referred(load_space(mbconv)).search_space(classes=9).output.classes == 9


def test_code_that_changed_and_spaces_of_programs_are_told(folder):
    reference = referred(load_space("their_space:Mine"))
    (folder / "their_space.py").write_text(MINE.replace('"y"', '"z"'))
    with pytest.raises(InputError, match="code of space 'their_space:Mine' changed since then"):
        reference.search_space()

    class Local(SearchSpace):
        pass

    local = Local("local", [Gene("a", (1, 2))])
    with pytest.raises(InputError, match=r"'local' was made by a Python program; .* module:Name"):
        referred(local).search_space()


@pytest.mark.parametrize("values", [None, "mbconv", ["kind", "mbconv"], 5])
def test_facts_in_other_files_may_be_anything(values):
    """Such as those of a supernet's spaces, in a damaged file."""
    with pytest.raises(InputError, match=r"^spaces: expected fields and their values, got "):
        space_of_facts(values, "spaces")
