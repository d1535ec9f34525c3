"""The paired test of the ablation, against all signs that differences may have."""

import importlib
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
wilcoxon = importlib.import_module("ablation_table").wilcoxon


@pytest.mark.parametrize("seed", range(5))
def test_wilcoxon_p_is_that_of_all_signs(seed):
    rng = np.random.default_rng(seed)
    differences = rng.permutation(np.arange(1, 9)) * rng.choice([-1.0, 1.0], 8)
    ranks = rankdata(np.abs(differences))
    sums = np.array([(ranks * signs).sum() for signs in product((-1, 1), repeat=8)])
    observed = (ranks * np.sign(differences)).sum()
    test = wilcoxon(differences + 7.0, np.full(8, 7.0))
    assert test.p == pytest.approx(np.mean(np.abs(sums) >= abs(observed)))
    assert test.effect == pytest.approx(observed / ranks.sum())


def test_wilcoxon_leaves_out_pairs_without_a_difference():
    first, second = [3.0, 5.0, 1.0, 4.0], [2.0, 7.0, 1.0, 1.0]
    # Differences 1, -2, 3 have the ranks 1, 2, 3.
    test = wilcoxon(first, second)
    assert test.effect == pytest.approx((1 - 2 + 3) / 6)
    assert test.p == pytest.approx(wilcoxon([3.0, 5.0, 4.0], [2.0, 7.0, 1.0]).p)


def test_paired_samples_must_have_one_length():
    with pytest.raises(ValueError, match="3 and 2"):
        wilcoxon([1.0, 2.0, 3.0], [1.0, 2.0])


def test_samples_without_any_difference():
    assert wilcoxon([1.0, 2.0], [1.0, 2.0]) == (1.0, 0.0)
