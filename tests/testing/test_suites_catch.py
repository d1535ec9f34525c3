"""Each suite finds what it is there for: objects with one fault each, and the test that fails."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from mcu_nas_moo import Gene, InputError, Metric, SearchSpace
from mcu_nas_moo.networks.layer import Op, Slot
from mcu_nas_moo.networks.layer_table import LayerTable, Topology
from mcu_nas_moo.testing import (
    EvaluatorSuite,
    OptimiserSuite,
    ProblemSuite,
    SpaceSuite,
    ToySpace,
    toy_task,
)

FAULTS = (AssertionError, InputError, TypeError, KeyError, pytest.fail.Exception)
X = np.random.default_rng(0).integers(0, 4, (20, 6))


class Forgets(ToySpace):
    """Canonical forms are not those of the networks."""

    def canonical(self, X):
        return np.where(self.active(X), self.check(X), 1)


class Unstable(ToySpace):
    def canonical(self, X):
        return (super().canonical(X) + 1) % 4


class OneNeighbour(ToySpace):
    def neighbours(self, x):
        return super().neighbours(x)[:1]


class Miscounts(ToySpace):
    n_networks = 4**6


class NotPlain(ToySpace):
    facts = property(lambda self: {"genes": self.genes})


class SeesTheBatch(ToySpace):
    def features(self, X):
        features = super().features(X)
        return features - features.mean(axis=0)


class SeesHidden(ToySpace):
    def features(self, X):
        return self.check(X).astype(np.float32)


class Takes(ToySpace):
    def check(self, X):
        return np.asarray(X).astype(np.int64)


@pytest.mark.parametrize(
    ("space", "test"),
    [
        (Forgets, "test_encode_reads_what_decode_writes"),
        (Unstable, "test_canonical_form_stays_and_is_that_of_the_network"),
        (OneNeighbour, "test_neighbours_are_the_networks_one_gene_away"),
        (Miscounts, "test_number_of_networks"),
        (NotPlain, "test_facts_are_plain_and_decide_the_fingerprint"),
        (SeesTheBatch, "test_features_are_numbers_of_each_network"),
        (SeesHidden, "test_features_are_numbers_of_each_network"),
        (Takes, "test_wrong_genotypes_are_refused"),
    ],
)
def test_faults_of_spaces(space, test):
    suite = SpaceSuite()
    suite.make = space
    arguments = (space(),) if "facts" in test else (space(), X)
    with pytest.raises((*FAULTS, ValueError)):
        getattr(suite, test)(*arguments)
    suite.make = ToySpace
    getattr(suite, test)(*(ToySpace(), X)[: len(arguments)])  # the sound one passes


class Two(SearchSpace):
    """A convolution and a classifier; the second gene decides nothing, but features show it."""

    wrong = ""

    def __init__(self):
        super().__init__("two", [Gene("width", (4, 8)), Gene("unseen", (1, 2))])

    def features(self, X):
        features = super().features(X)
        return features[:, 2:4] if self.wrong == "features" else features

    def network(self, X):
        X = self.check(X)
        if self.wrong == "rows":
            X = X[:1]
        slots = (
            Slot("conv", Op.CONV, (0,), activation="relu"),
            Slot("pool", Op.GLOBAL_POOL, (1,)),
            Slot("dense", Op.DENSE, (2,)),
        )
        width = np.array([4, 8])[X[:, 0]]
        one, size = np.ones_like(width), np.full_like(width, 9)
        read = width + (self.wrong == "channels")
        columns = [
            (3 * one, read, width),  # in channels
            (width, width, 10 * one),
            *[(3 * one, one, one)] * 2,
            *[(one, one, one)] * 2,
            *[(size, size, one)] * 2,
            *[(size, one, one)] * 2,
        ]
        arrays = [np.stack(column, axis=1) for column in columns]
        return LayerTable(Topology(slots), np.ones((len(X), 3), dtype=bool), *arrays)


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        ("features", "test_equal_features_mean_equal_networks"),
        ("channels", "test_layers_fit_together_and_to_input_and_output"),
        ("rows", "test_networks_do_not_depend_on_the_batch"),
    ],
)
def test_faults_of_networks(wrong, test):
    space, X = Two(), np.array([[0, 0], [1, 0], [1, 1]] * 3)
    check = getattr(SpaceSuite(), test)
    check(space, X)
    space.wrong = wrong
    with pytest.raises(FAULTS):
        check(space, X)


class Sound:
    """An evaluator of one figure."""

    metrics = (Metric("loudness_db", unit="dB"),)
    fingerprint = "1"

    def evaluate(self, space, X):
        return {"loudness_db": space.canonical(X).sum(axis=1) / 7}


class Changes(Sound):
    def evaluate(self, space, X):
        X[:] = 0
        return super().evaluate(space, X)


class Silent(Sound):
    def evaluate(self, space, X):
        return {"loudness_db": np.full(len(X), np.nan)}


class Endless(Sound):
    def evaluate(self, space, X):
        return {"loudness_db": np.full(len(X), np.inf)}


class Breaks(Sound):
    def evaluate(self, space, X):
        return {"loudness": np.zeros(len(X))}


class Wide(Sound):
    def evaluate(self, space, X):
        return {"loudness_db": np.zeros((len(X), 1))}


class Relative(Sound):
    def evaluate(self, space, X):
        return {"loudness_db": X.sum(axis=1) - (X.sum(axis=1).mean() if len(X) else 0)}


class Unhidden(Sound):
    def evaluate(self, space, X):
        return {"loudness_db": X.sum(axis=1)}


class Twice(Sound):
    metrics = ("error", "error")


class Unknown(Sound):
    metrics = ("loudness",)


class Lock(Sound):
    def __init__(self):
        self.lock = threading.Lock()


class Random(Sound):
    def __init__(self):
        self.fingerprint = str(np.random.default_rng().random())


@pytest.mark.parametrize(
    ("evaluator", "test"),
    [
        (Twice, "test_it_is_an_evaluator_with_known_metrics_or_its_own"),
        (Unknown, "test_it_is_an_evaluator_with_known_metrics_or_its_own"),
        (Changes, "test_a_number_for_each_network_or_a_reason"),
        (Silent, "test_a_number_for_each_network_or_a_reason"),
        (Endless, "test_a_number_for_each_network_or_a_reason"),
        (Breaks, "test_a_number_for_each_network_or_a_reason"),
        (Wide, "test_a_number_for_each_network_or_a_reason"),
        (Wide, "test_no_networks_have_no_figures"),
        (Relative, "test_a_network_has_the_same_figures_in_any_batch"),
        (Unhidden, "test_a_network_has_the_same_figures_in_any_batch"),
        (Lock, "test_it_travels_to_other_processes"),
        (Random, "test_equal_ones_have_equal_fingerprints"),
    ],
)
def test_faults_of_evaluators(evaluator, test):
    for made in (Sound, evaluator):
        suite = EvaluatorSuite()
        suite.make = made
        short = "fingerprints" in test or "known" in test
        arguments = (made(),) if short else (made(), ToySpace(), X.copy())
        if made is Sound:
            getattr(suite, test)(*arguments)
            continue
        with pytest.raises(FAULTS):
            getattr(suite, test)(*arguments)


class Draws:
    """A sound optimiser."""

    def __init__(self, setting):
        self.setting, self.told = setting, 0
        self.rng = np.random.default_rng(setting.seed)

    def ask(self):
        return self.setting.task.space.sample(10, self.rng)

    def tell(self, X, F, G):
        assert np.isfinite(F).all()
        assert np.isfinite(G).all()


class Stops(Draws):
    def ask(self):
        self.told += 1
        return super().ask() if self.told < 3 else np.zeros((0, 3), dtype=int)


class Unseeded(Draws):
    def __init__(self, setting):
        super().__init__(setting)
        self.rng = np.random.default_rng()


class OneSeed(Draws):
    def __init__(self, setting):
        super().__init__(setting)
        self.rng = np.random.default_rng(0)


class TwoObjectives(Draws):
    def tell(self, X, F, G):
        assert F.shape[1] == 2


class NeedsLimits(Draws):
    def tell(self, X, F, G):
        G.max(axis=1)


class Peeks(Draws):
    def ask(self):
        X = super().ask()
        self.setting.task.evaluate(X)
        return X


class OutOfRange(Draws):
    def ask(self):
        return super().ask() + 3


class KeepsLock(Draws):
    def __reduce__(self):
        raise TypeError("no copies")


@pytest.mark.parametrize(
    ("optimiser", "test", "arguments"),
    [
        (Stops, "test_a_run_ends_with_its_budget_or_when_nothing_is_left", ()),
        (Peeks, "test_a_run_ends_with_its_budget_or_when_nothing_is_left", ()),
        (OutOfRange, "test_a_run_ends_with_its_budget_or_when_nothing_is_left", ()),
        (Unseeded, "test_the_seed_decides", ()),
        (OneSeed, "test_the_seed_decides", ()),
        (TwoObjectives, "test_any_number_of_objectives", (3,)),
        (NeedsLimits, "test_no_constraints", ()),
    ],
)
def test_faults_of_optimisers(optimiser, test, arguments):
    suite = OptimiserSuite()
    suite.make = lambda: Draws
    getattr(suite, test)(*arguments)
    suite.make = lambda: optimiser
    with pytest.raises((*FAULTS, ValueError)):
        getattr(suite, test)(*arguments)


def test_an_optimiser_that_cannot_be_copied():
    suite = OptimiserSuite()
    setting = SimpleNamespace(seed=0, task=toy_task())
    suite.make = lambda: KeepsLock(setting)
    with pytest.raises(TypeError, match="no copies"):
        suite.test_it_travels_to_other_processes()


class Counts:
    """A sound problem."""

    n_choices = (4,) * 6
    objectives = ("ones", "zeros")
    constraints = ("few",)
    shift = 0.0
    reference_front = ((-5.0, 5.0), (0.0, 0.0))

    def decode(self, X):
        return ["".join(map(str, x)) for x in X]

    def evaluate(self, X):
        ones = (X == 1).sum(axis=1)
        F = np.stack([-ones, ones + self.shift], axis=1).astype(float)
        return F, ones[:, None] - 5.0


class Narrow(Counts):
    constraints = ("few", "many")


class SameName(Counts):
    objectives = ("ones", "ones")


class Shifts(Counts):
    def evaluate(self, X):
        self.shift += 1
        return super().evaluate(X)


class Beaten(Counts):
    def reference_front(self):
        return [[0.0, 6.5]]


class Mute(Counts):
    def decode(self, X):
        return X


class Zeroes(Counts):
    def evaluate(self, X):
        X[:] = 0
        return super().evaluate(X)


@pytest.mark.parametrize(
    ("problem", "test"),
    [
        (SameName, "test_its_genes_and_names"),
        (Narrow, "test_a_row_for_each_genotype"),
        (Zeroes, "test_a_row_for_each_genotype"),
        (Narrow, "test_no_genotypes"),
        (Beaten, "test_no_genotype_is_better_than_the_reference_front"),
        (Mute, "test_decode_tells_what_each_genotype_means"),
        (Shifts, "test_a_genotype_has_the_same_values_in_any_batch"),
    ],
)
def test_faults_of_problems(problem, test):
    for made in (Counts, problem):
        suite = ProblemSuite()
        suite.make = made
        arguments = (made(),) if "names" in test else (made(), X.copy())
        if made is Counts:
            getattr(suite, test)(*arguments)
            continue
        with pytest.raises(FAULTS):
            getattr(suite, test)(*arguments)
