"""The command mcu-nas cost on ONNX files made here, from the shell's side."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import mcu_nas_moo
from mcu_nas_moo import estimate_cost
from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.hardware.profile import list_profiles

GENEROUS = ("--flash-kib", 1000, "--sram-kib", 1000, "--latency-ms", 1000)


def weights(name, *shape):
    return numpy_helper.from_array(np.zeros(shape, np.float32), name)


def small_model(size=32):
    """Stem, inverted residual, pool and classifier; ``size`` may be a name for open sizes."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1"], ["a"], "stem", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Conv", ["a", "w2"], ["b"], "expand"),
        node("Relu", ["b"], ["c"], "relu"),
        node("Conv", ["c", "w3"], ["d"], "depthwise", group=24, pads=[1, 1, 1, 1]),
        node("Conv", ["d", "w4"], ["e"], "project"),
        node("Add", ["a", "e"], ["f"], "add"),
        node("GlobalAveragePool", ["f"], ["g"], "pool"),
        node("Flatten", ["g"], ["h"], "flatten"),
        node("Gemm", ["h", "w5", "b5"], ["y"], "classifier", transB=1),
    ]
    parameters = [
        weights("w1", 8, 3, 3, 3),
        weights("w2", 24, 8, 1, 1),
        weights("w3", 24, 1, 3, 3),
        weights("w4", 8, 24, 1, 1),
        weights("w5", 10, 8),
        weights("b5", 10),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, size, size])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "small", [x], [y], parameters)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(tmp_path):
    onnx.save(small_model(), tmp_path / "small.onnx")
    return Path("small.onnx")


def cost(*arguments):
    return CliRunner().invoke(main, ["cost", *map(str, arguments)])


def test_the_table_holds_each_metric_limit_and_error(model):
    result = cost(model, *GENEROUS)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    estimate = estimate_cost(model)
    lines = result.stdout.splitlines()
    assert lines[0] == "small.onnx on cortex-m7"
    for fact in ("STM32H7A3ZIT6Q", "280 MHz", estimate.profile.runtime):
        assert fact in lines[1]
    for metric, label in (("flash_kib", "Flash"), ("sram_kib", "SRAM"), ("latency_ms", "latency")):
        row = next(line for line in lines if line.strip().startswith(label))
        assert f"{getattr(estimate, metric):.4g} " in row
        assert "1,000 " in row
        assert "fits" in row
        assert f"± {estimate.error_percent[metric]:.1f} %" in row
    assert f"SRAM peak: while {estimate.peak_layer} runs." in lines
    assert lines[-1] == "small.onnx fits cortex-m7"


def test_what_exceeds_is_said_and_ends_with_1(model):
    sram_kib = estimate_cost(model).sram_kib
    result = cost(model, *GENEROUS[:2], *GENEROUS[4:], "--sram-kib", sram_kib / 2)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("small.onnx does not fit cortex-m7: SRAM exceeds ")
    assert "(100 %)" in result.stderr
    assert "latency" not in result.stderr
    assert "exceeds" in next(line for line in result.stdout.splitlines() if " SRAM " in line)
    assert "fits cortex-m7" not in result.stdout


def test_every_layer_with_the_peak_marked(model):
    result = cost(model, *GENEROUS, "--per-layer")
    assert result.exit_code == 0, result.output
    estimate = estimate_cost(model)
    lines = result.stdout.splitlines()
    for number, layer in enumerate(estimate.layers, start=1):
        row = next(line for line in lines if line.split()[:2] == [str(number), layer.name])
        assert f"{layer.sram_kib:.1f}" in row.split()
        assert row.rstrip().endswith(" peak") == (layer.name == estimate.peak_layer)
    assert sum(line.rstrip().endswith(" peak") for line in lines) == 1
    assert "depthwise" in result.stdout
    assert "16x16x24" in result.stdout


def test_tables_are_plain_and_at_most_100_columns_wide(tmp_path):
    deep = small_model()
    for node in deep.graph.node:
        node.name = f"/a.rather.long.name/{'of.a.part/' * 20}{node.name}"
    onnx.save(deep, tmp_path / "deep.onnx")
    result = cost("deep.onnx", "--per-layer", "--profile", "cortex-m0plus")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "\x1b" not in result.stdout
    assert "of.a.part/depthwise " in result.stdout
    assert sum(line.rstrip().endswith(" peak") for line in result.stdout.splitlines()) == 1


def test_a_narrow_terminal_gets_whole_figures(model):
    environment = {"COLUMNS": "70", "FORCE_COLOR": "1"}
    arguments = ["cost", str(model), "--per-layer", "--profile", "cortex-m0plus"]
    result = CliRunner(env=environment).invoke(main, arguments)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
    assert plain != result.stdout
    assert max(map(len, plain.splitlines())) <= 70
    layer = next(line for line in plain.splitlines() if line.rstrip().endswith(" peak"))
    estimate = estimate_cost(model, "cortex-m0plus")
    assert estimate.peak_layer in layer.split()
    assert f"{estimate.sram_kib:.1f}" in layer.split()


def test_json_alone_on_stdout_adds_up(model):
    result = cost(model, "--json", "--sram-kib", 1)
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    layers = document["layers"]
    total = sum(layer["latency_ms"] for layer in layers)
    assert total == pytest.approx(document["latency_ms"])
    assert max(layer["sram_kib"] for layer in layers) == pytest.approx(document["sram_kib"])
    flash_kib = document["runtime_flash_kib"] + sum(layer["flash_kib"] for layer in layers)
    assert flash_kib == pytest.approx(document["flash_kib"])
    assert document["macs_m"] == sum(layer["macs"] for layer in layers) / 1e6
    assert document["limits"]["sram_kib"] == 1
    assert document["excess"]["sram_kib"] == pytest.approx(document["sram_kib"] - 1)
    assert document["fits"] is False
    assert "SRAM exceeds 1 KiB" in result.stderr


def test_json_keys_are_stable(model):
    """Other programs read them."""
    document = json.loads(cost(model, "--json", *GENEROUS).stdout)
    layer = document["layers"][0]
    assert " ".join(document) == (
        "model profile board chip core clock_mhz runtime fits flash_kib sram_kib latency_ms "
        "energy_mj macs_m parameters runtime_flash_kib limits excess error_percent peak_layer "
        "notes layers"
    )
    assert " ".join(layer) == (
        "name kind input_shape output_shape kernel stride macs parameters flash_kib sram_kib "
        "latency_ms latency_share memory"
    )
    assert " ".join(layer["memory"]) == "tensors scratch_kib runtime_kib"
    assert " ".join(layer["memory"]["tensors"][0]) == "layer role kib"


def test_several_models_are_compared(model, tmp_path):
    onnx.save(small_model(64), tmp_path / "large.onnx")
    small, large = (estimate_cost(path) for path in (model, "large.onnx"))
    between = (small.latency_ms + large.latency_ms) / 2
    options = (*GENEROUS[:4], "--latency-ms", between)
    result = cost(model, "large.onnx", *options)
    assert result.exit_code == 1
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if ".onnx " in line}
    assert rows["large.onnx"].rstrip().endswith("exceeds latency")
    assert result.stdout.splitlines()[-1] == "small.onnx fits cortex-m7"
    assert result.stderr.startswith("large.onnx does not fit")
    documents = json.loads(cost(model, "large.onnx", *options, "--json").stdout)
    assert [document["fits"] for document in documents] == [True, False]


def test_one_table_over_boards(model):
    result = cost(model, "--profile", "all", "--latency-ms", 1e-6)
    assert result.exit_code == 1
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.split()}
    for name in list_profiles():
        estimate = estimate_cost(model, name)
        assert rows[name][1:3] == [f"{estimate.flash_kib:.4g}", f"{estimate.sram_kib:.4g}"]
        assert rows[name][-2:] == ["exceeds", "latency"]
        assert f"does not fit {name}" in result.stderr
    documents = json.loads(cost(model, "--profile", "cortex-m4,cortex-m7", "--json").stdout)
    assert [document["profile"] for document in documents] == ["cortex-m4", "cortex-m7"]


@pytest.mark.parametrize(("name", "start"), [("m.png", b"\x89PNG"), ("m.SVG", b"<?xml")])
def test_the_picture_is_written_whether_it_fits_or_not(model, tmp_path, name, start):
    for options, code in ((GENEROUS, 0), (("--sram-kib", 1), 1)):
        result = cost(model, "--plot", name, *options)
        assert result.exit_code == code
        assert f"picture: {name}" in result.stdout
        picture = tmp_path / name
        assert picture.read_bytes().startswith(start)
        picture.unlink()


def test_open_sizes_are_given(tmp_path):
    onnx.save(small_model("size"), tmp_path / "open.onnx")
    onnx.save(small_model(48), tmp_path / "fixed.onnx")
    assert cost("open.onnx", *GENEROUS).exit_code == 2
    result = cost("open.onnx", "--input-shape", "3,48,48", "--json", *GENEROUS)
    assert result.exit_code == 0, result.output
    fixed = json.loads(cost("fixed.onnx", "--json", *GENEROUS).stdout)
    assert json.loads(result.stdout)["layers"] == fixed["layers"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "no model given"),
        (("missing.onnx",), "missing.onnx"),
        (("text.onnx",), "text.onnx"),
        (("small.onnx", "missing.onnx", "--json"), "missing.onnx"),
        (("small.onnx", "--profile", "cortex-m8"), "unknown profile 'cortex-m8'"),
        (("small.onnx", "--profile", "mine.yaml"), "mine.yaml"),
        (("small.onnx", "--sram-kib", "-1"), "sram_kib"),
        (("small.onnx", "--flash-kib", "1e9"), "the Flash of"),
        (("small.onnx", "--input-shape", "3,a,32"), "such as 3,96,96"),
        (("small.onnx", "--input-shape", "3,0,32"), "such as 3,96,96"),
        (("small.onnx", "--plot", "nowhere/m.png"), "nowhere does not exist"),
        (("small.onnx", "--plot", "m.pdf"), ".png or .svg"),
        (("small.onnx", "--plot", "small.onnx"), ".png or .svg"),
        (("small.onnx", "--plot", "folder.png"), "this is a folder"),
        (("small.onnx", "small.onnx", "--plot", "m.png"), "2 models"),
        (("missing.onnx", "--plot", "m.png"), "missing.onnx"),
        (("small.onnx", "--profile", "all", "--per-layer"), "show one board"),
        (("small.onnx", "--profile", "cortex-m4,m8"), "unknown profile 'm8'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(model, tmp_path, arguments, says):
    (tmp_path / "text.onnx").write_text("not a network")
    (tmp_path / "folder.png").mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    result = cost(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert says in result.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_as_a_process_without_torch(model):
    code = (
        "import sys; from mcu_nas_moo.cli.nas.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally:\n"
        "    heavy = 'torch pandas matplotlib scipy pymoo optuna plotly'.split()\n"
        "    print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "cost", str(model.resolve()), "--per-layer"]
    root = Path(mcu_nas_moo.__path__[0]).parent
    for options, exit_code in ((GENEROUS, 0), (("--latency-ms", 1e-3), 1)):
        done = subprocess.run(
            [*command, *map(str, options)], cwd=root, capture_output=True, text=True, check=False
        )
        assert done.returncode == exit_code, done.stderr
        assert done.stderr.splitlines()[-1] == "[]"
        assert "\x1b" not in done.stdout
        assert "SRAM peak" in done.stdout
