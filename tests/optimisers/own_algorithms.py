"""What a user might bring, good and bad. A module of its own, so that names can refer to it."""

from __future__ import annotations

import numpy as np
import optuna
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.rnsga2 import RNSGA2
from pymoo.algorithms.moo.rvea import RVEA
from pymoo.algorithms.moo.spea2 import SPEA2

from mcu_nas_moo.problem.adapters.pymoo_operators import integer_operators

__all__ = ["SPEA2"]


class Tries:
    """The smallest networks first; an ask/tell object that takes the run's setting."""

    any_time = True
    ceiling = 1000

    def __init__(self, setting):
        self.n_choices = setting.task.n_choices
        self.rng = np.random.default_rng(setting.seed)
        self.settings = {"rows": np.int64(5), "shape": (1, 2), "task": setting.task}
        self.told = []

    def ask(self):
        return self.rng.integers(0, self.n_choices, size=(5, len(self.n_choices)))

    def tell(self, X, F, G):
        self.told.append(len(X))
        X[:], F[:], G[:] = -1, np.nan, np.nan  # what it is given is its own


class Simple:
    """Needs nothing to start."""

    def ask(self):
        return np.ones((3, 6)) * 2.0  # whole numbers, though not integers

    def tell(self, X, F, G):
        assert len(X) == len(F) == len(G)


class KeepsState(Simple):
    """Says of itself that it cannot be replayed."""

    replayable = False


simple = Simple()


def make_tries(seed, setting=None):
    assert setting is not None
    return Tries(setting)


def first_argument(run, seed=17):
    assert run.seed == seed
    return Tries(run)


class MyNSGA2(NSGA2):
    """A subclass with operators of its own."""

    def __init__(self, pop_size=12):
        super().__init__(pop_size, **integer_operators())


def make_nsga2():
    return MyNSGA2(8)


ready_nsga2 = MyNSGA2(10)
PlainNSGA2 = NSGA2
PlainRVEA = RVEA
NeedsPoints = RNSGA2


def real_nsga2():
    return NSGA2(pop_size=10)


Sampler = optuna.samplers.RandomSampler


def make_sampler(seed):
    return optuna.samplers.NSGAIISampler(population_size=10, seed=seed)


ready_sampler = optuna.samplers.TPESampler(multivariate=True, seed=3)
ready_genetic = optuna.samplers.NSGAIISampler(population_size=10)


class NoOptimiser:
    pass


number = 5


def returns_nothing():
    return None


def needs_much(setting, width, depth):
    return Tries(setting)


class Proposes:
    """Asks for what a test sets."""

    proposal = None

    def ask(self):
        return type(self).proposal

    def tell(self, X, F, G):
        type(self).told.append(X.copy())
