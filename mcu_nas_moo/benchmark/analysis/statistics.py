"""Statistics of repeated runs: medians, effect sizes and tests that say when they show nothing.

Samples are one number per run, larger is better. The tests make no assumption about how the
numbers are distributed (Arcuri and Briand 2014, "A hitchhiker's guide to statistical tests for
assessing randomized algorithms").
"""

from __future__ import annotations

from itertools import combinations
from math import erfc, sqrt
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy.typing as npt

    from mcu_nas_moo.common.arrays import FloatArray

#: What tells the tests of a family apart, such as the name of a problem.
Case = TypeVar("Case", bound="Hashable")

#: Below this p-value, after the correction, a difference counts as shown.
SIGNIFICANCE = 0.05
#: Confidence of intervals.
CONFIDENCE = 0.95

#: Below this many runs of an algorithm, the result is a look and not a claim.
SEEDS_FOR_A_CLAIM = 10

AHEAD, BEHIND, NOT_SHOWN = "ahead", "behind", "no difference shown"


class Quartiles(NamedTuple):
    """Median of a sample, and the quartiles around it."""

    lower: float
    median: float
    upper: float


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def quartiles(values: npt.ArrayLike) -> Quartiles:
    """Quartiles of ``values`` ``(n,)``, interpolated linearly."""
    return Quartiles(*np.quantile(_sample(values), [0.25, 0.5, 0.75]).tolist())


def resampled_medians(
    values: npt.ArrayLike, seed: int | Sequence[int] = 0, resamples: int = 9999
) -> FloatArray:
    """Medians of bootstrap samples of ``values`` ``(n,)``, each drawn with replacement.

    Instead of ``n`` values per sample, only its middle order statistics are drawn, whose
    distribution is known: the k-th smallest of ``n`` uniform numbers is beta distributed (David
    and Nagaraja 2003, "Order statistics", section 2.1).

    Returns:
        shape ``(resamples,)``.
    """
    ordered = np.sort(_sample(values))
    rng, n = np.random.default_rng(seed), len(ordered)
    middle = (n + 1) // 2
    draws = rng.beta(middle, n + 1 - middle, resamples)
    medians: FloatArray = _at_share(ordered, draws)
    if n % 2 == 0:
        # The next order statistic is the smallest of what lies above.
        following = draws + (1.0 - draws) * rng.beta(1, n - middle, resamples)
        medians = 0.5 * (medians + _at_share(ordered, following))
    return medians


def _at_share(ordered: FloatArray, share: FloatArray) -> FloatArray:
    index = np.minimum((share * len(ordered)).astype(np.int64), len(ordered) - 1)
    return ordered[index]


def percentile_interval(resampled: FloatArray) -> Interval:
    """Bootstrap interval with confidence 95 % from resampled values of a statistic ``(r,)``.

    By percentiles, which is defined for tied values, too.
    """
    beyond = (1.0 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [beyond, 1.0 - beyond]).tolist()
    return Interval(low, high)


def median_difference_interval(
    first: npt.ArrayLike, second: npt.ArrayLike, seed: int = 0, resamples: int = 9999
) -> Interval:
    """Bootstrap interval with confidence 95 % of a difference of medians: first less second.

    The samples, of shape ``(n,)`` and ``(m,)``, are resampled independently of each other.
    """
    return percentile_interval(
        resampled_medians(first, [seed, 0], resamples)
        - resampled_medians(second, [seed, 1], resamples)
    )


#: Up to this size of a sample, the test is exact if there are no ties.
_SMALL = 8


class MannWhitney(NamedTuple):
    """Two-sided Mann-Whitney U test of two samples.

    Attributes:
        p: probability of a difference as large if both samples come from one distribution.
        a12: Vargha and Delaney's (2000) effect size: probability that a value of the first sample
            exceeds one of the second, ties counted half. 0.5 is no effect.
    """

    p: float
    a12: float


def mann_whitneys(
    pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
) -> list[MannWhitney]:
    """Compare independent samples of shape ``(n,)`` and ``(m,)``, pair by pair.

    Larger samples by the normal distribution, corrected for ties and continuity; small ones without
    ties exactly, by scipy, whose import takes as long as thousands of the others.

    Raises:
        InputError: if a sample is empty or not finite.
    """
    return [_mann_whitney(_sample(first), _sample(second)) for first, second in pairs]


def _mann_whitney(one: FloatArray, two: FloatArray) -> MannWhitney:
    n, product = len(one) + len(two), len(one) * len(two)
    a12 = float(((one[:, None] > two).sum() + (one[:, None] == two).sum() / 2) / product)
    ties = np.unique(np.concatenate([one, two]), return_counts=True)[1]
    if len(ties) == n and min(len(one), len(two)) <= _SMALL:
        from scipy.stats import mannwhitneyu

        return MannWhitney(float(mannwhitneyu(one, two, method="exact").pvalue), a12)
    spread = sqrt(product / 12 * (n + 1 - (ties**3 - ties).sum() / (n * (n - 1))))
    beyond = abs(a12 - 0.5) * product - 0.5
    p = erfc(beyond / spread / sqrt(2)) if beyond > 0 else 1.0
    return MannWhitney(p, a12)


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """P-values of one family of tests, corrected by Holm's (1979) step-down method.

    Args:
        p_values: shape ``(k,)``, in [0, 1].

    Returns:
        adjusted p-values in the same order, shape ``(k,)``, each at least the given one and at
        most 1; comparing them with a level keeps the chance of any false claim below it.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise InputError("p-values must be a list of numbers in [0, 1]")
    order = np.argsort(p, kind="stable")
    # The smallest is multiplied by k, the next one by k - 1, ...; larger ones stay larger.
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def verdict(p: float, effect: float) -> str:
    """Whether the first sample is ahead, behind, or no difference is shown.

    Args:
        p: p-value, corrected where there are several tests.
        effect: positive if the first sample tends to be larger.
    """
    if p >= SIGNIFICANCE or effect == 0:
        return NOT_SHOWN
    return AHEAD if effect > 0 else BEHIND


def caution(seeds: int, whose: str = "") -> str | None:
    """What to say about few seeds; None if there are enough.

    Args:
        seeds: runs of the algorithm that has fewest.
        whose: these are, to stand in brackets; empty for all.
    """
    if seeds >= SEEDS_FOR_A_CLAIM:
        return None
    runs = "1 seed is" if seeds == 1 else f"{seeds} seeds are"
    of = f" ({whose})" if whose else ""
    return f"{runs} a look, not a claim{of}; take --seeds 21 to compare algorithms in earnest."


def median(values: npt.ArrayLike) -> float:
    """Median of ``values`` ``(n,)``, which may be infinite; NaN are left out.

    Beside infinity nothing is interpolated: half of an infinite number of evaluations is none.

    Returns:
        NaN if nothing is left.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan")
    whole = bool(np.isfinite(known).all())
    return float(np.quantile(known, 0.5, method="linear" if whole else "higher"))


class Comparison(NamedTuple, Generic[Case]):
    """Two of several algorithms in one case.

    Attributes:
        case: what tells the tests of the family apart.
        first, second: names of the algorithms.
        median_first, median_second: medians of their samples.
        difference: of the medians, first less second.
        p: of the Mann-Whitney test.
        p_holm: corrected for all tests of the family.
        a12: probability that the first is better in a run, ties counted half.
        verdict: what is shown about the first.
    """

    case: Case
    first: str
    second: str
    median_first: float
    median_second: float
    difference: float
    p: float
    p_holm: float
    a12: float
    verdict: str


def compare_pairs(
    samples: Mapping[Case, Mapping[str, Sequence[float]]],
) -> list[Comparison[Case]]:
    """Compare every pair of algorithms in every case; all tests are one family.

    Args:
        samples: for each case the sample of each algorithm. Algorithms may lack in a case.

    Returns:
        one comparison per case and unordered pair, in the order given.
    """
    pairs = [
        (case, one, two) for case, values in samples.items() for one, two in combinations(values, 2)
    ]
    tests = mann_whitneys([(samples[case][one], samples[case][two]) for case, one, two in pairs])
    corrected = holm([test.p for test in tests]).tolist()
    medians = {
        (case, name): quartiles(values).median
        for case, own in samples.items()
        for name, values in own.items()
    }
    found = []
    for (case, one, two), test, p_holm in zip(pairs, tests, corrected, strict=True):
        first, second = medians[case, one], medians[case, two]
        shown = verdict(p_holm, test.a12 - 0.5)
        row = first, second, first - second, test.p, p_holm, test.a12, shown
        found.append(Comparison(case, one, two, *row))
    return found


def _sample(values: npt.ArrayLike) -> FloatArray:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not len(sample) or not np.isfinite(sample).all():
        raise InputError("a sample must be a list of at least one number, all of them finite")
    return sample
