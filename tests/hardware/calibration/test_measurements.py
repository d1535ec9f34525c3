"""The shipped tables are complete, and wrong tables of users are refused with file and line."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mcu_nas_moo.hardware.calibration.measurements import (
    PARTS,
    QUANTITIES,
    read_measurements,
    shipped_folder,
    shipped_networks,
)
from mcu_nas_moo.hardware.calibration.recipes import RECIPES
from mcu_nas_moo.networks.layer import Op

NETWORK = "mlperf_ic"


@pytest.fixture
def table(tmp_path):
    """Writes a table of a user's measurements."""

    def write(text):
        path = tmp_path / "mine.csv"
        path.write_text(text if isinstance(text, str) else "\n".join(text) + "\n")
        return path

    return write


def save_onnx(path):
    """A network of one activation, on 3 channels of 8 by 8."""
    facts = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 8, 8)) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["x"], ["y"])], "g", *([fact] for fact in facts)
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def test_every_row_has_its_facts(shipped):
    rows = shipped.rows
    assert rows[["network", "family", "runtime", "board", "source"]].notna().all(axis=None)
    assert rows.source.str.fullmatch(r"[\w-]+/[\w.-]+:[\w./-]+@[0-9a-f]{40}").all()
    assert (rows.clock_mhz > 0).all()
    figures = rows[[*QUANTITIES, *PARTS]].to_numpy(dtype=float)
    assert (figures[~np.isnan(figures)] > 0).all()
    assert (~np.isnan(rows[list(QUANTITIES)].to_numpy(dtype=float))).any(axis=1).all()


def test_no_row_is_left_out_without_a_reason(shipped):
    rows = shipped.rows[shipped.rows.left_out != ""]
    assert rows.why.notna().all()
    assert {name for names in rows.left_out for name in names.split()} <= set(QUANTITIES)


def test_no_row_stands_twice(shipped):
    assert not shipped.rows.duplicated(["network", "runtime", "board"]).any()


def test_all_networks_of_the_tables_have_layers(shipped):
    named = set(shipped.rows.network)
    assert named <= set(shipped_networks())
    assert len(shipped.networks()) == len(shipped.rows)


def test_shipped_layer_lists_are_networks():
    for name, network in shipped_networks().items():
        assert len(network) == 1, name
        assert network.active.all(), name
        layers = network.layers()
        # Sizes in a list, one by one, agree with what the layers before wrote.
        elements = {0: int(network.input_elements[0])}
        for layer in layers:
            elements[layer.output] = layer.out_channels * layer.out_size[0] * layer.out_size[1]
            first = elements[layer.inputs[0]]
            assert first == layer.in_channels * layer.in_size[0] * layer.in_size[1], (name, layer)
            if layer.op == Op.CONCAT:
                assert elements[layer.output] == sum(elements[t] for t in layer.inputs), name
            if layer.op == Op.ADD:
                # One list lacks the crop or pad between a resize and the sum: not always all.
                assert max(elements[t] for t in layer.inputs) == elements[layer.output], name
        read = {tensor for layer in layers for tensor in layer.inputs}
        assert set(elements) - read <= set(network.topology.outputs), name


def test_all_rows_of_recipes_exist(shipped):
    for recipe in RECIPES:
        for runtime in (recipe.measured_as, *recipe.latency.shared_with):
            assert not shipped.of(runtime).rows.empty, runtime
        assert recipe.latency.board in set(shipped.of(recipe.measured_as).rows.board)


def test_left_out_quantities_are_not_used(shipped):
    left_out = shipped.rows[
        shipped.rows.left_out.str.split().map(lambda names: "sram_kib" in names)
    ]
    used = shipped.known("sram_kib", quantity="sram_kib").rows
    assert not left_out.empty
    assert not set(left_out.index) & set(used.index)
    # Their other quantities are.
    assert set(left_out.index) & set(shipped.known("latency_ms", quantity="latency_ms").rows.index)


def test_totals_are_the_sums_of_printed_parts(shipped):
    rows = shipped.of("stm32cube-ai-10.0.0").known(*PARTS, quantity="sram_kib").rows
    assert len(rows) > 10
    np.testing.assert_allclose(rows.sram_kib, rows.activations_kib + rows.runtime_ram_kib)
    np.testing.assert_allclose(rows.flash_kib, rows.weights_flash_kib + rows.code_flash_kib)


def test_fingerprint_follows_figures_and_layers_alone(shipped):
    own = shipped.of("tinyengine")
    reworded = type(own)(own.rows.assign(source="elsewhere", why="no reason"), own.tables)
    assert reworded.fingerprint == own.fingerprint
    slower = type(own)(own.rows.assign(latency_ms=own.rows.latency_ms + 1), own.tables)
    assert slower.fingerprint != own.fingerprint
    other = own.tables | {own.rows.network.iloc[0]: own.tables[NETWORK]}
    assert type(own)(own.rows, other).fingerprint != own.fingerprint
    # Tables of networks that no row is about do not count.
    fewer = {name: own.tables[name] for name in own.rows.network}
    assert type(own)(own.rows, fewer).fingerprint == own.fingerprint


def test_a_table_of_the_user(table, tmp_path):
    save_onnx(tmp_path / "mine.onnx")
    path = table(["network, latency_ms ,sram_kib,note", f"{NETWORK},35.5,60,x", "mine.onnx,1.25,,"])
    found = read_measurements(path)
    assert found.rows.latency_ms.tolist() == [35.5, 1.25]
    assert found.rows.sram_kib.iloc[0] == 60
    assert np.isnan(found.rows.sram_kib.iloc[1])
    assert found.rows.flash_kib.isna().all()
    first, second = found.networks()
    assert first.layers() == shipped_networks()[NETWORK].layers()
    assert second.input_elements[0] == 3 * 8 * 8
    # Without the column every network is a family of its own.
    assert found.rows.family.tolist() == [NETWORK, "mine.onnx"]
    assert len(found.known("sram_kib", quantity="sram_kib").rows) == 1


def test_families_of_the_user(table):
    path = table(["network,family,latency_ms", f"{NETWORK},ResNet,3", "mcunet-vww1,MCUNet,4"])
    assert read_measurements(path).rows.family.tolist() == ["ResNet", "MCUNet"]


def test_networks_are_relative_to_the_table(table, tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    save_onnx(tmp_path / "models" / "a.onnx")
    path = table(["network,latency_ms", "models/a.onnx,3"])
    monkeypatch.chdir("/")
    assert len(read_measurements(path).networks()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a CSV table"),
        ('network,latency_ms\n"mlperf_ic,3\nx', "not a CSV table"),
        ("a,b\n1,2\n1,2,3,4\n", "not a CSV table"),
        ("model,latency_ms\nmlperf_ic,3\n", "expected the column network .*found model, latency"),
        ("network,latency\nmlperf_ic,3\n", "one of flash_kib, sram_kib, latency_ms"),
        ("network,latency_ms\n", "the table has no rows"),
        ("network,latency_ms\nmlperf_ic,3\nmlperf_ic,-1\n", "line 3: latency_ms must .* got '-1'"),
        ("network,latency_ms\nmlperf_ic,0\n", "line 2: latency_ms must be a number above 0"),
        ("network,sram_kib\nmlperf_ic,60 KiB\n", "line 2: sram_kib must .* got '60 KiB'"),
        ("network,flash_kib\nmlperf_ic,inf\n", "line 2: flash_kib must be a number above 0"),
        ("network,flash_kib\nmlperf_ic,\nmlperf_ic,\n", "the column flash_kib is empty"),
        ("network,latency_ms\n,3\n", "line 2: the network is empty"),
        ("network,latency_ms\nmlperf_ic,3\nmlperf_id,3\n", "line 3: .*did you mean 'mlperf_ic'"),
        ("network,latency_ms\nmlperf_ic,3\n\n\nmlperf_ic,x\n", "line 5: latency_ms must"),
        ("network,latency_ms\nmlperf_ic,3\nnone.onnx,3\n", r"line 3: .*none\.onnx"),
    ],
    ids=[
        "empty",
        "open quote",
        "ragged",
        "no network",
        "no quantity",
        "no rows",
        "negative",
        "zero",
        "text",
        "infinite",
        "all empty",
        "nameless network",
        "unknown network",
        "after blank lines",
        "missing ONNX file",
    ],
)
def test_wrong_tables_are_refused_on_one_line(table, text, message):
    path = table(text)
    with pytest.raises(ValueError, match=re.escape(str(path)) + ".*" + message) as error:
        read_measurements(path)
    assert "\n" not in str(error.value).strip()


def test_a_network_without_a_family_is_one_of_its_own(table):
    path = table("network,latency_ms,family\nmlperf_ic,3,\nst_mnist_v1_28_tfs,1,mnist\n")
    assert read_measurements(path).rows.family.tolist() == ["mlperf_ic", "mnist"]


def test_files_that_are_no_table(tmp_path):
    with pytest.raises(ValueError, match="there is no such table of measurements"):
        read_measurements(tmp_path / "none.csv")
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00\x01" * 20)
    with pytest.raises(ValueError, match=r"binary\.csv is damaged or not a CSV table"):
        read_measurements(path)


def test_a_file_that_is_no_onnx(table, tmp_path):
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(ValueError, match=r"text\.onnx"):
        read_measurements(table(["network,latency_ms", "text.onnx,3"]))


def test_layer_lists_ship_with_the_package():
    assert {file.name for file in shipped_folder().iterdir()} >= {
        "layers.csv",
        "mcunet.csv",
        "stm32_modelzoo.csv",
    }
