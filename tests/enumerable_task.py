"""A task small enough to enumerate, with the attributes that adapters use."""

from __future__ import annotations

from itertools import product

import numpy as np

from mcu_nas_moo import testing
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


def figures(space, X):
    """Error falls and latency rises with every gene."""
    depth, kernel1, kernel2, width, head = space.canonical(X).T.astype(float)
    return {
        "error": 1 / (2 + depth + 0.8 * kernel1 + 0.7 * kernel2 + 1.1 * width + 0.4 * head),
        "latency_ms": 5 + 4 * depth + 3 * kernel1 + 2.5 * kernel2 + 5 * width + 2.2 * head,
        "flash_kib": 300 + 100 * depth + 150 * width + 120 * head,
        "sram_kib": 20 + 10 * width + 2 * kernel1,
    }


class ToyTask(testing.ToyTask):
    """Two limits, in different units, bind."""

    def __init__(self):
        limits = {"flash_kib": 900.0, "sram_kib": 40.0, "latency_ms": 30.0}
        metrics = ("error", *limits)
        super().__init__(limits=limits, space=ToySpace(), figures=figures, metrics=metrics)

    def all_genotypes(self):
        return np.array(list(product(*(range(n) for n in self.n_choices))))

    def feasible_front(self):
        """Canonical genotypes of the constrained Pareto set, by comparing all pairs."""
        return {tuple(x) for x in self.front()[0].tolist()}
