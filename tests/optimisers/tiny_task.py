"""A problem with fewer networks than any sensible budget."""

from __future__ import annotations

import numpy as np
from toy_task import ToyTask

from mcu_nas_moo.spaces.genes import Gene, SearchSpace


class TinySpace(SearchSpace):
    """Three genes, one of them with a single option.

    The last one needs the second option of the first.
    """

    def __init__(self):
        super().__init__("tiny", (Gene("a", (1, 2)), Gene("b", (3,)), Gene("c", (1, 2, 4))))

    n_networks = 4

    def active(self, X):
        mask = np.ones(self.check(X).shape, dtype=bool)
        mask[:, 2] = np.asarray(X)[:, 0] == 1
        return mask


def tiny_figures(space, X):
    """Costs rise and error falls with both sizes."""
    first, _, last = space.canonical(X).T.astype(float)
    latency = 2 + 3 * first + 2 * last
    costs = ("latency_ms", "sram_kib", "flash_kib", "energy_mj", "macs_m")
    return {"accuracy": 1 - 1 / latency} | dict.fromkeys(costs, latency)


class TinyTask(ToyTask):
    """A toy task of four networks."""

    def __init__(self):
        super().__init__(limits={"latency_ms": 9.0}, space=TinySpace(), figures=tiny_figures)
