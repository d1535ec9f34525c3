"""A small problem with the face of a Task, whose whole space can be evaluated.

A module of its own and not part of conftest, so that worker processes can import it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import product
from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from mcu_nas_moo.benchmark.references.reference import Reference
from mcu_nas_moo.contracts.metrics import METRICS, OBJECTIVES
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.facts import ProblemFacts
from mcu_nas_moo.problem.task import Evaluation
from mcu_nas_moo.spaces.genes import Gene, SearchSpace

#: For references whose figures alone count.
NO_PROBLEM = ProblemFacts(space="s", profile="p", objectives=("error", "latency"), fingerprint="f")


class ToySpace(SearchSpace):
    """Six genes of four sizes; the last one has no effect while the first one is smallest."""

    def __init__(self):
        super().__init__("toy", tuple(Gene(f"stage{g}_width", (1, 2, 4, 8)) for g in range(1, 7)))

    @property
    def n_networks(self):
        return 4**5 * 3 + 4**4

    def active(self, X):
        X = self.check(X)
        mask = np.ones(X.shape, dtype=bool)
        mask[X[:, 0] == 0, 5] = False
        return mask

    def everything(self):
        return np.array(list(product(range(4), repeat=self.n_genes)), dtype=np.int64)


class ToyTask:
    """Accuracy and costs grow with the sizes, each gene with weights of its own."""

    def __init__(self, objectives=("error", "latency"), limits=None):
        self.space = ToySpace()
        self.objectives = tuple(objectives)
        self.profile = SimpleNamespace(name="toy-board")
        self.limits = {"flash_kib": 60.0, "sram_kib": 13.0, "latency_ms": 30.0, **(limits or {})}
        self.evaluations = 0

    n_con = 3
    constraint_names = ("flash", "sram", "latency")
    learned_metrics = ()
    predictor = cost_model = problem = reference_front = None
    table = METRICS
    told = frozenset(METRICS)
    cost = "microseconds"
    device_name = property(lambda self: self.profile.name)
    reason = staticmethod(lambda x: None)
    _objective_metrics = property(lambda self: self.facts().objective_metrics)
    _limited_metrics = property(lambda self: self.facts().limited_metrics)
    changed_limits: ClassVar = {}
    name = property(lambda self: self.facts().name)

    @property
    def title(self):
        return f"toy on {self.profile.name}"

    @property
    def n_genes(self):
        return self.space.n_genes

    @property
    def n_choices(self):
        return self.space.n_choices

    @property
    def objective_metrics(self):
        return tuple(OBJECTIVES[name] for name in self.objectives)

    @property
    def n_obj(self):
        return len(self.objectives)

    def facts(self):
        return ProblemFacts(
            space=self.space.name,
            profile=self.profile.name,
            objectives=self.objectives,
            limits=self.limits,
            fingerprint=self.fingerprint,
            fingerprints=self.fingerprints,
        )

    @property
    def fingerprints(self):
        return {"task": self.fingerprint}

    @cached_property
    def fingerprint(self):
        return f"toy-{self.objectives}-{sorted(self.limits.items())}"

    def metrics(self, X):
        X = self.space.canonical(X)
        size = np.array([1.0, 2.0, 4.0, 8.0])[X]
        latency = size @ np.array([0.7, 1.9, 1.1, 2.3, 0.5, 1.3]) + 0.37
        accuracy = 1 - np.exp(-(np.log2(size) @ np.array([0.31, 0.07, 0.23, 0.17, 0.11, 0.05])))
        return {
            "accuracy": accuracy,
            "accuracy_std": np.full(len(X), 0.01),
            "error": 1 - accuracy,
            "latency_ms": latency,
            "sram_kib": size[:, :-1].max(axis=1) + size[:, 1:].max(axis=1) + 1.0,
            "flash_kib": size @ np.array([1.0, 1.5, 2.0, 2.5, 3.0, 3.5]),
            "energy_mj": 0.3 * latency,
            "macs_m": latency / 10,
        }

    def evaluate(self, X):
        self.evaluations += len(X)
        metrics = self.metrics(X)
        columns = {"error": "error", "latency": "latency_ms", "energy": "energy_mj"}
        columns |= {"sram": "sram_kib", "flash": "flash_kib", "macs": "macs_m"}
        return Evaluation(
            np.stack([metrics[columns[name]] for name in self.objectives], axis=1),
            np.stack([metrics[m] / limit - 1 for m, limit in self.limits.items()], axis=1),
        )


def pairwise_front(F):
    """Rows that no other row dominates: each against each, without a library."""
    no_worse = np.ones((len(F), len(F)), dtype=bool)
    better = np.zeros((len(F), len(F)), dtype=bool)
    for column in F.T:
        no_worse &= column[:, None] <= column
        better |= column[:, None] < column
    return np.flatnonzero(~(no_worse & better).any(axis=0))


def brute_force_reference(task):
    """The true front of the toy task."""
    X = task.space.everything()
    F, G = task.evaluate(X)
    task.evaluations = 0
    X, F = X[feasible(G)], F[feasible(G)]
    front = pairwise_front(F)
    X, F = X[front], F[front]
    F, first = np.unique(F, axis=0, return_index=True)
    return Reference(task.facts(), task.space.canonical(X)[first], F)
