from __future__ import annotations

import pytest
from small_results import problem

from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse


@pytest.fixture(scope="session")
def results():
    return problem()


@pytest.fixture(scope="session")
def analysis(results):
    return analyse(results)
