"""Figures of docs/cost-model.md beside the table of `mcu-nas calibrate`.

python benchmarks/cost_model_checks.py
"""

from __future__ import annotations

import numpy as np
from core_factors import mlperf_runs

from mcu_nas_moo.hardware import list_devices, load_device, load_runtime
from mcu_nas_moo.hardware.calibration.calibrate import calibrate
from mcu_nas_moo.hardware.calibration.measurements import Measurements, shipped_measurements
from mcu_nas_moo.hardware.calibration.recipes import RECIPES
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.cost_model.tensor_memory import working_set
from mcu_nas_moo.networks.layer import Op

ST_7_3, ST_10 = RECIPES[:2]
#: Boards and builds that ran MLPerf Tiny's ResNet-8 and are in no fit: device, runtime of the
#: model, and board and runtime in the table of MLPerf.
RESNET_8 = (
    ("nucleo-u575zi-q", "stm32cube-ai-10", "NUCLEO-U575ZI-Q", "X-CUBE-AI v10.2"),
    ("nucleo-u385rg-q", "stm32cube-ai-10", "NUCLEO-U385RG-Q", "X-CUBE-AI v10.2"),
    ("nucleo-l4r5zi", "stm32cube-ai-10", "NUCLEO-L4R5ZI-P", "X-CUBE-AI v10.2"),
    ("ek-ra6m4", "tflm-cmsis-nn", "EK-RA6M4", "TFLM (from the submitted sources)"),
    ("ek-ra8d1", "tflm-cmsis-nn", "EK-RA8D1", "TFLM (from the submitted sources)"),
)


def other_memory_rules(rows: Measurements) -> None:
    """Errors of SRAM under version 10, on unseen families, with other rules."""
    memory = ST_10.memory
    kinds = memory.rule["in_place"]
    rules: dict[str, dict[str, object]] = {
        "as shipped": {},
        "products in place": {"in_place": (*kinds, Op.MUL)},
        "pointwise not in place": {"in_place": tuple(kind for kind in kinds if kind != Op.CONV)},
        "padded copies beside the input": {"padded_copy": "apart"},
        "nothing in place": {"in_place": (), "padded_copy": "none"},
    }
    for name, change in rules.items():
        print_sram(name, {"rule": memory.rule | change}, rows)
    without = tuple(term for term in memory.free if term != "scale")
    print_sram("without a factor", {"free": without}, rows)


def print_sram(name: str, change: dict[str, object], rows: Measurements) -> None:
    """One line of :func:`other_memory_rules`."""
    recipe = ST_10.model_copy(update={"memory": ST_10.memory.model_copy(update=change)})
    fit = calibrate(recipe, rows).reports[1].fit
    print(f"SRAM of version 10, {name}: {fit.left_out_mape_percent:.1f} %")


def exact_activations(rows: Measurements) -> None:
    """How many published activations of version 7.3.0 the rule gives."""
    own = rows.of(ST_7_3.measured_as).known("activations_kib", quantity="sram_kib")
    rule = load_runtime(ST_7_3.runtime).memory
    peaks = np.array([working_set(table, rule).max() for table in own.networks()]) / 1024
    published = own.rows.activations_kib.to_numpy()
    exact = np.abs(peaks - published) <= 0.1
    off = np.abs(peaks / published - 1) > 0.06
    print(f"activations of 7.3.0: {exact.sum()} of {len(exact)} within 0.1 KiB; beyond 6 %:")
    print(f"  {', '.join(own.rows.network[off])}")


def merged_families(rows: Measurements) -> None:
    """Errors of latency with two more networks counted as MobileNetV1."""
    merged = rows.rows.copy()
    merged.loc[merged.family.isin(["SSD-MobileNetV1", "YAMNet"]), "family"] = "MobileNetV1"
    for recipe in (ST_7_3, ST_10):
        fit = calibrate(recipe, Measurements(merged, rows.tables)).reports[2].fit
        print(f"latency of {recipe.runtime}, SSD and YAMNet as MobileNetV1: ", end="")
        print(f"{fit.left_out_mape_percent:.1f} %, Spearman {fit.left_out_spearman:.3f}")


def networks_of_mlperf(rows: Measurements) -> None:
    """Predictions for boards and builds that are in no fit."""
    kept = rows.rows[(rows.rows.left_out == "latency_ms") & rows.rows.network.str.match("mlperf")]
    for board, network, measured in zip(kept.board, kept.network, kept.latency_ms, strict=True):
        short = board.lower().removesuffix("-q")
        device = next(name for name in list_devices() if name.startswith(short))
        print_latency(rows, network, device, ST_7_3.runtime, measured)
    for device, runtime, board, build in RESNET_8:
        runs = [run for run in mlperf_runs() if run.on(board) and run.runtime == build]
        measured = min(run.latency_ms for run in runs)
        print_latency(rows, "mlperf_ic", device, runtime, measured)


def print_latency(
    rows: Measurements, network: str, device: str, runtime: str, measured: float
) -> None:
    """One line of :func:`networks_of_mlperf`."""
    model = CostModel(load_device(device), load_runtime(runtime))
    predicted = model.evaluate(rows.tables[network]).latency_ms[0]
    figures = f"{predicted:.4g} ms predicted, {measured:.4g} measured"
    print(f"{network}, {runtime} on {device}: {figures}, ratio {predicted / measured:.2f}")


def unexplained_memory(rows: Measurements) -> None:
    """What version 10 takes beyond the rule, and TinyEngine's firmware beyond its parameters."""
    own = rows.of(ST_10.measured_as).known("activations_kib", quantity="sram_kib")
    rule = load_runtime(ST_10.runtime).memory
    peaks = np.array([working_set(table, rule).max() for table in own.networks()]) / 1024
    beyond = own.rows.activations_kib - peaks
    for board, figures in beyond.groupby(own.rows.board):
        print(f"activations of version 10 beyond the rule on {board}: ", end="")
        print(f"{figures.min():.0f} to {figures.max():.0f} KiB")
    own = rows.of("tinyengine").known("flash_kib", quantity="flash_kib")
    parameters = [table.weights.sum() + 4 * table.biases.sum() for table in own.networks()]
    beside = own.rows.flash_kib - np.array(parameters) / 1024
    print(f"TinyEngine's Flash beside parameters: {beside.min():.0f} to {beside.max():.0f} KiB")


def main() -> None:
    """Print all of them."""
    rows = shipped_measurements()
    other_memory_rules(rows)
    exact_activations(rows)
    merged_families(rows)
    unexplained_memory(rows)
    networks_of_mlperf(rows)


if __name__ == "__main__":
    main()
