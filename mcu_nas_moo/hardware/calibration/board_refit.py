"""Refitting a shipped runtime to a few measurements of a user's own board."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.yaml_files import validate
from mcu_nas_moo.contracts.metrics import METRICS
from mcu_nas_moo.hardware.calibration.calibrate import COUNTS, counted
from mcu_nas_moo.hardware.calibration.least_squares import (
    Errors,
    every_row,
    fit_coefficients,
    leave_families_out,
    rounded,
)
from mcu_nas_moo.hardware.calibration.measurements import QUANTITIES
from mcu_nas_moo.hardware.cost_model.tensor_memory import working_set
from mcu_nas_moo.hardware.cost_model.work import WORK, all_work_of
from mcu_nas_moo.hardware.runtime import RULES, Cycles, Fit, Runtime

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray
    from mcu_nas_moo.hardware.calibration.measurements import Measurements

#: Rows of a quantity that a refit needs at least: one coefficient, and a check of it.
FEWEST_ROWS = 3
#: Rows needed for each coefficient beyond the first.
ROWS_PER_COEFFICIENT = 3
#: A richer model must reduce the error on rows that it has not seen by this share, and by more
#: than rounding does.
_WORTHWHILE_SHARE, _WORTHWHILE_PERCENT = 0.1, 0.1
#: Ratios of measurements to the base model beyond which their unit must be wrong: boards are from
#: 6 times faster than the base's (Cortex-M85 at 1 GHz) to 100 times slower (M0+ at 32 MHz).
_UNIT_RATIOS = (0.12, 140.0)
#: Ratio of one measurement to the others beyond which its unit must be wrong.
_ODD_RATIO = 30.0
#: Clock that the cycles of a board are expressed in; it cancels out of all latencies.
NOMINAL_CLOCK_MHZ = 400.0
_BYTES_PER_KIB = 1024


@dataclass(frozen=True)
class _Linear:
    """A quantity of the base model as ``units @ values``: what is counted, and coefficients.

    Attributes:
        names: of the coefficients, K of them.
        units: shape ``(R, K)``.
        values: of the base, shape ``(K,)``.
    """

    names: tuple[str, ...]
    units: FloatArray
    values: FloatArray


class _Freedom(NamedTuple):
    """Groups of coefficients that a model refits: one alone freely, several by a common factor."""

    label: str
    groups: tuple[tuple[str, ...], ...]


_MACS = ("conv_mac", "dense_mac", "idle_mac")
_OTHER_WORK = ("input_element", "output_element", "elementwise_element", "layer")
_FREEDOMS = {
    "latency_ms": (
        _Freedom("all cycles by one factor", (WORK,)),
        _Freedom("cycles of MACs and of all other work", ((*_MACS, "depthwise_mac"), _OTHER_WORK)),
        _Freedom(
            "cycles of depthwise MACs and of all other work",
            (("depthwise_mac",), (*_MACS, *_OTHER_WORK)),
        ),
        _Freedom(
            "cycles of depthwise MACs, of other MACs and of other work",
            (("depthwise_mac",), _MACS, _OTHER_WORK),
        ),
    ),
    "sram_kib": (
        _Freedom("the fixed part", (("fixed_kib",),)),
        _Freedom("the factor on the peak", (("scale",),)),
        _Freedom("the factor on the peak and the fixed part", (("scale",), ("fixed_kib",))),
    ),
    "flash_kib": (
        _Freedom("the fixed part", (("fixed_kib",),)),
        _Freedom("the fixed part and that of channels", (("fixed_kib",), ("kib_per_channel",))),
    ),
}


@dataclass(frozen=True)
class Refit:
    """What became of one quantity.

    Attributes:
        refitted: the coefficients that the rows determined; the others are those of the base.
        before, after: errors of the base and of the refitted runtime on the rows; of latency, the
            base says nothing about a board.
        left_out: errors of the refit on families that it has not seen; ``None`` if too few.
    """

    quantity: str
    refitted: str
    before: Errors | None
    after: Errors
    left_out: Errors | None
    n_rows: int


def refit(
    base: Runtime, name: str, measurements: Measurements, table: Path
) -> tuple[Runtime, tuple[Refit, ...]]:
    """A runtime for one board: ``base`` with the coefficients that the rows support refitted.

    Of each quantity several models are tried, from one common factor to one for each kind of work,
    and the one that predicts unseen families best is taken; a richer one must be clearly better.

    Args:
        base, name: the runtime to start from.
        measurements: rows of one board, see ``read_measurements``.
        table: where the measurements stand, for messages.

    Returns:
        the runtime, whose latencies are those of the user's own board at the clock of the
        measurements, and what was done to each quantity that the table holds.

    Raises:
        InputError: if a quantity has fewer than :data:`FEWEST_ROWS` rows, or figures differ from
            the base model, or from each other, by a factor that only a wrong unit explains.
    """
    reports = []
    changes: dict[str, Any] = {"measurements": measurements.fingerprint}
    for quantity in QUANTITIES:
        rows = measurements.known(quantity, quantity=quantity)
        if rows.rows.empty:
            continue
        if len(rows.rows) < FEWEST_ROWS:
            raise InputError(
                f"{table}: {len(rows.rows)} rows with {quantity} cannot be fitted and checked; "
                f"measure at least {FEWEST_ROWS} networks, better 5 or more of several sizes"
            )
        linear = _LINEAR[quantity](base, rows)
        measured = rows.rows[quantity].to_numpy()
        _check_units(quantity, linear, rows, table)
        freedom, report = _choose(quantity, linear, rows.rows.family.tolist(), measured)
        reports.append(report)
        rule = getattr(base, RULES[quantity])
        found = rounded(_coefficients(linear, freedom, measured, every_row(measured)))
        update: dict[str, Any] = {
            "fits": (_fit(report, rows.rows.family.nunique(), len(freedom.groups), table),),
            "source": f"{name}, refitted to {table.name}: {report.refitted}. {rule.source}",
        }
        if quantity == "latency_ms":
            update["fixed_clock_mhz"] = NOMINAL_CLOCK_MHZ
            update["cycles"] = Cycles(**found)
        else:
            update |= {key: found[key] for group in freedom.groups for key in group}
        changes[RULES[quantity]] = rule.model_copy(update=update)
    changes["description"] = f"{base.description}; refitted to {table.name}"
    fitted = base.model_copy(update=changes)
    return validate(Runtime, fitted.model_dump(), f"{table}, refitted"), tuple(reports)


def _latency(base: Runtime, rows: Measurements) -> _Linear:
    work = np.concatenate([all_work_of(network) for network in rows.networks()])
    values = np.array([getattr(base.latency.cycles, unit) for unit in WORK])
    return _Linear(WORK, work / (NOMINAL_CLOCK_MHZ * 1000), values)


def _sram(base: Runtime, rows: Measurements) -> _Linear:
    rule, networks = base.memory, rows.networks()
    peaks = [working_set(network, rule).max() / _BYTES_PER_KIB for network in networks]
    names = ("scale", *COUNTS[:4])
    units = np.column_stack([peaks, counted(rows, names[1:])])
    return _Linear(names, units, np.array([getattr(rule, name) for name in names]))


def _flash(base: Runtime, rows: Measurements) -> _Linear:
    rule, networks = base.flash, rows.networks()
    weights, channels = np.array([(n.weights.sum(), n.biases.sum()) for n in networks]).T
    parameters = (weights * rule.bytes_per_weight + channels * rule.bytes_per_bias) / _BYTES_PER_KIB
    names = ("parameters", "fixed_kib", "kib_per_layer", "kib_per_kind", "kib_per_channel")
    units = np.column_stack([parameters, counted(rows, names[1:])])
    values = np.array([1.0, *(getattr(rule, name) for name in names[1:])])
    return _Linear(names, units, values)


_LINEAR = {"latency_ms": _latency, "sram_kib": _sram, "flash_kib": _flash}


def _check_units(quantity: str, linear: _Linear, rows: Measurements, table: Path) -> None:
    ratios = rows.rows[quantity].to_numpy() / (linear.units @ linear.values)
    ratio = float(np.median(ratios))
    unit = METRICS[quantity].unit
    odd = np.abs(np.log(ratios / ratio)) > np.log(_ODD_RATIO)
    if odd.any():
        row = rows.rows[odd].iloc[0]
        raise InputError(
            f"{table}: line {row.name}: {quantity} of {row.network} is "
            f"{ratios[odd][0] / ratio:,.3g} times what the other rows suggest; expected {unit}: "
            "is it in another unit?"
        )
    if _UNIT_RATIOS[0] < ratio < _UNIT_RATIOS[1]:
        return
    times = f"{ratio:,.0f} times" if ratio > 1 else f"1/{1 / ratio:,.0f} of"
    raise InputError(
        f"{table}: {quantity} is {times} what the base runtime predicts; expected {unit}: "
        "is the column in another unit?"
    )


def _coefficients(
    linear: _Linear, freedom: _Freedom, measured: FloatArray, chosen: BoolArray
) -> dict[str, float]:
    """All coefficients of the quantity, those of ``freedom`` fitted to the chosen rows."""
    values = linear.values.copy()
    columns = [[linear.names.index(name) for name in group] for group in freedom.groups]
    kept = np.setdiff1d(np.arange(len(values)), np.concatenate(columns))
    given = linear.units[:, kept] @ values[kept]
    terms = [
        linear.units[:, group] @ (values[group] if len(group) > 1 else np.ones(1))
        for group in columns
    ]
    found = fit_coefficients(np.stack(terms, axis=1)[chosen], measured[chosen], given[chosen])
    for group, value in zip(columns, found, strict=True):
        values[group] = values[group] * value if len(group) > 1 else value
    return dict(zip(linear.names, values.tolist(), strict=True))


def _choose(
    quantity: str, linear: _Linear, families: list[str], measured: FloatArray
) -> tuple[_Freedom, Refit]:
    """The model with the smallest error on unseen families; simpler ones win near ties."""

    def predict(freedom: _Freedom, chosen: BoolArray) -> FloatArray:
        values = _coefficients(linear, freedom, measured, chosen)
        return np.asarray(linear.units @ np.array(list(values.values())))

    chosen, unseen = _FREEDOMS[quantity][0], None
    for freedom in _FREEDOMS[quantity]:
        if len(measured) < FEWEST_ROWS + ROWS_PER_COEFFICIENT * (len(freedom.groups) - 1):
            continue
        held_out = leave_families_out(families, partial(predict, freedom))
        errors = None if held_out is None else Errors.of(held_out, measured)
        if freedom is chosen:
            unseen = errors
        elif unseen is not None and errors is not None and _clearly_better(errors, unseen):
            chosen, unseen = freedom, errors
    # Latencies of the base are those of another board.
    judged_before = quantity != "latency_ms"
    before = Errors.of(linear.units @ linear.values, measured) if judged_before else None
    after = Errors.of(predict(chosen, every_row(measured)), measured)
    return chosen, Refit(quantity, chosen.label, before, after, unseen, len(measured))


def _clearly_better(richer: Errors, simpler: Errors) -> bool:
    margin = max(_WORTHWHILE_SHARE * simpler.mape, _WORTHWHILE_PERCENT)
    return richer.mape < simpler.mape - margin


def _fit(report: Refit, n_families: int, n_coefficients: int, table: Path) -> Fit:
    left_out = report.left_out
    return Fit(
        quantity=report.quantity,
        rows=table.name,
        n_rows=report.n_rows,
        n_families=n_families,
        n_coefficients=n_coefficients,
        mape_percent=round(report.after.mape, 2),
        worst_percent=round(report.after.worst, 1),
        left_out_mape_percent=None if left_out is None else round(left_out.mape, 2),
        left_out_worst_percent=None if left_out is None else round(left_out.worst, 1),
    )
