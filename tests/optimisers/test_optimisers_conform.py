"""Every registered optimiser, and one of each kind of users' own, by the suite for optimisers."""

from __future__ import annotations

import own_algorithms
import pytest

from mcu_nas_moo.optimisers.entries import ENTRIES
from mcu_nas_moo.testing import OptimiserSuite

#: Every network is looked at, in an order that is always the same.
SEEDLESS = ("exhaustive",)
MORE_THAN_ONE = ("rvea",)


class TestRegistered(OptimiserSuite):
    @pytest.fixture(autouse=True, params=list(ENTRIES))
    def name(self, request):
        self.known = request.param
        self.seeded = self.known not in SEEDLESS
        self.n_objectives = (2, 3, 4) if self.known in MORE_THAN_ONE else (1, 2, 3, 4)

    def make(self):
        return self.known


class TestNamedByModule(OptimiserSuite):
    def make(self):
        return "own_algorithms:Tries"


class TestPymooClass(OptimiserSuite):
    def make(self):
        return own_algorithms.MyNSGA2


class TestOptunaSampler(OptimiserSuite):
    def make(self):
        return own_algorithms.make_sampler
