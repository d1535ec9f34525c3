"""Recipes remake the shipped runtimes, and the errors that they state hold up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from mcu_nas_moo.hardware import list_runtimes, load_device, load_runtime
from mcu_nas_moo.hardware.calibration.calibrate import calibrate
from mcu_nas_moo.hardware.calibration.measurements import Measurements
from mcu_nas_moo.hardware.calibration.recipes import RECIPES
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.runtime import Cycles, runtime_text, shipped_runtimes, write_runtime

RUNTIMES = [recipe.runtime for recipe in RECIPES]


@pytest.fixture(scope="module")
def calibrations(shipped):
    return {recipe.runtime: calibrate(recipe, shipped) for recipe in RECIPES}


@pytest.fixture(scope="module")
def reports(calibrations):
    return {
        (name, report.quantity): report
        for name, calibration in calibrations.items()
        for report in calibration.reports
    }


def recipe_of(name):
    return next(recipe for recipe in RECIPES if recipe.runtime == name)


def test_every_shipped_runtime_has_a_recipe():
    assert sorted(RUNTIMES) == sorted(list_runtimes())


@pytest.mark.parametrize("name", RUNTIMES)
def test_remakes_the_shipped_file_byte_for_byte(calibrations, name):
    made = runtime_text(calibrations[name].runtime).encode()
    assert made == (shipped_runtimes() / f"{name}.yaml").read_bytes()


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_file_holds_all_of_the_runtime(calibrations, name, tmp_path):
    path = tmp_path / "mine.yaml"
    write_runtime(calibrations[name].runtime, path)
    assert load_runtime(path) == calibrations[name].runtime


@pytest.mark.parametrize("name", ["stm32cube-ai-7.3", "stm32cube-ai-10"])
def test_latency_of_unseen_families(reports, name):
    report = reports[name, "latency_ms"]
    assert report.fit.left_out_mape_percent <= 8
    assert report.fit.left_out_spearman >= 0.985
    # What MACs alone give, in the same cross-validation, is far from that.
    assert report.by_macs.mape > 2 * report.fit.left_out_mape_percent
    assert report.by_macs.spearman < report.fit.left_out_spearman


@pytest.mark.parametrize("name", ["stm32cube-ai-7.3", "tflm-cmsis-nn", "tinyengine"])
def test_sram_of_unseen_families(reports, name):
    assert reports[name, "sram_kib"].fit.left_out_mape_percent <= 4


@pytest.mark.parametrize("name", ["stm32cube-ai-7.3", "stm32cube-ai-10", "tflm-cmsis-nn"])
def test_flash_of_unseen_families(reports, name):
    assert reports[name, "flash_kib"].fit.left_out_mape_percent <= 3


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("quantity", ["flash_kib", "sram_kib", "latency_ms"])
def test_stated_errors_follow_from_the_predictions(reports, name, quantity):
    report = reports[name, quantity]
    fit = report.fit
    assert fit.n_rows == len(report.networks) == len(report.measured)
    errors = 100 * abs(report.predicted / report.measured - 1)
    assert fit.mape_percent == pytest.approx(errors.mean(), abs=0.006)
    assert fit.worst_percent == pytest.approx(errors.max(), abs=0.06)
    errors = 100 * abs(report.left_out / report.measured - 1)
    assert fit.left_out_mape_percent == pytest.approx(errors.mean(), abs=0.006)
    assert fit.left_out_worst_percent == pytest.approx(errors.max(), abs=0.06)
    ranks = np.corrcoef(rankdata(report.left_out), rankdata(report.measured))[0, 1]
    assert fit.left_out_spearman == pytest.approx(ranks, abs=1e-4)
    # Families that were not seen are not predicted better, on the whole, than those of the fit.
    assert fit.left_out_mape_percent >= fit.mape_percent


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_cost_model_predicts_what_the_report_says(shipped, calibrations, reports, name):
    """Fit and model count the same things: predictions agree up to the digits in the file."""
    recipe = recipe_of(name)
    device = load_device("nucleo-h743zi2")
    factor = device.cycles_factor.model_copy(update={"value": 1.0})
    for quantity in ("flash_kib", "sram_kib", "latency_ms"):
        report = reports[name, quantity]
        rows = shipped.of(recipe.measured_as).rows
        on_board = rows[rows.board == recipe.latency.board]
        clock_mhz = float(on_board.clock_mhz.iloc[0])
        board = device.model_copy(update={"clock_mhz": clock_mhz, "cycles_factor": factor})
        model = CostModel(board, calibrations[name].runtime)
        costs = [getattr(model.evaluate(shipped.tables[n]), quantity)[0] for n in report.networks]
        np.testing.assert_allclose(costs, report.predicted, rtol=2e-4)


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_family_does_not_help_to_predict_itself(shipped, reports, name):
    """Tenfold figures of one family change nothing in what is predicted for that family."""
    own = shipped.of(recipe_of(name).measured_as).known("flash_kib", quantity="flash_kib").rows
    family = own.family.iloc[0]
    rows = shipped.rows.copy()
    rows["flash_kib"] = np.where(rows.family == family, 10 * rows.flash_kib, rows.flash_kib)
    bent = calibrate(recipe_of(name), Measurements(rows, shipped.tables)).reports[0]
    honest = reports[name, "flash_kib"]
    chosen = (own.family == family).to_numpy()
    np.testing.assert_allclose(bent.left_out[chosen], honest.left_out[chosen], rtol=1e-9)
    assert (abs(bent.left_out[~chosen] / honest.left_out[~chosen] - 1) > 1e-6).any()


@pytest.mark.parametrize("name", RUNTIMES)
def test_recovers_a_runtime_from_its_own_predictions(shipped, calibrations, name):
    """Figures that the model itself gives are fitted without error, and give it back."""
    recipe, truth = recipe_of(name), calibrations[name].runtime
    own = shipped.of(recipe.measured_as)
    rows = own.rows[own.rows.board == recipe.latency.board].copy()
    device = load_device("nucleo-h743zi2")
    factor = device.cycles_factor.model_copy(update={"value": 1.0})
    update = {"clock_mhz": float(rows.clock_mhz.iloc[0]), "cycles_factor": factor}
    model = CostModel(device.model_copy(update=update), truth)
    costs = [model.evaluate(shipped.tables[network]) for network in rows.network]
    for quantity in ("flash_kib", "sram_kib", "latency_ms"):
        rows[quantity] = [float(getattr(cost, quantity)[0]) for cost in costs]
    latency = recipe.latency.model_copy(update={"shared_with": ()})
    # By the total: the parts that the sources print are not those of the model.
    memory = recipe.memory.model_copy(update={"by_parts": False})
    alone = recipe.model_copy(update={"latency": latency, "memory": memory})
    found = calibrate(alone, Measurements(rows, shipped.tables))
    for report in found.reports:
        assert report.fit.mape_percent <= 0.01, report.quantity
    ours, theirs = found.runtime.latency.cycles, truth.latency.cycles
    for units in recipe.latency.free:
        for unit in units.split("+"):
            assert getattr(ours, unit) == pytest.approx(getattr(theirs, unit), rel=1e-2), unit
    for field in recipe.flash.free:
        expected = getattr(truth.flash, field)
        assert getattr(found.runtime.flash, field) == pytest.approx(expected, rel=1e-2), field
    for field in recipe.memory.free:
        expected = getattr(truth.memory, field)
        assert getattr(found.runtime.memory, field) == pytest.approx(expected, rel=1e-2), field


@pytest.mark.parametrize("name", RUNTIMES)
def test_coefficients_are_not_negative_and_given_ones_are_kept(calibrations, name):
    recipe, cycles = recipe_of(name), calibrations[name].runtime.latency.cycles
    free = {unit for units in recipe.latency.free for unit in units.split("+")}
    for unit in Cycles.model_fields:
        value = getattr(cycles, unit)
        if unit in free:
            assert value > 0, f"{unit} could be left out of the recipe"
        else:
            assert value == recipe.latency.given.get(unit, 0.0)
    for units in recipe.latency.free:
        assert len({getattr(cycles, unit) for unit in units.split("+")}) == 1


def test_other_versions_tell_cycles_but_do_not_count_in_the_errors(shipped, reports):
    recipe = recipe_of("stm32cube-ai-7.3")
    rows = shipped.of(recipe.measured_as).known("latency_ms", quantity="latency_ms").rows
    on_board = rows[rows.board == recipe.latency.board]
    report = reports["stm32cube-ai-7.3", "latency_ms"]
    assert report.networks == tuple(on_board.network)
    np.testing.assert_array_equal(report.measured, on_board.latency_ms)
    # Cycles of the reference follow its clock alone: other boards take a factor.
    faster = shipped.rows.copy()
    elsewhere = faster.board != recipe.latency.board
    faster["latency_ms"] = np.where(elsewhere, faster.latency_ms / 3, faster.latency_ms)
    again = calibrate(recipe, Measurements(faster, shipped.tables))
    np.testing.assert_allclose(again.reports[2].predicted, report.predicted, rtol=1e-3)


def test_measurements_are_named_by_their_hash(shipped, calibrations):
    rows = pd.concat([shipped.rows.head(0), shipped.rows])
    rows.loc[rows.runtime == "tinyengine", "latency_ms"] *= 1.01
    changed = Measurements(rows, shipped.tables)
    for name, calibration in calibrations.items():
        again = calibrate(recipe_of(name), changed).runtime
        assert (again.measurements != calibration.runtime.measurements) == (name == "tinyengine")
