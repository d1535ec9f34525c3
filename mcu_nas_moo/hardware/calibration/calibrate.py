"""Runtimes fitted to measurements by a recipe, each with its errors on unseen families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.hardware.calibration.least_squares import (
    Errors,
    every_row,
    fit_coefficients,
    fit_shared_cycles,
    leave_families_out,
    rounded,
)
from mcu_nas_moo.hardware.cost_model.tensor_memory import working_set
from mcu_nas_moo.hardware.cost_model.work import WORK, all_work_of, counts_of, kinds_of
from mcu_nas_moo.hardware.runtime import (
    Cycles,
    Fit,
    FlashRule,
    LatencyRule,
    MemoryRule,
    Runtime,
)

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, IntArray
    from mcu_nas_moo.hardware.calibration.least_squares import Predictor
    from mcu_nas_moo.hardware.calibration.measurements import Measurements
    from mcu_nas_moo.hardware.calibration.recipes import (
        FlashRecipe,
        LatencyRecipe,
        MemoryRecipe,
        Recipe,
    )

_BYTES_PER_KIB = 1024
_BYTES_PER_BIAS = 4
#: Coefficients that multiply a count, in the order in which :func:`counted` makes them.
COUNTS = (
    "fixed_kib",
    "kib_per_weighted_layer",
    "kib_per_other_layer",
    "kib_per_channel",
    "kib_per_layer",
    "kib_per_kind",
)
_OF_FLASH = ("kib_per_channel", "kib_per_layer", "kib_per_kind", "fixed_kib")


@dataclass(frozen=True)
class QuantityReport:
    """Errors of one fitted quantity of one runtime, in percent.

    Attributes:
        fit: what goes into the runtime file.
        by_macs: errors, in the same cross-validation, of a model that knows MACs alone; ``None``
            for Flash and SRAM.
        by_lineage: errors if a family is left out together with all that derive from the same
            architecture; ``None`` if no families do, or too few are left.
        networks, measured, predicted, left_out: for each row its network, the figure, what the
            model gives, and what it gives when fitted to the other families.
    """

    quantity: str
    fit: Fit
    by_macs: Errors | None
    by_lineage: Errors | None
    networks: tuple[str, ...]
    measured: FloatArray
    predicted: FloatArray
    left_out: FloatArray | None


@dataclass(frozen=True)
class Calibration:
    """A fitted runtime and the report on each quantity."""

    name: str
    runtime: Runtime
    reports: tuple[QuantityReport, ...]


def calibrate(recipe: Recipe, measurements: Measurements) -> Calibration:
    """Fit the runtime of ``recipe`` to published measurements."""
    measured = measurements.of(recipe.measured_as)
    memory, sram_report = _memory(recipe.memory, measured, recipe.rows)
    flash, flash_report = _flash(recipe.flash, measured, recipe.rows)
    of_runtimes = measurements.of(recipe.measured_as, *recipe.latency.shared_with)
    latency, latency_report = _latency(recipe.latency, recipe.measured_as, of_runtimes, recipe.rows)
    runtime = Runtime(
        description=recipe.description,
        measurements=of_runtimes.fingerprint,
        memory=memory,
        flash=flash,
        latency=latency,
    )
    return Calibration(recipe.runtime, runtime, (flash_report, sram_report, latency_report))


def counted(rows: Measurements, names: tuple[str, ...]) -> FloatArray:
    """What K coefficients out of :data:`COUNTS` multiply in each row, shape ``(R, K)``."""
    counts = np.concatenate([counts_of(table) for table in rows.networks()]).astype(np.float64)
    layers, weighted, channels = counts.T
    kinds = np.concatenate([kinds_of(table) for table in rows.networks()])
    one = np.ones(len(counts))
    columns = [one, weighted, layers - weighted, channels, layers, kinds]
    return np.stack(columns, axis=1)[:, [COUNTS.index(name) for name in names]]


def _memory(
    recipe: MemoryRecipe, measurements: Measurements, label: str
) -> tuple[MemoryRule, QuantityReport]:
    columns = ("activations_kib", "runtime_ram_kib") if recipe.by_parts else ("sram_kib",)
    rows = measurements.known(*columns, quantity="sram_kib")
    blank = dict.fromkeys(COUNTS[:4], 0.0)
    rule = MemoryRule(**{"scale": 1.0, **blank, **recipe.rule, "source": recipe.source, "fits": ()})
    peaks = np.array([working_set(table, rule).max() for table in rows.networks()]) / _BYTES_PER_KIB
    free = tuple(name for name in recipe.free if name != "scale")
    terms = counted(rows, free)

    def coefficients(chosen: BoolArray) -> dict[str, float]:
        if recipe.by_parts:
            activations, runtime = (rows.rows[column].to_numpy() for column in columns)
            scale = rule.scale
            if "scale" in recipe.free:
                scale = float(fit_coefficients(peaks[chosen, None], activations[chosen])[0])
            found = fit_coefficients(terms[chosen], runtime[chosen])
            return {"scale": scale, **_by_name(free, found)}
        measured = rows.rows.sram_kib.to_numpy()[chosen]
        if "scale" in recipe.free:
            found = fit_coefficients(np.column_stack([peaks, terms])[chosen], measured)
            return _by_name(("scale", *free), found)
        found = fit_coefficients(terms[chosen], measured, given=rule.scale * peaks[chosen])
        return {"scale": rule.scale, **_by_name(free, found)}

    def predict(chosen: BoolArray) -> FloatArray:
        values = coefficients(chosen)
        added = terms @ np.array([values[name] for name in free])
        return np.asarray(values["scale"] * peaks + added)

    report = _report("sram_kib", label, rows, predict, len(recipe.free))
    fitted = rule.model_copy(
        update=rounded(coefficients(every_row(rows.rows))) | {"fits": (report.fit,)}
    )
    return fitted, report


def _flash(
    recipe: FlashRecipe, measurements: Measurements, label: str
) -> tuple[FlashRule, QuantityReport]:
    rows = measurements.known("flash_kib", quantity="flash_kib")
    tables = rows.networks()
    sizes = [table.weights.sum() + _BYTES_PER_BIAS * table.biases.sum() for table in tables]
    parameters = np.array(sizes) / _BYTES_PER_KIB
    terms = counted(rows, recipe.free)
    measured = rows.rows.flash_kib.to_numpy()

    def coefficients(chosen: BoolArray) -> FloatArray:
        return fit_coefficients(terms[chosen], measured[chosen], given=parameters[chosen])

    def predict(chosen: BoolArray) -> FloatArray:
        return np.asarray(parameters + terms @ coefficients(chosen))

    report = _report("flash_kib", label, rows, predict, len(recipe.free))
    found = rounded(_by_name(recipe.free, coefficients(every_row(rows.rows))))
    rule = FlashRule(
        bytes_per_weight=1.0,
        bytes_per_bias=float(_BYTES_PER_BIAS),
        **(dict.fromkeys(_OF_FLASH, 0.0) | found),
        source=recipe.source,
        fits=(report.fit,),
    )
    return rule, report


def _latency(
    recipe: LatencyRecipe, runtime: str, of_runtimes: Measurements, label: str
) -> tuple[LatencyRule, QuantityReport]:
    rows = of_runtimes.known("latency_ms", quantity="latency_ms")
    table = rows.rows
    groups = (table.runtime + " on " + table.board).astype("category")
    reference = list(groups.cat.categories).index(f"{runtime} on {recipe.board}")
    codes: IntArray = np.asarray(groups.cat.codes, dtype=np.int64)
    of_runtime = codes == reference
    measured = table.latency_ms.to_numpy()
    kilohertz = table.clock_mhz.to_numpy() * 1000.0
    cycles = measured * kilohertz
    work = np.concatenate([all_work_of(network) for network in rows.networks()])
    terms = np.stack([_units(work, units.split("+")).sum(axis=1) for units in recipe.free], axis=1)
    given = _units(work, list(recipe.given)) @ np.array(list(recipe.given.values()))

    def coefficients(chosen: BoolArray) -> tuple[FloatArray, FloatArray]:
        if not recipe.shared_with:
            return fit_coefficients(terms[chosen], cycles[chosen], given[chosen]), np.ones(1)
        found, factors = fit_shared_cycles(
            terms[chosen], given[chosen], cycles[chosen], codes[chosen], reference
        )
        return found, np.pad(factors, (0, codes.max() + 1 - len(factors)), constant_values=1.0)

    def predict(chosen: BoolArray) -> FloatArray:
        found, factors = coefficients(chosen)
        return np.asarray((given + terms @ found) * factors[codes] / kilohertz)

    def predict_by_macs(chosen: BoolArray) -> FloatArray:
        macs = _units(work, ["conv_mac", "depthwise_mac", "dense_mac"]).sum(axis=1)
        rows_of_macs = chosen & of_runtime
        per_mac = fit_coefficients(macs[rows_of_macs, None], measured[rows_of_macs])
        return np.asarray(macs * per_mac[0])

    report = _report(
        "latency_ms", label, rows, predict, len(recipe.free), of_runtime, predict_by_macs
    )
    found, _ = coefficients(every_row(rows.rows))
    per_unit = dict.fromkeys(WORK, 0.0) | recipe.given
    for units, value in zip(recipe.free, found, strict=True):
        per_unit |= dict.fromkeys(units.split("+"), float(value))
    rule = LatencyRule(
        reference_core="cortex-m7",
        cycles=Cycles(**rounded(per_unit)),
        source=recipe.source,
        fits=(report.fit,),
    )
    return rule, report


def _units(work: FloatArray, names: list[str]) -> FloatArray:
    return work[:, [WORK.index(name) for name in names]]


def _by_name(names: tuple[str, ...], values: FloatArray) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _report(
    quantity: str,
    label: str,
    rows: Measurements,
    predict: Predictor,
    n_coefficients: int,
    judged: BoolArray | None = None,
    predict_by_macs: Predictor | None = None,
) -> QuantityReport:
    """Errors on the rows that ``judged`` marks (all if ``None``), in sample and by family."""
    judged = every_row(rows.rows) if judged is None else judged
    families = rows.rows.family.tolist()
    measured = rows.rows[quantity].to_numpy()[judged]
    predicted = predict(every_row(rows.rows))[judged]
    fitted = Errors.of(predicted, measured)

    def left_out(groups: list[str], model: Predictor) -> tuple[FloatArray | None, Errors | None]:
        predictions = leave_families_out(groups, model)
        if predictions is None:
            return None, None
        return predictions[judged], Errors.of(predictions[judged], measured)

    held_out, unseen = left_out(families, predict)
    by_macs = left_out(families, predict_by_macs)[1] if predict_by_macs else None
    lineages = rows.rows.lineage.tolist()
    by_lineage = left_out(lineages, predict)[1] if lineages != families else None
    fit = Fit(
        quantity=quantity,
        rows=label,
        n_rows=int(judged.sum()),
        n_families=len(set(np.array(families)[judged])),
        n_coefficients=n_coefficients,
        mape_percent=round(fitted.mape, 2),
        worst_percent=round(fitted.worst, 1),
        **_of_unseen(unseen),
    )
    return QuantityReport(
        quantity,
        fit,
        by_macs,
        by_lineage,
        tuple(rows.rows.network[judged]),
        measured,
        predicted,
        held_out,
    )


def _of_unseen(errors: Errors | None) -> dict[str, Any]:
    if errors is None:
        return {}
    return {
        "left_out_mape_percent": round(errors.mape, 2),
        "left_out_worst_percent": round(errors.worst, 1),
        "left_out_spearman": round(errors.spearman, 4),
    }
