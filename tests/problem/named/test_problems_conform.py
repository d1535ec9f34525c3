"""Every problem that the package ships, by the suite for problems."""

from __future__ import annotations

import pytest

from mcu_nas_moo.problem.named.register import PROBLEMS, find_problem
from mcu_nas_moo.testing import ProblemSuite


class TestShipped(ProblemSuite):
    @pytest.fixture(autouse=True, params=list(PROBLEMS))
    def name(self, request):
        self.known = request.param

    def make(self):
        return find_problem(self.known).found
