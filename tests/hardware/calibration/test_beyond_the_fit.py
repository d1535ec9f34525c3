"""Networks on boards that no cycles were fitted to."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from mcu_nas_moo.hardware import load_device, load_runtime
from mcu_nas_moo.hardware.calibration.measurements import (
    shipped_folder,
    shipped_measurements,
    shipped_networks,
)
from mcu_nas_moo.hardware.cost_model import CostModel

BOARDS = {"NUCLEO-U575ZI-Q": "nucleo-u575zi-q", "NUCLEO-L4R5ZI": "nucleo-l4r5zi"}


def mlperf_tiny():
    """Board, network and latency of the rows that are kept for checks."""
    rows = shipped_measurements().rows
    rows = rows[rows.source.str.startswith("mlcommons") & (rows.left_out == "latency_ms")]
    return list(zip(rows.board, rows.network, rows.latency_ms, strict=True))


def predicted(board, network, runtime):
    model = CostModel(load_device(BOARDS[board]), load_runtime(runtime))
    return model.evaluate(shipped_networks()[network]).latency_ms[0]


def test_networks_of_mlperf_tiny_on_other_cores():
    rows = mlperf_tiny()
    assert {board for board, _, _ in rows} == set(BOARDS)
    assert len(rows) == 8
    errors = [
        predicted(board, network, "stm32cube-ai-7.3") / latency_ms - 1
        for board, network, latency_ms in rows
    ]
    assert np.mean(np.abs(errors)) < 0.08
    assert np.max(np.abs(errors)) < 0.15


def test_other_build_options_of_later_rounds_stay_a_known_gap():
    with (shipped_folder() / "mlperf_tiny.csv").open() as file:
        (measured,) = [
            float(row["latency_ms"])
            for row in csv.DictReader(file)
            if row["board"] == "NUCLEO-U575ZI-Q" and row["runtime"] == "X-CUBE-AI v10.2"
        ]
    ratio = predicted("NUCLEO-U575ZI-Q", "mlperf_ic", "stm32cube-ai-10") / measured
    assert ratio == pytest.approx(1.13, abs=0.05)
