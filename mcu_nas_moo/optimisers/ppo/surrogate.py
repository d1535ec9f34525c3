"""What the evaluations so far say about points not evaluated yet: a Gaussian process.

It is fitted to told evaluations only, and knows how well it predicts those left out of the fit, so
that it is used only where it can be trusted (as DyNA-PPO does: Angermueller et al., ICLR 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri
from scipy.special import ndtr

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.optimisers.ppo.memory import Rows

#: Squared distance of any two options of an ordered gene, beside that of their places in the
#: order; first and last are 1 apart there.
STEP = 0.2
#: Variance of the noise, as a share of that of the data: keeps the kernel matrix well-conditioned.
NOISE = 1e-3
#: Least deviation of a prediction, in standard deviations of the data.
LEAST_ERROR = 1e-6


class Prediction(NamedTuple):
    """Of N points: expected ``F`` ``(N, n_obj)`` and ``G`` ``(N, n_con)``.

    ``feasible`` ``(N,)`` is the probability that all constraints are met.
    """

    F: FloatArray
    G: FloatArray
    feasible: FloatArray


class Surrogate:
    """Gaussian process of all objectives and constraints, on one kernel over genotypes.

    The kernel is Gaussian in the mean squared distance of the genes. Each quantity is modelled as
    it is or on a logarithmic scale, whichever predicts better what is left out. A Gaussian process
    tells each left-out prediction without another fit (Rasmussen and Williams 2006, sect. 5.4.2).

    Args:
        rows: evaluations to learn from, at least 2.
        n_choices: options per gene, shape ``(n_genes,)``.
        ordered: which genes have options in an order, shape ``(n_genes,)``; options of the others
            are all equally far apart.

    Attributes:
        fit: share of the variance of each objective that left-out predictions explain, shape
            ``(n_obj,)``; 1 is perfect.
    """

    def __init__(self, rows: Rows, n_choices: IntArray, ordered: BoolArray) -> None:
        self._n_obj = rows.F.shape[1]
        free = n_choices > 1
        self._last = np.where(free, n_choices - 1, 1)
        # Columns of the one-hot code, and what an option weighs there and in the order.
        self._offset = np.cumsum(n_choices) - n_choices
        self._hot = np.sqrt(np.where(ordered, STEP, 1.0 + STEP) / 2 / max(int(free.sum()), 1))
        self._order = np.where(ordered, 1.0, 0.0) / np.sqrt(max(int(free.sum()), 1))
        self._width = int(n_choices.sum())
        self._points = self._features(rows.X)

        values = np.concatenate([rows.F, rows.G], axis=1)
        self._low = values.min(axis=0)
        half = np.median(values, axis=0) - self._low
        self._half = np.where(half > 0, half, 1.0)
        linear, logarithmic = values, self._to_log(values)
        columns = np.concatenate([linear, logarithmic], axis=1)
        mean, deviation = columns.mean(axis=0), columns.std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        columns = (columns - mean) / deviation

        kernel = self._kernel(self._points, self._points).astype(np.float64)
        np.fill_diagonal(kernel, 0.0)
        self._remoteness = np.sqrt(_unknown(kernel).mean())
        np.fill_diagonal(kernel, 1.0)
        kernel.flat[:: len(kernel) + 1] += NOISE
        factor, lower = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
        weights = cho_solve((factor, lower), columns, check_finite=False)
        inverse, _ = dpotri(factor, lower=1)
        errors = weights / np.diag(inverse)[:, None]

        left_out = (columns - errors) * deviation + mean
        count = values.shape[1]
        wrong = np.square(left_out[:, :count] - values).sum(axis=0)
        wrong_log = np.square(self._from_log(left_out[:, count:]) - values).sum(axis=0)
        # The limit of a constraint, 0, must have a place on the scale.
        has_limit = (np.arange(count) < self._n_obj) | (self._low < self._half)
        self._log = (wrong_log < wrong) & has_limit
        chosen = np.where(self._log, count, 0) + np.arange(count)
        self._weights = weights[:, chosen].astype(np.float32)
        self._mean, self._deviation = mean[chosen], deviation[chosen]
        spread = np.sqrt(np.square(errors[:, chosen]).mean(axis=0))
        self._error = np.maximum(spread, LEAST_ERROR) * self._deviation
        total = np.square(values - values.mean(axis=0)).sum(axis=0)
        share = 1 - np.where(self._log, wrong_log, wrong) / np.where(total > 0, total, 1.0)
        self.fit: FloatArray = share[: self._n_obj]
        zero = np.zeros((1, count))
        self._limit = np.where(self._log, self._to_log(zero), zero)[0]

    def predict(self, X: Genotypes, optimism: float = 0.0) -> Prediction:
        """Predict the genotypes ``X`` ``(N, n_genes)``.

        Args:
            X: genotypes.
            optimism: everything is this many standard errors better than expected.
        """
        kernel = self._kernel(self._features(X), self._points)
        modelled = (kernel @ self._weights) * self._deviation + self._mean
        # The posterior deviation if the nearest known point were the only one, in relation to
        # that of known points left out, whose errors are known.
        alone = np.sqrt(_unknown(kernel)) / self._remoteness
        error = alone[:, None] * self._error
        modelled -= optimism * error
        margin = (self._limit - modelled) / error
        feasible = ndtr(margin[:, self._n_obj :]).prod(axis=1)
        values = np.where(self._log, self._from_log(modelled), modelled)
        return Prediction(values[:, : self._n_obj], values[:, self._n_obj :], feasible)

    def _to_log(self, values: FloatArray) -> FloatArray:
        """0 for the smallest value and log 2 for the median, whatever the unit."""
        scaled: FloatArray = np.log1p(np.maximum((values - self._low) / self._half, -0.99))
        return scaled

    def _from_log(self, scaled: FloatArray) -> FloatArray:
        values: FloatArray = np.expm1(np.minimum(scaled, 50.0)) * self._half + self._low
        return values

    def _features(self, X: Genotypes) -> FloatArray:
        """Points whose squared distance is the mean squared distance of their genes."""
        features = np.zeros((len(X), self._width + X.shape[1]), dtype=np.float32)
        features[np.arange(len(X))[:, None], X + self._offset] = self._hot
        features[:, self._width :] = X / self._last * self._order
        return features

    @staticmethod
    def _kernel(one: FloatArray, other: FloatArray) -> FloatArray:
        kernel: FloatArray = one @ other.T
        kernel -= np.square(one).sum(axis=1)[:, None] / 2
        kernel -= np.square(other).sum(axis=1) / 2
        return np.exp(kernel, out=kernel)


def _unknown(kernel: FloatArray) -> FloatArray:
    """Posterior variance ``(N,)`` of points if the nearest of the known ones were the only one."""
    nearest = np.minimum(kernel.max(axis=1), 1.0)
    variance: FloatArray = 1 - np.square(nearest) / (1 + NOISE)
    return variance
