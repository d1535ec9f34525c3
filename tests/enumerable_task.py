"""A task small enough to enumerate, with the attributes that adapters use."""

from __future__ import annotations

from itertools import product

import numpy as np

from mcu_nas_moo.problem.facts import ProblemFacts
from mcu_nas_moo.problem.task import Evaluation
from mcu_nas_moo.spaces.genes import Gene, SearchSpace


class ToySpace(SearchSpace):
    """Five genes; the second kernel size has no effect in a network of depth 1."""

    def __init__(self):
        genes = (
            Gene("depth", (1, 2)),
            Gene("kernel1", (3, 5)),
            Gene("kernel2", (3, 5)),
            Gene("width", (8, 12, 16)),
            Gene("head", (64, 96, 128, 192)),
        )
        super().__init__("toy", genes)

    def active(self, X):
        mask = np.ones(self.check(X).shape, dtype=bool)
        mask[:, 2] = np.asarray(X)[:, 0] == 1
        return mask


class ToyTask:
    """Error falls and latency rises with every gene; two limits, in different units, bind."""

    objectives = ("error", "latency")
    constraint_names = ("flash", "sram", "latency")
    n_obj, n_con = 2, 3
    reason = staticmethod(lambda x: None)

    def facts(self):
        return ProblemFacts(
            space="toy", objectives=self.objectives, limits=self.limits, fingerprint="toy"
        )

    def __init__(self):
        self.limits = {"flash_kib": 900.0, "sram_kib": 40.0, "latency_ms": 30.0}
        self.space = ToySpace()
        self.n_genes, self.n_choices = self.space.n_genes, self.space.n_choices

    def metrics(self, X):
        X = self.space.canonical(X)
        depth, kernel1, kernel2, width, head = X.T.astype(float)
        return {
            "error": 1 / (2 + depth + 0.8 * kernel1 + 0.7 * kernel2 + 1.1 * width + 0.4 * head),
            "latency_ms": 5 + 4 * depth + 3 * kernel1 + 2.5 * kernel2 + 5 * width + 2.2 * head,
            "flash_kib": 300 + 100 * depth + 150 * width + 120 * head,
            "sram_kib": 20 + 10 * width + 2 * kernel1,
        }

    def evaluate(self, X):
        return self.score(self.metrics(self.space.check(X)))

    def score(self, m):
        excess = [m[name] / limit - 1.0 for name, limit in self.limits.items()]
        return Evaluation(np.stack([m["error"], m["latency_ms"]], axis=1), np.stack(excess, axis=1))

    def all_genotypes(self):
        return np.array(list(product(*(range(n) for n in self.n_choices))))

    def feasible_front(self):
        """Canonical genotypes of the constrained Pareto set, by comparing all pairs."""
        X = np.unique(self.space.canonical(self.all_genotypes()), axis=0)
        F, G = self.evaluate(X)
        X, F = X[(G <= 0).all(axis=1)], F[(G <= 0).all(axis=1)]
        no_worse = (F[:, None] <= F[None]).all(axis=2)
        better = (F[:, None] < F[None]).any(axis=2)
        return {tuple(x) for x in X[~(no_worse & better).any(axis=0)].tolist()}
