import numpy as np
import pytest
from scipy.stats import norm

from mcu_nas_moo.optimisers.ppo.memory import Rows
from mcu_nas_moo.optimisers.ppo.surrogate import NOISE, STEP, Surrogate

N_CHOICES = np.array([4, 3, 1, 5, 4, 3])
ORDERED = np.ones(6, dtype=bool)


def points(count, seed=0):
    """Distinct random genotypes."""
    X = np.random.default_rng(seed).integers(0, N_CHOICES, size=(20 * count, len(N_CHOICES)))
    unique = np.unique(X, axis=0)
    return np.random.default_rng(seed).permutation(unique)[:count]


def smooth(X):
    """Two objectives of either sign, without curves that a logarithm would straighten."""
    x = X / np.maximum(N_CHOICES - 1, 1)
    return np.stack([x @ [3, -2, 0, 1, -1, 1] + x[:, 0] * x[:, 3], np.sin(2 * x).sum(axis=1)], 1)


def no_constraints(X):
    return np.empty((len(X), 0))


def fitted(X, F, G=None, ordered=ORDERED):
    return Surrogate(Rows(X, F, no_constraints(X) if G is None else G), N_CHOICES, ordered)


def textbook_kernel(A, B, ordered=ORDERED):
    """Gaussian in the mean squared distance of the genes that have a choice, in float64."""
    total = np.zeros((len(A), len(B)))
    for gene, n in enumerate(N_CHOICES):
        if n > 1:
            apart = A[:, None, gene] - B[None, :, gene]
            step = (apart != 0) * STEP
            total += step + (np.square(apart / (n - 1)) if ordered[gene] else apart != 0)
    return np.exp(-total / np.count_nonzero(N_CHOICES > 1) / 2)


def textbook_mean(X, y, new, ordered=ORDERED):
    """Posterior mean of a Gaussian process with the mean and variance of ``y``."""
    K = textbook_kernel(X, X, ordered) + NOISE * np.eye(len(X))
    k = textbook_kernel(new, X, ordered)
    return k @ np.linalg.solve(K, (y - y.mean()) / y.std()) * y.std() + y.mean()


def refitted_without_each(X, y):
    """What a process fitted without a point predicts there; mean and variance are those of all."""
    centred = (y - y.mean()) / y.std()
    predicted = []
    for i in range(len(X)):
        rest = np.arange(len(X)) != i
        K = textbook_kernel(X[rest], X[rest]) + NOISE * np.eye(len(X) - 1)
        k = textbook_kernel(X[i : i + 1], X[rest])
        predicted.append((k @ np.linalg.solve(K, centred[rest]))[0])
    return np.array(predicted) * y.std() + y.mean()


def explained(y, predicted):
    return 1 - np.square(predicted - y).sum() / np.square(y - y.mean()).sum()


def to_log(y, low, median):
    return np.log1p((y - low) / (median - low))


def from_log(t, low, median):
    return np.expm1(t) * (median - low) + low


@pytest.mark.parametrize("n_unordered", [0, 2, 6])
def test_predicts_as_a_textbook_gaussian_process_does(n_unordered):
    ordered = np.arange(6) >= n_unordered
    X, new = np.split(points(100), [60])
    F = np.stack([np.sin(3 * smooth(X)[:, 0]), np.exp(3 * smooth(X)[:, 0])], axis=1)
    surrogate = fitted(X, F, ordered=ordered)
    assert surrogate._log[1]
    for column, y in enumerate(F.T):
        expected = textbook_mean(X, y, new, ordered)
        if surrogate._log[column]:
            low, median = y.min(), np.median(y)
            modelled = textbook_mean(X, to_log(y, low, median), new, ordered)
            expected = from_log(modelled, low, median)
        got = surrogate.predict(new).F[:, column]
        np.testing.assert_allclose(got, expected, atol=1e-3 * y.std())


@pytest.mark.parametrize("seed", range(3))
def test_fit_is_that_of_refitting_without_each_point(seed):
    X = points(25, seed)
    rng = np.random.default_rng(seed)
    F = np.stack(
        [smooth(X)[:, 0], np.exp(2 * smooth(X)[:, 1]), rng.standard_normal(len(X))], axis=1
    )
    for column, y in enumerate(F.T):
        low, median = y.min(), np.median(y)
        plain = explained(y, refitted_without_each(X, y))
        logarithmic = from_log(refitted_without_each(X, to_log(y, low, median)), low, median)
        expected = max(plain, explained(y, logarithmic))
        assert fitted(X, F).fit[column] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_chance_of_feasibility_from_left_out_errors_and_remoteness():
    X, new = np.split(points(70), [40])
    G = np.sin(3 * smooth(X)[:, :1])
    surrogate = fitted(X, smooth(X), G)
    assert not surrogate._log[2]
    y = G[:, 0]
    error = np.sqrt(np.square(refitted_without_each(X, y) - y).mean())
    among = textbook_kernel(X, X) - np.eye(len(X))
    remoteness = np.sqrt((1 - np.square(among.max(axis=1))).mean())
    nearest = textbook_kernel(new, X).max(axis=1)
    error = error * np.sqrt(1 - np.square(nearest)) / remoteness
    expected = norm.cdf(-textbook_mean(X, y, new) / error)
    np.testing.assert_allclose(surrogate.predict(new).feasible, expected, atol=5e-3)
    assert 0.1 < expected.mean() < 0.9


def test_several_constraints_must_all_be_met():
    X, new = np.split(points(120), [80])
    G = np.stack([smooth(X)[:, 0] - 0.5, smooth(X)[:, 1] - 2], axis=1)
    alone = [fitted(X, smooth(X), G[:, [i]]).predict(new).feasible for i in range(2)]
    both = fitted(X, smooth(X), G).predict(new).feasible
    np.testing.assert_allclose(both, alone[0] * alone[1], atol=1e-6)


def test_feasible_without_constraints():
    X = points(30)
    prediction = fitted(X, smooth(X)).predict(X)
    assert prediction.G.shape == (30, 0)
    assert (prediction.feasible == 1).all()


@pytest.mark.parametrize(("factor", "shift"), [(1e-6, 0.0), (1e9, 0.0), (3.0, -50.0), (1e3, 1e6)])
def test_units_of_objectives_do_not_matter(factor, shift):
    X, new = np.split(points(90), [60])
    F = np.stack([smooth(X)[:, 0], np.exp(2 * smooth(X)[:, 1])], axis=1)
    surrogate, other = fitted(X, F), fitted(X, factor * F + shift)
    np.testing.assert_allclose(other.fit, surrogate.fit, atol=1e-5)
    np.testing.assert_array_equal(other._log, surrogate._log)
    for optimism in (0.0, 1.5):
        expected = factor * surrogate.predict(new, optimism).F + shift
        got = other.predict(new, optimism).F
        np.testing.assert_allclose(got, expected, atol=1e-4 * factor * F.std())


@pytest.mark.parametrize("factor", [1e-6, 1e9])
@pytest.mark.parametrize("shift", [0.5, -4.0])
def test_units_of_constraints_do_not_matter(factor, shift):
    X, new = np.split(points(90), [60])
    # Some are met; or, in the other case, none is met yet.
    G = np.exp(smooth(X)) - np.exp(smooth(X)).min(axis=0) - shift
    expected = fitted(X, smooth(X), G).predict(new).feasible
    got = fitted(X, smooth(X), factor * G).predict(new).feasible
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_products_are_modelled_as_logarithms_and_sums_as_they_are():
    X, new = np.split(points(250), [120])
    sums = smooth(X)[:, 0]
    F = np.stack([sums, np.exp(3 * sums)], axis=1)
    surrogate = fitted(X, F)
    assert surrogate._log.tolist() == [False, True]
    # The logarithm is worth it: without it, the textbook process is much farther off.
    truth = np.exp(3 * smooth(new)[:, 0])
    wrong = np.square(surrogate.predict(new).F[:, 1] - truth).mean()
    assert wrong < np.square(textbook_mean(X, F[:, 1], new) - truth).mean() / 4


def test_a_limit_that_no_logarithm_reaches_is_modelled_as_it_is():
    X = points(120)
    products = np.exp(smooth(X)[:, :1])
    reached = products - 3 * products.min()
    # All values are far above the limit of 0, farther than the scale of the logarithm goes.
    beyond = products + 10 * np.median(products)
    assert fitted(X, smooth(X), reached)._log[2]
    surrogate = fitted(X, smooth(X), beyond)
    assert not surrogate._log[2]
    assert surrogate.predict(points(200, seed=1)).feasible.max() < 0.1


@pytest.mark.parametrize("logarithmic", [False, True])
def test_threshold_of_a_constraint_separates_known_points(logarithmic):
    X = points(150)
    value = np.exp(3 * smooth(X)[:, :1]) if logarithmic else smooth(X)[:, :1]
    G = value - np.median(value)
    surrogate = fitted(X, smooth(X), G)
    assert surrogate._log[2] == logarithmic
    likely = surrogate.predict(X).feasible > 0.5
    # Half are feasible; only what lies just at the limit may be taken for the other kind.
    assert (likely == (G[:, 0] <= 0)).mean() > 0.9


def test_optimism_makes_everything_better_the_less_is_known():
    X, new = np.split(points(110), [60])
    G = smooth(X)[:, :1] - 1
    surrogate = fitted(X, np.stack([smooth(X)[:, 0], np.exp(smooth(X)[:, 1])], axis=1), G)
    plain, hopeful = surrogate.predict(new), surrogate.predict(new, optimism=2.0)
    assert (hopeful.F < plain.F).all()
    assert (hopeful.G < plain.G).all()
    assert (hopeful.feasible >= plain.feasible).all()
    twice = plain.G - surrogate.predict(new, optimism=4.0).G
    np.testing.assert_allclose(twice, 2 * (plain.G - hopeful.G), rtol=1e-4)
    nearest = textbook_kernel(new, X).max(axis=1)
    gain = (plain.G - hopeful.G)[:, 0]
    assert (np.diff(gain[np.argsort(nearest)]) <= 1e-6).all()


def test_a_known_point_is_far_surer_than_a_remote_one():
    near = points(80) // 2
    X = np.unique(near, axis=0)
    surrogate = fitted(X, smooth(X))
    remote = (N_CHOICES - 1)[None]

    def gain(x):
        return (surrogate.predict(x).F - surrogate.predict(x, 1.0).F).max()

    assert gain(X[:1]) < gain(remote) / 20


def test_fit_tells_structure_from_noise():
    X = points(200)
    noise = np.random.default_rng(0).standard_normal(len(X))
    fit = fitted(X, np.stack([smooth(X)[:, 0], noise], axis=1)).fit
    assert fit[0] > 0.99
    assert fit[1] < 0.2


def test_the_numbers_of_names_do_not_matter():
    X = points(80)
    F = np.random.default_rng(1).standard_normal((6, 5))[np.arange(6), X].sum(axis=1)[:, None]
    other = X.copy()
    other[:, 3] = np.array([3, 0, 4, 1, 2])[X[:, 3]]
    for ordered, same in ((~ORDERED, True), (ORDERED, False), (np.arange(6) != 3, True)):
        difference = fitted(other, F, ordered=ordered).fit - fitted(X, F, ordered=ordered).fit
        assert (abs(difference[0]) < 1e-6) == same


def test_constant_columns_are_predicted_as_constant():
    X = points(40)
    F = np.stack([np.full(40, 7.0), smooth(X)[:, 0]], axis=1)
    G = np.stack([np.full(40, -0.5), np.full(40, 0.2)], axis=1)
    surrogate = fitted(X, F, G)
    new = points(60, seed=1)
    prediction = surrogate.predict(new, optimism=1.0)
    np.testing.assert_allclose(prediction.F[:, 0], 7.0, atol=1e-4)
    assert surrogate.fit[0] == pytest.approx(1.0)
    np.testing.assert_allclose(prediction.feasible, 0.0, atol=1e-9)
    np.testing.assert_allclose(fitted(X, F, G[:, :1]).predict(new).feasible, 1.0, atol=1e-9)


def test_a_point_known_twice_does_no_harm():
    X = points(60)
    twice = np.concatenate([X, X[:20]])
    surrogate = fitted(twice, smooth(twice))
    new = points(100, seed=1)
    prediction = surrogate.predict(new).F
    truth = fitted(X, smooth(X)).predict(new).F
    np.testing.assert_allclose(prediction, truth, atol=0.05 * smooth(X).std())


@pytest.mark.parametrize("count", [2, 3])
def test_few_points_are_enough_to_go_on(count):
    X = points(count)
    surrogate = fitted(X, smooth(X), smooth(X)[:, :1])
    prediction = surrogate.predict(points(20, seed=1), optimism=1.0)
    assert all(np.isfinite(part).all() for part in prediction)
    assert np.isfinite(surrogate.fit).all()
