"""Conformance suites for what others write, and a toy task; needs pytest.

A suite is a class of tests. A subclass in a file of tests says what is to be looked at::

    from mcu_nas_moo.testing import SpaceSuite

    class TestMySpace(SpaceSuite):
        def make(self):
            return MySpace()
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{part}_suite" for part in ("space", "evaluator", "optimiser", "problem"))
)

from mcu_nas_moo.testing.evaluator_suite import EvaluatorSuite  # noqa: E402
from mcu_nas_moo.testing.optimiser_suite import OptimiserSuite  # noqa: E402
from mcu_nas_moo.testing.problem_suite import ProblemSuite  # noqa: E402
from mcu_nas_moo.testing.space_suite import SpaceSuite  # noqa: E402
from mcu_nas_moo.testing.toy_task import ToySpace, ToyTask, toy_figures, toy_task  # noqa: E402

__all__ = [
    "EvaluatorSuite",
    "OptimiserSuite",
    "ProblemSuite",
    "SpaceSuite",
    "ToySpace",
    "ToyTask",
    "toy_figures",
    "toy_task",
]
