from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from mcu_nas_moo.benchmark.references.reference import known_reference
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.search.front import front_of, on_front
from mcu_nas_moo.search.search_folder import SearchFolder, find_search, table_text
from mcu_nas_moo.search.subnets import Subnets
from mcu_nas_moo.spaces.subnet_file import read_subnet


@pytest.fixture
def folder(tmp_path):
    return SearchFolder(tmp_path / "found")


@pytest.fixture
def written(folder, real_task, some_subnets, record):
    folder.write(real_task, some_subnets, record)
    return folder


def test_what_is_written_is_read_back_to_the_last_digit(written, some_subnets, record):
    read = written.read()
    assert read.problem == record.problem
    assert read.names == some_subnets.names
    assert read.genes == some_subnets.genes
    assert read.metrics.keys() == some_subnets.metrics.keys()
    for metric, values in some_subnets.metrics.items():
        assert np.array_equal(read.metrics[metric], values)
    assert on_front(read).tolist() == on_front(some_subnets).tolist()


def test_the_table_says_what_is_feasible_and_on_the_front(written, some_subnets):
    with written.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["feasible"] == "true" for row in rows] == some_subnets.feasible.tolist()
    assert [row["on_front"] == "true" for row in rows] == on_front(some_subnets).tolist()
    # A gene without effect is empty.
    assert {len([v for v in row.values() if v != ""]) - 12 for row in rows} == {
        len(genes) for genes in some_subnets.genes
    }


def test_each_member_of_the_front_has_a_file_that_later_commands_read(
    written, real_task, some_subnets
):
    front = front_of(some_subnets)
    assert {path.stem for path in written.subnets.iterdir()} == set(front.names)
    for row, name in enumerate(front.names):
        subnet = read_subnet(written.subnets / f"{name}.yaml")
        assert subnet.name == name
        assert subnet.profile == "cortex-m7"
        F, _ = real_task.evaluate(subnet.genotype)
        assert F[0] == pytest.approx(front.objective_values[row])
        assert subnet.predicted["latency_ms"] == pytest.approx(F[0, 1], rel=1e-5)


def test_pictures_are_written(written):
    assert written.picture.read_bytes().startswith(b"\x89PNG")
    page = written.page.read_text()
    assert page.startswith("<!doctype html>")
    assert "{{" not in page.partition("<script")[0]


def test_another_front_replaces_our_files_and_leaves_those_of_the_user(
    folder, real_task, some_subnets, record
):
    names = tuple(f"cortex-m7-t{row}" for row in range(len(some_subnets)))
    subnets = Subnets(
        some_subnets.problem, names, some_subnets.genes, some_subnets.metrics, some_subnets.trials
    )
    part = subnets.take(np.arange(len(subnets)) % 2 == 0)
    folder.write(real_task, part, record.model_copy(update={"subnets": len(part)}))
    before = {path.stem for path in folder.subnets.iterdir()}
    for name in ("my-own", "cortex-m7-t5-tuned"):
        (folder.subnets / f"{name}.yaml").write_text("mine")
    folder.write(real_task, subnets, record)
    after = {path.stem for path in folder.subnets.iterdir()}
    assert after == {*front_of(subnets).names, "my-own", "cortex-m7-t5-tuned"}
    assert before - after  # some of the first front were beaten


def test_nothing_feasible_leaves_the_table_only(folder, some_subnets, record):
    task = Task("mbconv-stage", "cortex-m7", limits={"latency_ms": 0.1})
    X = np.concatenate([task.space.encode(genes) for genes in some_subnets.genes])
    subnets = Subnets.of_genotypes(task, X, "t")
    with pytest.raises(ValueError, match=r"none of \d+ subnets is feasible.*latency by"):
        folder.write(task, subnets, record)
    assert sorted(path.name for path in folder.root.iterdir()) == ["search.json", "subnets.csv"]


def test_the_page_of_four_objectives_is_written_with_the_reference(folder, some_subnets, record):
    task = Task("mbconv-stage", "cortex-m7", ("error", "latency", "sram", "flash"))
    X = np.concatenate([task.space.encode(genes) for genes in some_subnets.genes])
    reference = known_reference(task)
    assert reference is not None
    folder.write(task, Subnets.of_genotypes(task, X, "t"), record, reference)
    text = folder.page.read_text()
    _, data = text.split('"reference":', 1)
    shown = json.JSONDecoder().raw_decode(data.lstrip())[0]
    assert shown["kind"] == "exact"
    assert {len(column) for column in shown["values"]} == {len(reference.X)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(",latency_ms,", ",delay,"), ": damaged .*latency_ms"),
        (
            lambda text: text.replace("\ncortex-m7-t", "\n,cortex-m7-t", 1),
            r" .*\(line 2 has \d+ fields",
        ),
        (lambda text: text[: text.rindex("\n", 0, -1) + 9], r", line \d+: damaged"),
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], r" has \d+ subnets and not \d+"),
        (lambda text: text.replace("resolution", "size"), ", line 2: damaged"),
        (
            lambda text: text.replace(",16,8,64,", ",17,8,64,", 1),
            r", line 2: damaged \(resolution = '17'",
        ),
    ],
    ids=["column", "shifted", "cut", "short", "gene", "value"],
)
def test_a_damaged_table_is_refused_with_its_line(written, change, message):
    text = written.table.read_text()
    assert change(text) != text
    written.table.write_text(change(text))
    with pytest.raises(ValueError, match=f"subnets.csv{message}"):
        written.read()


def test_missing_and_damaged_records(folder, written):
    written.table.unlink()
    with pytest.raises(ValueError, match=r"subnets\.csv cannot be read"):
        written.read()
    written.record.write_text("{")
    with pytest.raises(ValueError, match=r"search\.json is damaged"):
        written.read()
    written.record.unlink()
    with pytest.raises(ValueError, match="holds no results of a search"):
        written.read()


def test_folders_of_other_things_are_refused(tmp_path, written, real_task, record):
    written.check(record.problem)
    SearchFolder(tmp_path / "new").check(record.problem)
    other = Task("mbconv-stage", "cortex-m7", limits={"latency_ms": 5}).facts()
    with pytest.raises(ValueError, match=r"latency_ms 30 there, .*latency_ms 5 here; .*--out"):
        written.check(other)
    with pytest.raises(ValueError, match="holds files of something else"):
        SearchFolder(tmp_path).check(record.problem)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        SearchFolder(tmp_path / "file").check(record.problem)


def test_the_last_search_of_a_problem_is_found(tmp_path, some_subnets, record):
    root = tmp_path / "search"
    with pytest.raises(ValueError, match="run `mcu-nas search --profile cortex-m4` first"):
        find_search(root, profile="cortex-m4")
    problems = [
        record.problem.model_copy(update={"profile": profile, "objectives": objectives})
        for profile, objectives in (
            ("cortex-m4", ("error", "latency")),
            ("cortex-m7", ("error", "latency")),
            ("cortex-m7", ("error", "sram")),
        )
    ]
    for number, problem in enumerate(problems):
        folder = root / str(number)
        folder.mkdir(parents=True)
        one = record.model_copy(update={"problem": problem})
        (folder / "search.json").write_text(one.model_dump_json())
        os.utime(folder / "search.json", (number, number))
    assert find_search(root).root.name == "2"
    assert find_search(root, profile="cortex-m4").root.name == "0"
    assert find_search(root, "cortex-m7", "mbconv-stage", ["error", "latency"]).root.name == "1"
    with pytest.raises(ValueError, match="--space mbconv-block"):
        find_search(root, space="mbconv-block")
    device = tmp_path / "device.yaml"
    shipped = Path(__file__).parents[2] / "constraint_profiles" / "cortex-m4.yaml"
    device.write_text(shipped.read_text())
    assert find_search(root, profile=str(device)).root.name == "0"
    # A damaged search is in the way only if it may be the one that is meant.
    (root / "2" / "search.json").write_text("{")
    os.utime(root / "2" / "search.json", (2, 2))
    notes = []
    assert find_search(root, profile="cortex-m7", say=notes.append).root.name == "1"
    assert len(notes) == 1
    assert "passed over" in notes[0]
    assert "search.json" in notes[0]
    with pytest.raises(ValueError, match=r"2.search\.json"):
        find_search(root)


def test_table_text_of_no_subnets_has_a_head(some_subnets):
    assert table_text(some_subnets.take([]), ["depth"]).endswith("macs_m,depth\n")
