"""pymoo's algorithms behind the ask/tell contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.problem import Problem
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.termination import get_termination
from pymoo.util.ref_dirs import get_reference_directions

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.adapters.pymoo_operators import integer_operators

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.optimiser import Setting
    from mcu_nas_moo.contracts.problem import Problem as SearchProblem

#: Evaluations that are never reached: the harness owns the budget.
UNLIMITED = 10**12


@dataclass(frozen=True)
class VariationSettings:
    """How children are made from parents.

    Attributes:
        crossover: probability that a pair of parents exchanges genes, in [0, 1].
        mutated_genes: how many genes of a child change on average, positive.

    Raises:
        InputError: for a value outside its range.
    """

    crossover: float = 0.9
    mutated_genes: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.crossover <= 1:
            raise InputError(f"crossover must be in [0, 1], got {self.crossover}")
        if not self.mutated_genes > 0:
            raise InputError(f"mutated_genes must be positive, got {self.mutated_genes}")

    def operators(self, task: SearchProblem) -> dict[str, Any]:
        """Fresh operators as keyword arguments of pymoo's genetic algorithms."""
        free = max(int((task.n_choices > 1).sum()), 1)
        operators = integer_operators(task.space.canonical, min(self.mutated_genes / free, 1.0))
        return {**operators, "crossover": UniformCrossover(prob=self.crossover)}


@dataclass(frozen=True)
class NSGASettings(VariationSettings):
    """Hyperparameters of NSGA-II and NSGA-III.

    Attributes:
        population: factor on the size that :func:`population_size` gives, positive.
        offspring: children per generation as a share of the population, in (0, 1].
    """

    population: float = 1.0
    offspring: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.population > 0:
            raise InputError(f"population must be positive, got {self.population}")
        if not 0 < self.offspring <= 1:
            raise InputError(f"offspring must be in (0, 1], got {self.offspring}")

    @classmethod
    def of(cls, setting: Setting) -> NSGASettings:
        """The defaults, with the hyperparameters that were set."""
        chosen: dict[str, Any] = dict(setting.hyperparameters)
        return cls(**chosen)

    def size(self, budget: int) -> int:
        """Individuals per generation, at least 4."""
        return max(round(self.population * population_size(budget)), 4)

    def children(self, size: int) -> int:
        """Children per generation of a population of ``size``, at least 2."""
        return max(round(self.offspring * size), 2)


def blank_problem(task: SearchProblem, n_obj: int, n_ieq_constr: int) -> Problem:
    """A pymoo problem that only states sizes and bounds; it is never evaluated."""
    return Problem(
        n_var=task.n_genes,
        n_obj=n_obj,
        n_ieq_constr=n_ieq_constr,
        xl=np.zeros(task.n_genes, dtype=np.int64),
        xu=task.n_choices - 1,
        vtype=int,
    )


class PymooOptimiser:
    """One pymoo algorithm, asked and told.

    When the algorithm cannot make another new genotype (pymoo then proposes nothing and stops),
    random genotypes are proposed instead, so that the whole budget is used.

    Args:
        algorithm: set up here; its state is used and changed.
        problem: sizes and bounds of the genotypes, objectives and constraints told.
        task: where random genotypes come from.
        seed: of the algorithm, and of random genotypes.
        settings: recorded with the run.
        evaluations: that the algorithm is to plan for, if it plans.
    """

    def __init__(
        self,
        algorithm: Any,
        problem: Problem,
        task: SearchProblem,
        seed: int,
        settings: dict[str, Any] | None = None,
        evaluations: int = UNLIMITED,
    ) -> None:
        self.settings = settings or {}
        self._space = task.space
        self._rng = np.random.default_rng([seed, 1])
        self._algorithm = algorithm
        termination = get_termination("n_eval", evaluations)
        self._algorithm.setup(problem, termination=termination, seed=seed)
        self._asked: Any = None

    def ask(self) -> Genotypes:
        self._asked = self._algorithm.ask()
        if self._asked is None or len(self._asked) == 0:
            self._asked = None
            return self._space.sample(getattr(self._algorithm, "pop_size", None) or 1, self._rng)
        X: Genotypes = np.asarray(self._asked.get("X"))
        return X

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        if self._asked is None or len(X) < len(self._asked):
            return  # random genotypes, or the end of the budget within a generation
        self._asked.set("F", F, "G", G)
        self._algorithm.tell(infills=self._asked)


def population_size(budget: int) -> int:
    """Individuals per generation: 20 for a budget of 500, 31 for 2,000, 70 for 10,000.

    Small budgets want small populations, which pass through more generations.
    """
    return int(np.clip(round(0.7 * budget**0.5), 20, 100))


def nsga2(setting: Setting) -> PymooOptimiser:
    """NSGA-II (Deb et al. 2002)."""
    task, chosen = setting.task, NSGASettings.of(setting)
    size = chosen.size(setting.budget)
    return PymooOptimiser(
        NSGA2(pop_size=size, n_offsprings=chosen.children(size), **chosen.operators(task)),
        blank_problem(task, task.n_obj, task.n_con),
        task,
        setting.seed,
        {"pop_size": size, **setting.hyperparameters},
    )


def nsga3(setting: Setting) -> PymooOptimiser:
    """NSGA-III (Deb and Jain 2014) with one individual per Das-Dennis direction."""
    task, chosen = setting.task, NSGASettings.of(setting)
    directions = das_dennis(task.n_obj, chosen.size(setting.budget))
    size = max(len(directions), 4)
    return PymooOptimiser(
        NSGA3(
            ref_dirs=directions,
            pop_size=size,
            n_offsprings=chosen.children(size),
            selection=TournamentSelection(func_comp=_by_violation),
            **chosen.operators(task),
        ),
        blank_problem(task, task.n_obj, task.n_con),
        task,
        setting.seed,
        {"directions": len(directions), **setting.hyperparameters},
    )


def das_dennis(n_obj: int, at_most: int) -> FloatArray:
    """The finest Das-Dennis grid of at most ``at_most`` directions, shape ``(n, n_obj)``."""
    if n_obj == 1:
        return np.ones((1, 1))
    partitions = 1
    while True:
        finer: FloatArray = get_reference_directions(
            "das-dennis", n_obj, n_partitions=partitions + 1
        )
        if len(finer) > at_most:
            break
        partitions += 1
    grid: FloatArray = get_reference_directions("das-dennis", n_obj, n_partitions=partitions)
    return grid


def _by_violation(pop: Any, P: Any, random_state: np.random.Generator, **_: Any) -> IntArray:
    """NSGA-III's binary tournament: less violation wins, ties are drawn.

    pymoo 0.6.2's own version draws ties from an unseeded generator, so that a run could not be
    repeated.
    """
    violation = pop.get("CV")[:, 0]
    first, second = P[:, 0], P[:, 1]
    coin = random_state.random(len(P)) < 0.5
    better = violation[first] < violation[second]
    equal = violation[first] == violation[second]
    winner = np.where(better | (equal & coin), first, second)
    return np.asarray(winner[:, None], dtype=np.int64)
