"""Constrained discrete problems with two objectives that others have published, for pymoo.

They are problems of ``mcu-nas-bench --problem``. ``worst`` is the reference point of the
hypervolume: the worst value that each objective can take at a feasible point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pymoo.core.problem import Problem

from mcu_nas_moo.problem.named.gear_train import GearTrain
from mcu_nas_moo.problem.named.linear import Assignment, Knapsack

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.common.arrays import FloatArray


class PublicProblem(Problem):  # type: ignore[misc]
    """A problem of the package as one of pymoo, of bits where all genes have two options.

    Args:
        problem: tells ``worst`` and its exact front beside what all problems tell.
    """

    def __init__(self, problem: GearTrain | Knapsack | Assignment) -> None:
        n_choices = np.asarray(problem.n_choices)
        super().__init__(
            n_var=len(n_choices),
            n_obj=len(problem.objectives),
            n_ieq_constr=len(problem.constraints),
            xl=0,
            xu=n_choices - 1,
            vtype=bool if (n_choices == 2).all() else int,
        )
        self.problem = problem
        self.worst = np.array(problem.worst)

    def _evaluate(self, X: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
        out["F"], out["G"] = self.problem.evaluate(X.astype(np.int64))

    def _calc_pareto_front(self, *_: Any, **__: Any) -> FloatArray:
        return self.problem.reference_front()


#: Name and maker of each problem.
PROBLEMS: dict[str, Callable[[], Any]] = {
    "gear-train": lambda: PublicProblem(GearTrain()),
    "knapsack": lambda: PublicProblem(Knapsack()),
    "assignment": lambda: PublicProblem(Assignment()),
}
