"""The toy task of ``mcu_nas_moo.testing`` on a board, and its true front.

A module of its own and not part of conftest, so that worker processes can import it.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from mcu_nas_moo import load_profile, testing
from mcu_nas_moo.benchmark.references.reference import Reference
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.facts import ProblemFacts
from mcu_nas_moo.testing.toy_task import TOY_LIMITS, toy_figures

__all__ = ["NO_PROBLEM", "ToySpace", "ToyTask", "brute_force_reference", "toy_figures"]
#: For references whose figures alone count.
NO_PROBLEM = ProblemFacts(space="s", profile="p", objectives=("error", "latency"), fingerprint="f")
BOARD = load_profile("cortex-m7")


class ToySpace(testing.ToySpace):
    """Six genes of four sizes; the last one has no effect while the first one is smallest."""

    def everything(self):
        return np.array(list(product(range(4), repeat=self.n_genes)), dtype=np.int64)


class ToyTask(testing.ToyTask):
    """The toy task, with a device, and limits that may be given one by one."""

    def __init__(self, objectives=("error", "latency"), limits=None, board="toy-board", **others):
        profile = BOARD.model_copy(update={"name": board})
        others = {"space": ToySpace(), "profile": profile} | others
        super().__init__(objectives, TOY_LIMITS | (limits or {}), **others)


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
