"""Fits recover what made the figures, and cross-validation sees other families only."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas_moo.hardware.calibration.least_squares import (
    Errors,
    TooFewRowsError,
    fit_coefficients,
    fit_shared_cycles,
    leave_families_out,
)

# As in the tables: one coefficient counts millions, another is added a few times.
SCALES = np.array([1e6, 1e3, 1.0])
TRUE = np.array([0.9, 600.0, 3e5])


@pytest.fixture
def terms(rng):
    return rng.uniform(0.5, 20, (24, 3)) * SCALES


def test_recovers_coefficients(terms):
    np.testing.assert_allclose(fit_coefficients(terms, terms @ TRUE), TRUE, rtol=1e-6)


def test_recovers_coefficients_beside_a_given_part(terms, rng):
    given_part = rng.uniform(1e5, 1e6, len(terms))
    found = fit_coefficients(terms, given_part + terms @ TRUE, given_part)
    np.testing.assert_allclose(found, TRUE, rtol=1e-6)


def test_recovers_a_coefficient_that_is_zero(terms):
    true = TRUE * [1, 0, 1]
    found = fit_coefficients(terms, terms @ true)
    np.testing.assert_allclose(found / TRUE, [1, 0, 1], atol=1e-5)


def test_coefficients_are_never_negative(terms):
    # Best without the limit would be a negative share of the second term.
    measured = terms @ (TRUE * [1, -0.2, 10])
    assert (measured > 0).all()
    found = fit_coefficients(terms, measured)
    assert (found >= 0).all()
    assert found[1] == pytest.approx(0, abs=1e-5 * TRUE[1])


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_one_outlier_does_not_bend_the_fit(terms, factor):
    measured = terms @ TRUE
    measured[7] *= factor
    np.testing.assert_allclose(fit_coefficients(terms, measured), TRUE, rtol=0.05)


def test_rows_weigh_by_relative_error():
    """2 % more for the small, nothing for the large: the fit is in the middle."""
    terms = np.array([[1.0], [1000.0], [1.0], [1000.0]])
    measured = np.array([1.02, 1000.0, 1.02, 1000.0])
    assert fit_coefficients(terms, measured)[0] == pytest.approx(1.01, abs=1e-3)


def test_nothing_to_fit():
    assert fit_coefficients(np.ones((3, 0)), np.ones(3)).shape == (0,)


def test_a_term_that_no_row_has_costs_nothing_wrong(terms):
    """Its coefficient is arbitrary; the others must not suffer."""
    terms[:, 1] = 0
    found = fit_coefficients(terms, terms @ TRUE)
    np.testing.assert_allclose(found[[0, 2]], TRUE[[0, 2]], rtol=1e-6)
    assert np.isfinite(terms @ found).all()


def test_fewer_rows_than_coefficients(terms):
    with pytest.raises(TooFewRowsError, match="2 measurements cannot fix 3 coefficients"):
        fit_coefficients(terms[:2], terms[:2] @ TRUE)
    assert issubclass(TooFewRowsError, ValueError)
    np.testing.assert_allclose(fit_coefficients(terms[:3], terms[:3] @ TRUE), TRUE, rtol=1e-4)


@pytest.fixture
def shared(terms):
    """Three groups of 8 rows; the second is 1.5 times slower than the first, the third faster."""
    groups = np.arange(24) % 3
    factors = np.array([1.0, 1.5, 0.8])
    given_part = terms[:, 0] * 0.3
    return terms, given_part, (given_part + terms @ TRUE) * factors[groups], groups, factors


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_groups_share_cycles_up_to_a_factor(shared, reference):
    terms, given_part, measured, groups, factors = shared
    # Seen from another group, all cycles are larger; the given ones are what they are.
    from_there = factors[reference]
    found, of_groups = fit_shared_cycles(
        terms, given_part * from_there, measured, groups, reference
    )
    np.testing.assert_allclose(found, TRUE * from_there, rtol=1e-4)
    np.testing.assert_allclose(of_groups, factors / from_there, rtol=1e-5)
    assert of_groups[reference] == 1


def test_groups_without_rows_have_factor_one(shared):
    terms, given_part, measured, groups, factors = shared
    chosen = groups != 1
    found, of_groups = fit_shared_cycles(
        terms[chosen], given_part[chosen], measured[chosen], groups[chosen], 0
    )
    np.testing.assert_allclose(found, TRUE, rtol=1e-4)
    np.testing.assert_allclose(of_groups, [1.0, 1.0, factors[2]], rtol=1e-5)


def test_the_reference_may_have_no_rows(shared):
    """Then the factors and the coefficients are free up to a common factor: rows still agree."""
    terms, given_part, measured, groups, _ = shared
    chosen = groups != 2
    found, of_groups = fit_shared_cycles(
        terms[chosen], 0 * given_part[chosen], measured[chosen], groups[chosen], 2
    )
    predicted = (terms @ found * of_groups[groups])[chosen]
    np.testing.assert_allclose(predicted, measured[chosen], rtol=1e-4)
    assert of_groups[2] == 1


def test_too_few_rows_for_factors(shared):
    terms, given_part, measured, groups, _ = shared
    # Three coefficients and two factors of five.
    fit_shared_cycles(terms[:5], given_part[:5], measured[:5], groups[:5], 0)
    with pytest.raises(TooFewRowsError, match=r"4 measurements cannot fix 3 .* and 2 factors"):
        fit_shared_cycles(terms[:4], given_part[:4], measured[:4], groups[:4], 0)


def test_each_family_is_predicted_by_a_fit_to_the_others():
    families = ["a", "b", "a", "c", "b"]
    masks = []

    def predict(chosen):
        masks.append(chosen.tolist())
        return np.arange(5) + 10.0 * len(masks)

    predictions = leave_families_out(families, predict)
    assert masks == [
        [False, True, False, True, True],
        [True, False, True, True, False],
        [True, True, True, False, True],
    ]
    # Rows of a from the first fit, of b from the second, of c from the third.
    assert predictions.tolist() == [10, 21, 12, 33, 24]


def test_a_family_that_cannot_be_left_out_leaves_no_predictions():
    def predict(chosen):
        if chosen.sum() < 2:
            raise TooFewRowsError
        return np.ones(3)

    assert leave_families_out(["a", "a", "b"], predict) is None
    assert leave_families_out(["a", "b", "c"], predict).tolist() == [1, 1, 1]


def test_other_errors_are_not_hidden():
    def predict(chosen):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        leave_families_out(["a", "b"], predict)


def test_errors_by_hand():
    # 10 % above, 50 % below, exact: mean 20, worst 50. Ranks 2 1 3 against 1 2 3:
    # 1 - 6 * (1 + 1 + 0) / (3 * 8) = 0.5.
    errors = Errors.of(np.array([110.0, 100.0, 400.0]), np.array([100.0, 200.0, 400.0]))
    assert (errors.mape, errors.worst) == pytest.approx((20, 50))
    assert errors.spearman == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("predicted", "measured"), [([1.0, 2.0], [1.0, 2.0]), ([1.0] * 3, [1.0, 2.0, 3.0])]
)
def test_no_rank_correlation_of_two_rows_or_a_constant(predicted, measured):
    assert math.isnan(Errors.of(np.array(predicted), np.array(measured)).spearman)


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=10), st.floats(0.1, 10))
def test_errors_do_not_depend_on_the_unit(measured, factor):
    measured = np.array(measured)
    predicted = measured[::-1]
    one, other = Errors.of(predicted, measured), Errors.of(predicted * factor, measured * factor)
    assert (one.mape, one.worst) == pytest.approx((other.mape, other.worst))
    assert one.mape <= one.worst * (1 + 1e-12)
