"""Refits against boards that are known because the test made them."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas_moo.hardware import load_device, load_runtime
from mcu_nas_moo.hardware.calibration.board_refit import refit
from mcu_nas_moo.hardware.calibration.measurements import Measurements, shipped_measurements
from mcu_nas_moo.hardware.cost_model import CostModel

BASE = "stm32cube-ai-10"
CLOCK_MHZ = 200.0
NETWORKS = [
    "mobilenetv1_a025_96x3_5",
    "mlperf_ic",
    "st_mnist_v1_28_tfs",
    "fdmobilenet_025_128_tfs",
    "squeezenet_v11_128_v100",
    "mobilenetv1_a050_224x3_5",
    "yamnet_256_64x96_tl",
    "st_efficientnet_lc_v1_128_tfs",
    "st_yolo_lc_v1_192",
]


def costs(runtime, networks=NETWORKS):
    """Costs on a board of the reference core at the clock of the test."""
    device = load_device("stm32h747i-disco").model_copy(update={"clock_mhz": CLOCK_MHZ})
    tables = shipped_measurements().tables
    each = [CostModel(device, runtime).evaluate(tables[name]) for name in networks]
    return {
        "latency_ms": np.array([one.latency_ms[0] for one in each]),
        "sram_kib": np.array([one.sram_kib[0] for one in each]),
        "flash_kib": np.array([one.flash_kib[0] for one in each]),
    }


def rows(networks=NETWORKS, **figures):
    table = shipped_measurements().rows.iloc[: len(networks)].copy()
    table["network"], table["family"], table["left_out"] = networks, networks, ""
    for quantity in ("latency_ms", "sram_kib", "flash_kib"):
        table[quantity] = figures.get(quantity, np.nan)
    return Measurements(table, shipped_measurements().tables)


def refitted(tmp_path, networks=NETWORKS, **figures):
    return refit(load_runtime(BASE), BASE, rows(networks, **figures), tmp_path / "my.csv")


def test_a_board_that_is_slower_by_a_factor(tmp_path):
    base = load_runtime(BASE)
    networks = NETWORKS[:5]
    truth = costs(base, networks)["latency_ms"] * 1.8
    runtime, (report,) = refitted(tmp_path, networks, latency_ms=truth)
    assert report.refitted == "all cycles by one factor"
    np.testing.assert_allclose(costs(runtime, networks)["latency_ms"], truth, rtol=1e-4)
    assert report.before is None
    assert report.left_out.mape < 0.01
    per_mac = 1.8 * base.latency.cycles.conv_mac / CLOCK_MHZ
    latency = runtime.latency
    assert latency.cycles.conv_mac / latency.fixed_clock_mhz == pytest.approx(per_mac, 1e-4)
    assert (runtime.memory, runtime.flash) == (base.memory, base.flash)


def test_a_board_whose_depthwise_convolutions_are_slow(tmp_path):
    base = load_runtime(BASE)
    cycles = base.latency.cycles
    slow = cycles.model_copy(update={"depthwise_mac": 6 * cycles.depthwise_mac})
    latency = base.latency.model_copy(update={"cycles": slow})
    truth = costs(base.model_copy(update={"latency": latency}))["latency_ms"]
    runtime, (report,) = refitted(tmp_path, latency_ms=truth)
    assert "depthwise" in report.refitted
    np.testing.assert_allclose(costs(runtime)["latency_ms"], truth, rtol=1e-3)


def test_few_rows_do_not_buy_many_coefficients(tmp_path):
    base = load_runtime(BASE)
    cycles = base.latency.cycles
    slow = cycles.model_copy(update={"depthwise_mac": 6 * cycles.depthwise_mac})
    latency = base.latency.model_copy(update={"cycles": slow})
    networks = NETWORKS[:5]
    truth = costs(base.model_copy(update={"latency": latency}), networks)["latency_ms"]
    _, (report,) = refitted(tmp_path, networks, latency_ms=truth)
    assert report.refitted == "all cycles by one factor"


def test_memory_of_a_larger_runtime(tmp_path):
    truth = costs(load_runtime(BASE))
    figures = {"sram_kib": truth["sram_kib"] + 20, "flash_kib": truth["flash_kib"] + 64}
    runtime, reports = refitted(tmp_path, **figures)
    assert {report.refitted for report in reports} == {"the fixed part"}
    assert all(report.before.mape > 5 for report in reports)
    for quantity, expected in figures.items():
        np.testing.assert_allclose(costs(runtime)[quantity], expected, rtol=1e-4)
    assert runtime.latency == load_runtime(BASE).latency


@pytest.mark.parametrize("factor", [1000, 1 / 1000])
def test_a_wrong_unit_is_noticed(tmp_path, factor):
    truth = costs(load_runtime(BASE))["latency_ms"]
    with pytest.raises(ValueError, match="another unit"):
        refitted(tmp_path, latency_ms=truth * factor)


def test_two_rows_are_too_few(tmp_path):
    networks = NETWORKS[:2]
    truth = costs(load_runtime(BASE), networks)["latency_ms"]
    with pytest.raises(ValueError, match="at least 3 networks"):
        refitted(tmp_path, networks, latency_ms=truth)


def test_one_figure_in_another_unit_is_noticed(tmp_path):
    truth = costs(load_runtime(BASE))["latency_ms"].copy()
    truth[3] /= 1000
    message = rf"line \d+: latency_ms of {NETWORKS[3]} is 0\.001 times"
    with pytest.raises(ValueError, match=message):
        refitted(tmp_path, latency_ms=truth)


def test_latencies_are_those_of_the_board_whatever_the_device_says(tmp_path):
    networks = NETWORKS[:5]
    truth = costs(load_runtime(BASE), networks)["latency_ms"] * 3
    runtime, _ = refitted(tmp_path, networks, latency_ms=truth)
    tables = shipped_measurements().tables
    for device in ("nucleo-l4r5zi", "nucleo-g0b1re"):
        model = CostModel(load_device(device), runtime)
        predicted = [model.evaluate(tables[name]).latency_ms[0] for name in networks]
        np.testing.assert_allclose(predicted, truth, rtol=1e-3)


def test_much_more_memory_than_the_base_still_makes_a_runtime(tmp_path):
    truth = costs(load_runtime(BASE))["sram_kib"] * 3
    runtime, (report,) = refitted(tmp_path, sram_kib=truth)
    assert "factor" in report.refitted
    np.testing.assert_allclose(costs(runtime)["sram_kib"], truth, rtol=0.15)


def test_without_families_to_leave_out_the_simplest_model_is_taken(tmp_path):
    measured = rows(latency_ms=costs(load_runtime(BASE))["latency_ms"] * np.linspace(0.8, 1.3, 9))
    measured.rows["family"] = "all"
    _, (report,) = refit(load_runtime(BASE), BASE, measured, tmp_path / "my.csv")
    assert report.refitted == "all cycles by one factor"
    assert report.left_out is None
