"""Core factors and powers against a calculator, and the shipped devices against both."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

import mcu_nas_moo.hardware
from mcu_nas_moo.hardware import list_devices, load_device

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from core_factors import (
    REFERENCE_BOARD,
    Run,
    Spread,
    core_factor,
    cycle_ratios,
    estimated_power_mw,
    factor_across_runtimes,
    measured_power_mw,
    mlperf_runs,
    reference_agreement,
    zoo_factor,
    zoo_runs,
)

DEVICES = Path(mcu_nas_moo.hardware.__file__).parent / "devices"

M33 = core_factor("NUCLEO-U575ZI-Q")
#: For each shipped device, the calculation behind its cycles factor and its power.
FACTORS = {
    "ek-ra6m4": M33,
    "ek-ra8d1": factor_across_runtimes("EK-RA8D1"),
    "nucleo-g0b1re": core_factor("NUCLEO-G0B1RE"),
    "nucleo-h743zi2": Spread.of([1]),  # the die of the reference
    "nucleo-h7a3zi-q": reference_agreement(),
    "nucleo-l4r5zi": core_factor("NUCLEO-L4R5ZI"),
    "nucleo-u385rg-q": M33,
    "nucleo-u575zi-q": M33,
    "stm32f746g-disco": core_factor("DISCO-F746NG"),
    "stm32f769i-disco": zoo_factor("STM32F769I-DISCO"),
    "stm32h747i-disco": Spread.of([1]),  # the reference itself
}
POWERS = {
    "ek-ra6m4": measured_power_mw("EK-RA6M4"),
    "ek-ra8d1": measured_power_mw("EK-RA6M4") / 200 * 480,
    "nucleo-g0b1re": estimated_power_mw("STM32G0B1RE", 64),
    "nucleo-h743zi2": estimated_power_mw("STM32H743ZI", 480),
    "nucleo-h7a3zi-q": measured_power_mw("NUCLEO-H7A3ZI-Q"),
    "nucleo-l4r5zi": measured_power_mw("NUCLEO-L4R5ZI"),
    "nucleo-u385rg-q": measured_power_mw("NUCLEO-U385RG-Q"),
    "nucleo-u575zi-q": measured_power_mw("NUCLEO-U575ZI-Q"),
    "stm32f746g-disco": estimated_power_mw("STM32F746NG", 216),
    "stm32f769i-disco": estimated_power_mw("STM32F769NI", 216),
    "stm32h747i-disco": estimated_power_mw("STM32H743ZI", 400),
}


def as_written(name: str, field: str) -> tuple[float, int]:
    """The figure in the device's file, and how many digits stand behind its point."""
    text = (DEVICES / f"{name}.yaml").read_text()
    # BaseLoader keeps numbers as the text that they are.
    value = yaml.load(text, Loader=yaml.BaseLoader)[field]["value"]
    return float(value), len(value.partition(".")[2])


@pytest.mark.parametrize("name", list_devices())
def test_shipped_figures_are_those_of_the_publications(name):
    factor, digits = as_written(name, "cycles_factor")
    assert factor == round(FACTORS[name].median, digits)
    power, digits = as_written(name, "active_power_mw")
    assert power == round(POWERS[name], digits)
    assert power == pytest.approx(POWERS[name], rel=0.01)  # digits enough


@pytest.mark.parametrize(
    "name", ["nucleo-l4r5zi", "nucleo-u575zi-q", "stm32f746g-disco", "stm32f769i-disco"]
)
def test_shipped_factors_state_range_and_number_of_runs(name):
    spread = FACTORS[name]
    source = load_device(name).cycles_factor.source
    assert f"median of {spread.n}, {spread.low:.2f} to {spread.high:.2f}" in source


@pytest.mark.parametrize("name", ["nucleo-g0b1re", "ek-ra8d1", "nucleo-h7a3zi-q"])
def test_shipped_factors_of_two_runs_state_both(name):
    spread = FACTORS[name]
    source = load_device(name).cycles_factor.source
    digits = 3 if name == "nucleo-h7a3zi-q" else 2
    assert spread.n == 2
    assert f"{spread.low:.{digits}f}" in source
    assert f"{spread.high:.{digits}f}" in source


@pytest.mark.parametrize(
    ("name", "board"), [("nucleo-l4r5zi", "NUCLEO-L4R5ZI"), ("nucleo-u575zi-q", "NUCLEO-U575ZI-Q")]
)
def test_range_of_the_runtimes_that_are_not_counted(name, board):
    ratios = cycle_ratios(mlperf_runs(), board, REFERENCE_BOARD)
    others = Spread.of(ratio for run, ratio in ratios.items() if not run.is_modelled)
    source = load_device(name).cycles_factor.source
    assert f"{others.low:.2f} to {others.high:.2f}" in source


def test_factors_by_hand():
    """Latency x clock of STMicroelectronics under X-CUBE-AI 7.3.0, 8.1.0 and 9.0 of both boards."""
    ratios = [
        139.7038 * 160 / (54.3449 * 280),
        128.2051 * 160 / (51.9481 * 280),
        111.0741 * 160 / (40.8447 * 280),
    ]
    assert core_factor("NUCLEO_U575ZI_Q") == pytest.approx(Spread.of(ratios))
    bosch = [1669.4491 * 64 / (46.8318 * 280), 1522.07 * 64 / (45.8484 * 280)]
    assert core_factor("NUCLEO-G0B1RE") == pytest.approx(Spread.of(bosch))
    helium = [8.4783 * 480 / (cycles * 280) for cycles in (40.8447, 45.8484)]
    assert factor_across_runtimes("EK-RA8D1") == pytest.approx(Spread.of(helium))


def test_every_runtime_widens_the_range():
    modelled, every = core_factor("NUCLEO-L4R5ZI"), core_factor("NUCLEO-L4R5ZI", every_runtime=True)
    assert every.n > modelled.n
    assert every.low < modelled.low
    assert every.high >= modelled.high


def test_power_by_hand():
    assert measured_power_mw("NUCLEO-L4R5ZI") == pytest.approx(6919.375 / 164.9621)
    # That run gives no latency of its own.
    assert measured_power_mw("nucleo_u385rg_q") == pytest.approx(965.5817 / 182.4485)
    assert estimated_power_mw("STM32F746NG", 216) == pytest.approx(0.472 * 216 * 3.3)


def test_inference_draws_more_than_a_makers_figure():
    """As the estimated powers say."""
    measured = measured_power_mw("NUCLEO-L4R5ZI")
    estimated = estimated_power_mw("STM32L4R5ZI", 120, supply_v=1.8)
    assert f"{measured / estimated:.1f}" == "1.7"


def run(board, latency_ms, runtime="X-CUBE-AI v9.0.0", **more):
    facts = {"round": "v1", "submitter": "one", "network": "net", "freq_mhz": 100.0} | more
    return Run(board=board, latency_ms=latency_ms, runtime=runtime, **facts)


def test_only_like_runs_are_compared():
    reference = run("NUCLEO-H7A3ZI-Q", 10)
    same = run("Other", 30, "X-CUBE-AI v9.0")
    assert cycle_ratios([reference, same], "other", REFERENCE_BOARD) == {same: 3}
    for change in (
        {"runtime": "X-CUBE-AI v9.1"},
        {"round": "v2"},
        {"submitter": "two"},
        {"network": "other"},
    ):
        assert not cycle_ratios([reference, run("Other", 30, **change)], "Other", REFERENCE_BOARD)


def test_clock_counts_and_the_fastest_build_does():
    small, fast = run("NUCLEO-H7A3ZI", 20), run("NUCLEO-H7A3ZI-Q", 10)
    other = run("Other", 30, freq_mhz=50.0)
    for runs in ([small, fast, other], [other, fast, small]):
        assert cycle_ratios(runs, "Other", REFERENCE_BOARD) == {other: 1.5}


@pytest.mark.parametrize(
    ("runtime", "modelled"),
    [
        ("X-CUBE-AI v7.1.0", False),
        ("X-CUBE-AI v7.3.0", True),
        ("X-CUBE-AI v10.2", True),
        ("microTVM", False),
        ("TensorFlow Lite for Microcontrollers v2.3.1", False),
    ],
)
def test_modelled_runtimes(runtime, modelled):
    assert run("Other", 1, runtime).is_modelled == modelled


def test_what_is_not_known_is_refused():
    with pytest.raises(ValueError, match="no run on 'EK-RA8D1' can be compared"):
        core_factor("EK-RA8D1")
    with pytest.raises(ValueError, match="no energy of 'EK-RA8D1'"):
        measured_power_mw("EK-RA8D1")
    with pytest.raises(ValueError, match="no run-mode current of 'STM32H747XI'"):
        estimated_power_mw("STM32H747XI", 400)


def test_tables_hold_what_they_should():
    runs = mlperf_runs()
    assert [one.round for one in runs] == sorted(one.round for one in runs)
    assert all(one.latency_ms > 0 and one.freq_mhz > 0 for one in runs + zoo_runs())
    # 12.5 million multiply-accumulates: at most 4 a cycle, at least 1 in 10 cycles.
    assert all(12.5 / 4 < one.megacycles < 125 for one in runs)
    assert len(set(runs)) == len(runs)
