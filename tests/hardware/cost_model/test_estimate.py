"""The estimate of one network against sums done by hand and against the cost model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import mcu_nas_moo
from mcu_nas_moo import Task, estimate_cost, list_profiles, load_profile
from mcu_nas_moo.contracts.metrics import significant
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.cost_model.cost_pictures import draw_memory
from mcu_nas_moo.hardware.cost_model.tensor_memory import memory_steps
from mcu_nas_moo.hardware.runtime import Fit
from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.layer_table import LayerTable
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.torch_module import SubnetModule


def layer(output, name, op, inputs, channels, kernel=1, stride=1, size=(16, 16)):
    (c_in, c_out), (before, after) = channels, size
    kernel, stride = (kernel, kernel), (stride, stride)
    size = ((before, before), (after, after))
    return Layer(name, op, inputs, output, "relu", c_in, c_out, kernel, stride, *size)


RESIDUAL = (
    layer(1, "stem", Op.CONV, (0,), (3, 8), kernel=3, stride=2, size=(32, 16)),
    layer(2, "expand", Op.CONV, (1,), (8, 24)),
    layer(3, "depthwise", Op.DEPTHWISE, (2,), (24, 24), kernel=3),
    layer(4, "project", Op.CONV, (3,), (24, 8)),
    layer(5, "add", Op.ADD, (4, 1), (8, 8)),
    layer(6, "pool", Op.GLOBAL_POOL, (5,), (8, 8), size=(16, 1)),
    layer(7, "classifier", Op.DENSE, (6,), (8, 10), size=(1, 1)),
)


@pytest.fixture
def residual():
    return LayerTable.of(RESIDUAL)


@pytest.fixture
def long_table():
    """A chain of 160 layers with the widest in the middle, named as torch names them."""
    widths = [4] * 80 + [40] + [4] * 80
    layers = [
        layer(i + 1, f"/net/net.{i}/net.{i}.0/Conv", Op.CONV, (i,), widths[i : i + 2])
        for i in range(160)
    ]
    return LayerTable.of(layers)


def with_limits(table, **factors):
    """The estimate under limits that are these multiples of what the network needs."""
    profile = load_profile("cortex-m7")
    needs = estimate_cost(table, profile)
    limits = {metric: getattr(needs, metric) * factor for metric, factor in factors.items()}
    return estimate_cost(table, profile.with_limits(**limits))


def test_work_and_parameters_by_hand(residual):
    estimate = estimate_cost(residual)
    pixels = 16 * 16
    macs = [27 * 8 * pixels, 8 * 24 * pixels, 9 * 24 * pixels, 24 * 8 * pixels, 0, 0, 8 * 10]
    parameters = [27 * 8 + 8, 8 * 24 + 24, 9 * 24 + 24, 24 * 8 + 8, 0, 0, 8 * 10 + 10]
    assert [layer.macs for layer in estimate.layers] == macs
    assert [layer.parameters for layer in estimate.layers] == parameters
    assert estimate.macs_m == pytest.approx(sum(macs) / 1e6)
    assert estimate.parameters == sum(parameters)
    stem = estimate.layers[0]
    assert (stem.name, stem.kind) == ("stem", "conv")
    assert (stem.input_shape, stem.output_shape) == ((32, 32, 3), (16, 16, 8))
    assert (stem.kernel, stem.stride) == ((3, 3), (2, 2))


@pytest.mark.parametrize("profile", list_profiles())
def test_layers_add_up_to_the_costs_of_the_model(profile, residual, long_table):
    model = CostModel.of(load_profile(profile))
    for table in (residual, long_table):
        costs = model.evaluate(table)
        estimate = estimate_cost(table, profile)
        layers = estimate.layers
        for metric in costs._fields:
            assert getattr(estimate, metric) == getattr(costs, metric)[0]
        assert sum(one.latency_ms for one in layers) == pytest.approx(estimate.latency_ms)
        assert sum(one.latency_share for one in layers) == pytest.approx(1)
        assert max(one.sram_kib for one in layers) == pytest.approx(estimate.sram_kib)
        flash_kib = estimate.runtime_flash_kib + sum(one.flash_kib for one in layers)
        assert flash_kib == pytest.approx(estimate.flash_kib)
        assert estimate.runtime_flash_kib >= 0
        for one in layers:
            memory = one.memory
            tensors = sum(tensor.kib for tensor in memory.tensors)
            parts = (tensors, memory.scratch_kib, memory.runtime_kib)
            assert min(parts) >= 0
            assert sum(parts) == pytest.approx(one.sram_kib)
        peak = int(model.layer_costs(table).sram_kib[0].argmax())
        assert estimate.peak_layer == table.topology.slots[peak].name


def test_subnets_with_layers_left_out_cost_what_the_batch_says(space, rng):
    X = space.sample(15, rng)
    costs = CostModel.of(load_profile("cortex-m4")).evaluate(space.network(X))
    for row in range(len(X)):
        table = space.network(X[[row]])
        estimate = estimate_cost(table, "cortex-m4")
        assert len(estimate.layers) == table.active.sum()
        for metric in costs._fields:
            value = getattr(costs, metric)[row]
            assert getattr(estimate, metric) == pytest.approx(value, rel=1e-12)


def test_an_exported_subnet_costs_what_its_genotype_does(space, rng, tmp_path):
    X = space.sample(6, rng)
    metrics = Task(space, "cortex-m33").metrics(X)
    for row in range(len(X)):
        table = space.network(X[[row]])
        file = tmp_path / f"{row}.onnx"
        onnx.save(to_onnx(SubnetModule(table.layers())), file)
        estimate = estimate_cost(file, "cortex-m33")
        for metric in ("flash_kib", "sram_kib", "latency_ms", "energy_mj", "macs_m"):
            assert getattr(estimate, metric) == pytest.approx(metrics[metric][row], rel=1e-12)
        by_genotype = estimate_cost(table, "cortex-m33")
        assert estimate.peak_layer == by_genotype.peak_layer
        assert estimate.layers == by_genotype.layers


def test_tensors_in_memory_by_hand(residual):
    """Nothing in place, no scratch, 2 KiB of runtime: tensors of 3, 2, 6, 6, 2 and 2 KiB."""
    working = np.array([5, 8, 2 + 12, 2 + 8, 6, 2 + 8 / 1024, 18 / 1024])
    steps = memory_steps(residual, working, working + 2)
    expected = [
        {("network input", "input", 3.0), ("stem", "output", 2.0)},
        {("stem", "input", 2.0), ("expand", "output", 6.0)},
        {("stem", "kept", 2.0), ("expand", "input", 6.0), ("depthwise", "output", 6.0)},
        {("stem", "kept", 2.0), ("depthwise", "input", 6.0), ("project", "output", 2.0)},
        {("stem", "input", 2.0), ("project", "input", 2.0), ("add", "output", 2.0)},
        {("add", "input", 2.0), ("pool", "output", 8 / 1024)},
        {("pool", "input", 8 / 1024), ("classifier", "output", 10 / 1024)},
    ]
    for step, tensors in zip(steps, expected, strict=True):
        assert set(step.tensors) == tensors
        assert step.runtime_kib == pytest.approx(2)
        assert step.scratch_kib == pytest.approx(0)


def test_overlays_shrink_the_output_and_copies_count_as_scratch(residual):
    # Depthwise in place (8 instead of 14), add over one input (4 instead of 6), and a padded copy
    # of 1 KiB for the stem; each layer takes 10 % more than its tensors.
    working = np.array([6, 8, 8, 10, 4, 2 + 8 / 1024, 18 / 1024])
    steps = memory_steps(residual, working, 1.1 * working + 3)
    runtime = 3 + 0.1 * working[-1]
    outputs = [step.tensors[-1] for step in steps]
    assert [tensor.role for tensor in outputs] == ["output"] * 7
    assert [tensor.kib for tensor in outputs[:5]] == pytest.approx([2, 6, 0, 2, 0])
    scratch = [1.1 * 6 + 3 - 5, *(0.1 * working[1:] + 3)] - runtime
    assert [step.scratch_kib for step in steps] == pytest.approx(scratch)
    assert [step.runtime_kib for step in steps] == pytest.approx([runtime] * 7)


def test_an_input_that_never_exists_as_a_whole_shrinks():
    """A pool works on two rows, 0.25 KiB, of what the convolution before it writes."""
    conv = layer(1, "conv", Op.CONV, (0,), (8, 8))
    pool = layer(2, "pool", Op.POOL, (1,), (8, 8), kernel=2, stride=2, size=(16, 8))
    table = LayerTable.of([conv, pool])
    during_conv, during_pool = memory_steps(table, np.array([2.25, 0.75]), np.array([2.25, 0.75]))
    assert during_conv.tensors == (("network input", "input", 2.0), ("conv", "output", 0.25))
    assert during_pool.tensors == (("conv", "input", 0.25), ("pool", "output", 0.5))


def test_parts_add_up_where_less_is_needed_than_the_tensors_say(residual):
    working = np.array([5, 8, 14, 10, 6, 2 + 8 / 1024, 18 / 1024])
    for step, sram in zip(memory_steps(residual, working, working / 2), working / 2, strict=True):
        assert sum(tensor.kib for tensor in step.tensors) == pytest.approx(sram)
        assert step.runtime_kib == step.scratch_kib == 0


def test_two_outputs_stay_in_memory_to_the_end():
    table = LayerTable.of(RESIDUAL, outputs=(2, 7))
    roles = {(t.layer, t.role) for t in estimate_cost(table).layers[-1].memory.tensors}
    assert ("expand", "kept") in roles


def test_peak_layer_is_the_one_with_the_widest_tensors(long_table):
    estimate = estimate_cost(long_table)
    assert estimate.layers[estimate.peak_step].name == estimate.peak_layer
    # Layer 79 writes the 40 channels, layer 80 reads them.
    assert estimate.peak_step in (79, 80)
    assert estimate.layers[estimate.peak_step].sram_kib == estimate.sram_kib


def test_limits_hold_up_to_the_very_value(residual):
    exact = with_limits(residual, flash_kib=1, sram_kib=1, latency_ms=1)
    assert exact.fits
    assert exact.excess == {}
    assert exact.verdict == "fits cortex-m7"


def test_excess_says_what_and_by_how_much(residual):
    estimate = with_limits(residual, flash_kib=2, sram_kib=0.8, latency_ms=0.5)
    assert not estimate.fits
    assert estimate.excess == pytest.approx(
        {"sram_kib": 0.2 * estimate.sram_kib, "latency_ms": 0.5 * estimate.latency_ms}
    )
    assert "(25 %)" in estimate.excess_text("sram_kib")
    assert "(100 %)" in estimate.excess_text("latency_ms")
    assert estimate.verdict.startswith("does not fit cortex-m7: SRAM exceeds ")
    assert "Flash" not in estimate.verdict
    assert estimate.verdict in str(estimate)


def test_error_of_networks_left_out_goes_with_each_figure(residual, monkeypatch):
    profile = load_profile("cortex-m7")
    runtime = CostModel.of(profile).runtime
    facts = {
        "quantity": "sram_kib",
        "rows": "all",
        "n_rows": 12,
        "n_families": 5,
        "n_coefficients": 2,
    }
    own = Fit(**facts, mape_percent=3.0, worst_percent=9.0)
    crossed = own.model_copy(update={"left_out_mape_percent": 6.5, "left_out_worst_percent": 14.0})
    for fits, error, remark in (
        (
            (own,),
            3.0,
            "SRAM: mean error 3.0 % on the 12 published figures of the fit itself",
        ),
        ((crossed,), 6.5, "SRAM: mean error 6.5 %, largest 14.0 %, on 12 published figures, each"),
        ((crossed, own), 6.5, "SRAM: mean error 3.0 %"),
        ((), None, "SRAM: no published figures"),
    ):
        memory = runtime.memory.model_copy(update={"fits": fits})
        changed = runtime.model_copy(update={"memory": memory})
        monkeypatch.setattr(
            "mcu_nas_moo.hardware.cost_model.model.load_runtime", lambda _, it=changed: it
        )
        estimate = estimate_cost(residual, profile)
        assert estimate.error_percent.get("sram_kib") == error
        assert any(note.startswith(remark) for note in estimate.notes)
        text = f"SRAM {significant(estimate.sram_kib)} KiB"
        expected = f"{text}, latency" if error is None else f"{text} (± {error} %), latency"
        assert expected in str(estimate)
        assert "energy_mj" not in estimate.error_percent


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0123449, 4, "0.01234"),
        (12.3456, 4, "12.35"),
        (999.96, 4, "1000"),
        (1234567.8, 4, "1,234,568"),
        (3.14159, 2, "3.1"),
        (150.2, 2, "150"),
    ],
)
def test_significant_digits(value, digits, text):
    assert significant(value, digits) == text


def test_notes_flag_what_was_not_measured(residual):
    profile = load_profile("cortex-m7")
    measured = profile.device.cycles_factor.model_copy(update={"basis": "measured"})
    power = profile.device.active_power_mw
    for basis, flagged in (("measured", False), ("scaled", True), ("estimated", True)):
        figures = {
            "cycles_factor": measured.model_copy(update={"basis": basis}),
            "active_power_mw": power.model_copy(update={"basis": basis}),
        }
        device = profile.device.model_copy(update=figures)
        estimate = estimate_cost(residual, profile.model_copy(update={"device": device}))
        *_, energy = estimate.notes
        assert energy.startswith("Energy: ")
        assert (f"{basis}, not measured" in energy) == flagged
        scaled = [note for note in estimate.notes if note.startswith("Latency on cortex-m7 is")]
        assert len(scaled) == flagged


def test_another_core_than_that_of_the_fit_is_said(residual):
    assert any(
        "Latency on cortex-m4 is scaled" in n for n in estimate_cost(residual, "cortex-m4").notes
    )


def test_dict_is_json_and_holds_every_layer(residual):
    estimate = estimate_cost(residual, "cortex-m4")
    document = json.loads(json.dumps(estimate.as_dict(), allow_nan=False))
    assert document["profile"] == "cortex-m4"
    assert document["peak_layer"] == estimate.peak_layer
    assert document["sram_kib"] == max(one["sram_kib"] for one in document["layers"])
    assert document["layers"][0]["output_shape"] == [16, 16, 8]
    tensors = document["layers"][0]["memory"]["tensors"]
    assert [(t["layer"], t["role"]) for t in tensors] == [
        ("network input", "input"),
        ("stem", "output"),
    ]


def test_frame_has_a_row_per_layer(residual):
    frame = estimate_cost(residual).frame()
    assert list(frame["name"]) == [one.name for one in RESIDUAL]
    assert {"macs", "flash_kib", "sram_kib", "latency_ms", "latency_share"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("/features/features.17/conv/conv.0/conv.0.0/Conv", "features.17/conv.0.0/Conv"),
        ("stage1.block2.expand", "stage1.block2.expand"),
        ("/fire/firefly/Conv", "fire/firefly/Conv"),
        ("/layer1/layer1/Relu", "layer1/Relu"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_short_names_drop_what_is_repeated(name, short):
    table = LayerTable.of([layer(1, name, Op.CONV, (0,), (3, 8))])
    assert estimate_cost(table).layers[0].short_name == short


def test_bad_input_is_refused(residual, space, rng, tmp_path):
    with pytest.raises(ValueError, match="one network at a time, got 2"):
        estimate_cost(space.network(space.sample(2, rng)))
    with pytest.raises(ValueError, match="leave input_shape out"):
        estimate_cost(residual, input_shape=(3, 32, 32))
    with pytest.raises(ValueError, match="unknown profile 'cortex-m8'"):
        estimate_cost(residual, "cortex-m8")
    with pytest.raises((ValueError, OSError), match=r"missing\.onnx"):
        estimate_cost(tmp_path / "missing.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("not a network")
    with pytest.raises(ValueError, match=r"text\.onnx"):
        estimate_cost(text)


def test_pictures_are_written_and_name_the_peak(tmp_path, residual, long_table):
    for number, estimate in enumerate(
        (
            with_limits(residual, sram_kib=0.5),
            with_limits(residual, sram_kib=10),  # the limit is far above
            with_limits(long_table, sram_kib=1.5),
        )
    ):
        png, svg = tmp_path / f"{number}.png", tmp_path / f"{number}.svg"
        draw_memory(png, estimate)
        draw_memory(svg, estimate)
        assert png.read_bytes().startswith(b"\x89PNG")
        # Text is drawn as paths, each with the text in a comment.
        text = svg.read_text()
        assert f"<!-- peak {estimate.sram_kib:.1f} KiB -->" in text
        assert estimate.layers[estimate.peak_step].short_name in text
        assert ("limit, " in text) == (number != 1)
    assert len(list(tmp_path.iterdir())) == 6


def test_estimating_loads_nothing_heavy():
    code = (
        "import sys, mcu_nas_moo\n"
        "mcu_nas_moo.estimate_cost\n"
        "heavy = 'torch pandas matplotlib onnx rich pymoo optuna plotly'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    root = Path(mcu_nas_moo.__path__[0]).parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
