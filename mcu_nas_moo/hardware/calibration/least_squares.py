"""Fits with few non-negative coefficients, and their errors on families that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, IntArray

    #: From the rows to fit (a mask) to predictions for all rows.
    Predictor = Callable[[BoolArray], FloatArray]


class TooFewRowsError(InputError):
    """There are fewer measurements than coefficients."""


@dataclass(frozen=True)
class Errors:
    """Relative errors of predictions, in percent, and their rank correlation.

    Attributes:
        mape, worst: mean and largest absolute error.
        spearman: rank correlation with the measurements; NaN below three rows.
    """

    mape: float
    worst: float
    spearman: float

    @classmethod
    def of(cls, predicted: FloatArray, measured: FloatArray) -> Errors:
        """Errors of ``predicted`` against ``measured``, both of shape ``(R,)``."""
        errors = 100 * np.abs(predicted - measured) / measured
        correlation = float("nan")
        if len(measured) > 2 and np.ptp(measured) > 0 and np.ptp(predicted) > 0:
            correlation = float(spearmanr(predicted, measured).statistic)
        return cls(float(errors.mean()), float(errors.max()), correlation)


def fit_coefficients(
    terms: FloatArray, measured: FloatArray, given: FloatArray | float = 0.0
) -> FloatArray:
    """Coefficients ``c >= 0`` with ``given + terms @ c`` close to ``measured``.

    Minimises the sum of squared relative errors, with weights that fade for outliers (soft L1), so
    that one odd figure among published ones does not bend the fit.

    Args:
        terms: shape ``(R, K)``.
        measured: shape ``(R,)``, above 0.
        given: part of the prediction that is known already, shape ``(R,)``.

    Raises:
        TooFewRowsError: if there are fewer rows than coefficients.
    """
    rows, count = terms.shape
    if rows < count:
        raise TooFewRowsError(
            f"{rows} measurements cannot fix {count} coefficients; bring more rows or a model with "
            "fewer coefficients"
        )
    if count == 0:
        return np.zeros(0)
    scale = np.maximum(np.abs(terms / measured[:, None]).max(axis=0), 1e-300)
    matrix = terms / measured[:, None] / scale
    target = 1.0 - np.broadcast_to(given, measured.shape) / measured
    start = np.full(count, max(float(target.mean()), 0.01) / count)

    def residual(coefficients: FloatArray) -> FloatArray:
        return np.asarray((matrix @ coefficients) - target)

    def slopes(_: FloatArray) -> FloatArray:
        return np.asarray(matrix)

    solution = least_squares(
        residual,
        start,
        jac=slopes,
        bounds=(0, np.inf),
        loss="soft_l1",
        f_scale=0.05,
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    found: FloatArray = solution.x / scale
    found[solution.x < 1e-6] = 0.0
    return found


def fit_shared_cycles(
    work: FloatArray,
    given: FloatArray,
    measured: FloatArray,
    groups: IntArray,
    reference: int,
) -> tuple[FloatArray, FloatArray]:
    """Cycles per unit of work, shared by groups of rows that differ in speed by a factor.

    Boards and versions of one runtime run the same kernels on the same kind of core, so their
    measurements tell the cost of each unit of work together. Minimises squared errors of the
    logarithm of ``factor[group] * (given + work @ c)``.

    Args:
        work: shape ``(R, K)``.
        given, measured: cycles known already, and all of them, shape ``(R,)``.
        groups: group of each row, numbered from 0, shape ``(R,)``.
        reference: the group whose factor is 1.

    Returns:
        the coefficients ``(K,)``, and the factor of each group; 1 for groups without rows.

    Raises:
        TooFewRowsError: if there are fewer rows than coefficients and factors.
    """
    n_units, n_groups = work.shape[1], max(int(groups.max()), reference) + 1
    others = [g for g in range(n_groups) if g != reference and (groups == g).any()]
    if len(work) < n_units + len(others):
        raise TooFewRowsError(
            f"{len(work)} measurements cannot fix {n_units} coefficients and {len(others)} factors"
        )
    scale = np.maximum(work.mean(axis=0), 1e-300) / measured.mean()
    goal = np.log(measured)

    def factors(logs: FloatArray) -> FloatArray:
        every = np.zeros(n_groups)
        every[others] = logs
        return np.exp(every)

    def residual(parameters: FloatArray) -> FloatArray:
        cycles = given + (work / scale) @ np.exp(parameters[:n_units])
        return np.asarray(np.log(cycles * factors(parameters[n_units:])[groups]) - goal)

    best = min(
        (
            least_squares(
                residual,
                np.concatenate([np.full(n_units, start), np.zeros(len(others))]),
                bounds=(-20, 20),
                xtol=1e-12,
                ftol=1e-12,
                gtol=1e-12,
                max_nfev=2000,
            )
            for start in (-2.0, -1.0, 0.0)
        ),
        key=lambda solution: float(solution.cost),
    )
    coefficients: FloatArray = np.exp(best.x[:n_units])
    coefficients[coefficients < 1e-6] = 0.0
    return coefficients / scale, factors(best.x[n_units:])


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Coefficients as files hold them: with more digits than the measurements support."""
    return {name: float(f"{value:.5g}") for name, value in values.items()}


def every_row(rows: Sized) -> BoolArray:
    """The mask that chooses all ``rows``."""
    return np.ones(len(rows), dtype=np.bool_)


def leave_families_out(families: list[str], predict: Predictor) -> FloatArray | None:
    """Predictions ``(R,)`` for each family by a fit to the others; ``None`` if one is too few.

    ``predict`` fits the rows of a mask ``(R,)`` and predicts all rows.
    """
    predictions = np.full(len(families), np.nan)
    names = np.array(families)
    for family in dict.fromkeys(families):
        held_out = names == family
        try:
            predictions[held_out] = predict(~held_out)[held_out]
        except TooFewRowsError:
            return None
    return predictions
