"""Boards that no cycles were fitted to; the network ran on another board of the fit."""

from __future__ import annotations

import csv

import pytest

from mcu_nas_moo.calibration.measurements import shipped_folder
from mcu_nas_moo.calibration.standard_networks import cifar_resnet
from mcu_nas_moo.costs import CostModel, load_device, load_runtime

BOARDS = {
    "NUCLEO-H7A3ZI-Q": "nucleo-h7a3zi-q",
    "NUCLEO-U575ZI-Q": "nucleo-u575zi-q",
    "NUCLEO-L4R5ZI": "nucleo-l4r5zi",
}


def published(board, runtime, mlperf_round):
    with (shipped_folder() / "mlperf_tiny.csv").open() as file:
        (row,) = [
            row
            for row in csv.DictReader(file)
            if (row["board"], row["runtime"], row["round"]) == (board, runtime, mlperf_round)
            and row["submitter"] == "STMicroelectronics"
        ]
    return float(row["latency_ms"])


@pytest.mark.parametrize("board", BOARDS)
def test_image_classification_of_mlperf_tiny_under_version_7_3(board):
    model = CostModel(load_device(BOARDS[board]), load_runtime("stm32cube-ai-7.3"))
    predicted = model.evaluate(cifar_resnet(8, 10)).latency_ms[0]
    assert predicted == pytest.approx(published(board, "X-CUBE-AI v7.3.0", "v1.0"), rel=0.05)


def test_other_build_options_of_later_rounds_stay_a_known_gap():
    model = CostModel(load_device("nucleo-u575zi-q"), load_runtime("stm32cube-ai-10"))
    predicted = model.evaluate(cifar_resnet(8, 10)).latency_ms[0]
    measured = published("NUCLEO-U575ZI-Q", "X-CUBE-AI v10.2", "v1.3")
    assert 1.05 < predicted / measured < 1.20
