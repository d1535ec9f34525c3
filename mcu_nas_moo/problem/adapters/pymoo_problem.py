"""The search problem for pymoo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pymoo.core.problem import Problem

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.adapters.pymoo_operators import integer_operators
from mcu_nas_moo.problem.task import Task, task_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces import SearchSpace
    from mcu_nas_moo.spaces.genes import Subnet


class McuNasProblem(Problem):  # type: ignore[misc]
    """Networks for a microcontroller as a constrained, integer, vectorised problem of pymoo.

    Variable ``g`` is the index of an option of gene ``g``. pymoo's default operators are made for
    real numbers; take those of :meth:`operators`::

        problem = McuNasProblem(profile="cortex-m7")
        result = minimize(problem, NSGA2(pop_size=100, **problem.operators()), ("n_eval", 5000))
        problem.subnets(result.X)

    A network that could not be evaluated is infeasible, all its values being :data:`FAILED`;
    ``problem.task.reason(x)`` says why.

    Args:
        profile, space, objectives, limits: as :class:`Task` takes them, with its defaults.
        task: a ready task instead.

    Raises:
        InputError: for unknown names or values, or for both a task and settings.
    """

    def __init__(
        self,
        profile: str | Path | Profile | None = None,
        space: str | SearchSpace | None = None,
        objectives: Sequence[str] | None = None,
        *,
        limits: Mapping[str, float] | None = None,
        task: Task | None = None,
    ) -> None:
        self.task = task_of(task, profile, space, objectives, limits)
        super().__init__(
            n_var=self.task.n_genes,
            n_obj=self.task.n_obj,
            n_ieq_constr=self.task.n_con,
            xl=np.zeros(self.task.n_genes),
            xu=self.task.n_choices - 1.0,
            vtype=int,
        )

    def operators(self) -> dict[str, Any]:
        """Fresh sampling, crossover, mutation and duplicate elimination, as keyword arguments."""
        return integer_operators(canonical=self.task.space.canonical)

    def canonical(self, X: Genotypes) -> Genotypes:
        """The representatives ``(N, n_genes)`` of genotypes that may denote the same network."""
        return self.task.space.canonical(X)

    def subnets(self, X: npt.ArrayLike | None) -> list[Subnet]:
        """The readable subnets of ``res.X``.

        Args:
            X: shape ``(N, n_genes)``, ``(n_genes,)``, or None, which is what pymoo answers when
                it found nothing feasible; the list is then empty.
        """
        return [] if X is None else self.task.space.decode(_two_dimensional(X))

    def metrics(self, X: npt.ArrayLike | None) -> dict[str, Any]:
        """Arrays ``(N,)`` of all metrics of ``res.X``, see :meth:`Task.metrics`; {} for None."""
        return {} if X is None else self.task.metrics(_two_dimensional(X))

    def _evaluate(self, X: npt.NDArray[Any], out: dict[str, Any], *_: Any, **__: Any) -> None:
        if not np.issubdtype(X.dtype, np.integer):
            raise InputError(
                f"the variables must be integers, got dtype {X.dtype}; give the algorithm "
                "**problem.operators(), since pymoo's default operators make real numbers"
            )
        F, G = self.task.evaluate(X)
        failed = np.isnan(F).any(axis=1) | np.isnan(G).any(axis=1)
        F[failed], G[failed] = FAILED, FAILED
        out["F"], out["G"] = F, G


#: Objectives and constraints of a network that could not be evaluated; pymoo wants numbers.
FAILED = 1e9


def _two_dimensional(X: npt.ArrayLike) -> Genotypes:
    return np.atleast_2d(np.asarray(X))
