"""Linear problems with two objectives, whose fronts integer programming tells exactly."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.problem.named.published import Published

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray

#: Status of scipy.optimize.milp where no point meets the constraints.
INFEASIBLE = 2
#: Exact fronts of the shipped instances, which take minutes.
_FRONTS = files("mcu_nas_moo.problem.named") / "exact_fronts.csv"


@dataclass(frozen=True)
class Linear(Published):
    """A problem whose objectives and constraints are sums over its choices."""

    def exact_front(self) -> FloatArray:
        """The front by integer programming; minutes for the shipped instances."""
        raise NotImplementedError

    def reference_front(self) -> FloatArray:
        """Of the shipped instance as it is kept; computed for any other."""
        if self != type(self)():
            return self.exact_front()
        rows = csv.DictReader(_FRONTS.read_text(encoding="utf-8").splitlines())
        own = (row for row in rows if row["problem"] == type(self).__name__)
        return np.array([[float(row["f1"]), float(row["f2"])] for row in own])


@dataclass(frozen=True)
class Knapsack(Linear):
    """Two knapsacks that are filled with the same items, of which each has two profits and weights.

    Maximises both profits (as minimisation, negated); each knapsack holds half of the total weight.
    Profits and weights are random integers in [10, 100]: Zitzler and Thiele 1999, "Multiobjective
    evolutionary algorithms: a comparative case study and the strength Pareto approach", IEEE
    Transactions on Evolutionary Computation 3(4). They repair overfull knapsacks greedily; here
    the weight stays a constraint, for all algorithms alike. The instance is our own draw.

    Args:
        n_items: that can be packed or not.
        seed: of the draw.

    Attributes:
        worst: the worst value that each objective can take at a feasible point.
    """

    n_items: int = 100
    seed: int = 1
    objectives = ("minus_profit_1", "minus_profit_2")
    constraints = ("weight_1", "weight_2")
    worst = (0.0, 0.0)

    @property
    def n_choices(self) -> IntArray:
        """Left out, or packed."""
        return np.full(self.n_items, 2)

    @cached_property
    def _drawn(self) -> IntArray:
        return np.random.default_rng(self.seed).integers(10, 101, size=(2, 2, self.n_items))

    @property
    def profits(self) -> IntArray:
        """Of the items, ``(2, n_items)``."""
        return np.asarray(self._drawn[0])

    @property
    def weights(self) -> IntArray:
        """Of the items in each knapsack, ``(2, n_items)``."""
        return np.asarray(self._drawn[1])

    @property
    def capacities(self) -> FloatArray:
        """Of the knapsacks, ``(2,)``."""
        return np.asarray(self.weights.sum(axis=1) / 2)

    def evaluate(self, X: Any) -> Any:
        return -(X @ self.profits.T), X @ self.weights.T / self.capacities - 1

    def exact_front(self) -> FloatArray:
        return exact_front(-self.profits, (self.weights, -np.inf, self.capacities))


@dataclass(frozen=True)
class Assignment(Linear):
    """Generalised assignment: each job goes to one of the agents, whose capacities are tight.

    Minimises two independent total costs, as the biobjective problem of Zhang and Ong 2007, "An
    efficient solution to biobjective generalized assignment problem", Advances in Engineering
    Software 38(1). Instances by the rule of type C of Chu and Beasley 1997, "A genetic algorithm
    for the generalised assignment problem", Computers & Operations Research 24(1): resources are
    integers in [5, 25], costs in [10, 50], and an agent's capacity is 0.8 of the resource that all
    jobs would take from it, divided by the number of agents, which most random assignments exceed.
    5 agents and 30 jobs are a size of OR-Library (c530); the instance is our own draw.

    Args:
        n_agents: who do the jobs.
        n_jobs: to be done.
        seed: of the draw.
        spare: capacity of each agent beyond the rule's.
    """

    n_agents: int = 5
    n_jobs: int = 30
    seed: int = 1
    spare: int = 0
    objectives = ("cost_1", "cost_2")

    @property
    def constraints(self) -> tuple[str, ...]:
        """Load of each agent."""
        return tuple(f"load_{agent}" for agent in range(1, self.n_agents + 1))

    @property
    def n_choices(self) -> IntArray:
        """Agents, for each job."""
        return np.full(self.n_jobs, self.n_agents)

    @cached_property
    def _drawn(self) -> tuple[IntArray, IntArray]:
        rng = np.random.default_rng(self.seed)
        resources = rng.integers(5, 26, size=(self.n_agents, self.n_jobs))
        return resources, rng.integers(10, 51, size=(2, self.n_agents, self.n_jobs))

    @property
    def resources(self) -> IntArray:
        """That a job takes from an agent, ``(n_agents, n_jobs)``."""
        return self._drawn[0]

    @property
    def costs(self) -> IntArray:
        """Of a job done by an agent, ``(2, n_agents, n_jobs)``."""
        return self._drawn[1]

    @property
    def capacities(self) -> IntArray:
        """Of the agents: 0.8 of the mean, rounded down, since loads are integers."""
        return np.asarray(4 * self.resources.sum(axis=1) // (5 * self.n_agents) + self.spare)

    @property
    def worst(self) -> tuple[float, ...]:
        """The worst value that each objective can take."""
        return tuple(self.costs.max(axis=1).sum(axis=1).astype(float).tolist())

    def evaluate(self, X: Any) -> Any:
        jobs = np.arange(self.n_jobs)
        taken = np.arange(self.n_agents)[:, None] == X[:, None, :]
        loads = (taken * self.resources).sum(axis=2)
        return self.costs[:, X, jobs].sum(axis=2).T, loads / self.capacities - 1

    def exact_front(self) -> FloatArray:
        agents, jobs = np.eye(self.n_agents), np.eye(self.n_jobs)
        # Columns are pairs of agent and job, agents first.
        loads = (agents[:, :, None] * self.resources).reshape(len(agents), -1)
        once = np.tile(jobs, len(agents))
        return exact_front(
            self.costs.reshape(2, -1), (loads, -np.inf, self.capacities), (once, 1, 1)
        )


def exact_front(costs: Any, *limits: tuple[Any, Any, Any]) -> FloatArray:
    """All non-dominated points of a 0/1 programme with two integer, linear costs.

    By the epsilon-constraint method (Chankong and Haimes 1983): the least first cost, and among
    those the least second, then the same with a second cost of at least one less, until nothing is
    feasible.

    Args:
        costs: shape ``(2, n)``.
        limits: matrix ``(k, n)``, lower and upper bound of its products.

    Returns:
        shape ``(n_points, 2)``, by rising first cost.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    constraints = [LinearConstraint(*limit) for limit in limits]
    # One step of the first cost outweighs any difference of the second.
    weighted = (np.abs(costs[1]).sum() + 1) * costs[0] + costs[1]
    front: list[FloatArray] = []
    bound = np.inf
    while True:
        solution = milp(
            weighted,
            integrality=np.ones(costs.shape[1]),
            bounds=Bounds(0, 1),
            constraints=[*constraints, LinearConstraint(costs[1:], -np.inf, bound)],
            options={"mip_rel_gap": 0.0},
        )
        if solution.status == INFEASIBLE:
            return np.array(front)
        if solution.x is None:
            raise RuntimeError(f"no exact front: {solution.message}")
        front.append(costs @ np.round(solution.x))
        bound = front[-1][1] - 1
