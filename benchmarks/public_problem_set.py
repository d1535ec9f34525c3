"""Constrained discrete problems with two objectives that others have published.

All are problems of pymoo. ``pareto_front()`` is exact: by enumeration, or by the epsilon-constraint
method on an integer programme, which takes minutes. ``worst`` is the reference point of the
hypervolume: the worst value that each objective can take at a feasible point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pymoo.core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.common.arrays import FloatArray

#: Status of scipy.optimize.milp where no point meets the constraints.
INFEASIBLE = 2


class GearTrain(Problem):  # type: ignore[misc]
    """Compound gear train of two pairs of wheels with 12 to 60 teeth each: 49**4 designs.

    Minimises the deviation from the transmission ratio 6.931 and the number of teeth of the largest
    wheel; the deviation must not exceed half of the ratio. Problem RWMOP7 of Kumar et al. 2021, "A
    benchmark-suite of real-world constrained multi-objective optimization problems and some
    baseline results", Swarm and Evolutionary Computation 67, 100961; first published by Deb,
    Pratap and Moitra 2000, "Mechanical component design for multiple objectives using elitist
    non-dominated sorting GA", PPSN VI. Variables are the teeth above 12.
    """

    RATIO = 6.931
    LEAST, MOST = 12, 60

    def __init__(self) -> None:
        super().__init__(
            n_var=4, n_obj=2, n_ieq_constr=1, xl=0, xu=self.MOST - self.LEAST, vtype=int
        )
        self.worst = np.array([0.5 * self.RATIO, self.MOST])

    def _evaluate(self, X: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
        teeth = X + self.LEAST
        deviation = np.abs(self.RATIO - teeth[:, 2:].prod(axis=1) / teeth[:, :2].prod(axis=1))
        out["F"] = np.column_stack([deviation, teeth.max(axis=1)])
        out["G"] = deviation / self.RATIO - 0.5

    def _calc_pareto_front(self, *_: Any, **__: Any) -> FloatArray:
        front = [(self.worst[0], 0.0)]
        for largest in range(self.LEAST, self.MOST + 1):
            wheels = np.arange(self.LEAST, largest + 1)
            products = np.unique(np.outer(wheels, wheels))
            deviation = np.abs(self.RATIO - np.divide.outer(products, products)).min()
            if deviation < front[-1][0]:
                front.append((float(deviation), float(largest)))
        return np.array(front[1:])


class BiobjectiveKnapsack(Problem):  # type: ignore[misc]
    """Two knapsacks that are filled with the same items, of which each has two profits and weights.

    Maximises both profits (as minimisation, negated); each knapsack holds half of the total weight.
    Profits and weights are random integers in [10, 100]: Zitzler and Thiele 1999, "Multiobjective
    evolutionary algorithms: a comparative case study and the strength Pareto approach", IEEE
    Transactions on Evolutionary Computation 3(4). They repair overfull knapsacks greedily; here
    the weight stays a constraint, for all algorithms alike. The instance is our own draw.
    """

    def __init__(self, n_items: int = 100, seed: int = 1) -> None:
        super().__init__(n_var=n_items, n_obj=2, n_ieq_constr=2, xl=0, xu=1, vtype=bool)
        rng = np.random.default_rng(seed)
        self.profits, self.weights = rng.integers(10, 101, size=(2, 2, n_items))
        self.capacities = self.weights.sum(axis=1) / 2
        self.worst = np.zeros(2)

    def _evaluate(self, X: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
        out["F"] = -(X @ self.profits.T)
        out["G"] = X @ self.weights.T / self.capacities - 1

    def _calc_pareto_front(self, *_: Any, **__: Any) -> FloatArray:
        return exact_front(-self.profits, (self.weights, -np.inf, self.capacities))


class BiobjectiveAssignment(Problem):  # type: ignore[misc]
    """Generalised assignment: each job goes to one of the agents, whose capacities are tight.

    Minimises two independent total costs, as the biobjective problem of Zhang and Ong 2007, "An
    efficient solution to biobjective generalized assignment problem", Advances in Engineering
    Software 38(1). Instances by the rule of type C of Chu and Beasley 1997, "A genetic algorithm
    for the generalised assignment problem", Computers & Operations Research 24(1): resources are
    integers in [5, 25], costs in [10, 50], and an agent's capacity is 0.8 of the resource that all
    jobs would take from it, divided by the number of agents, which most random assignments exceed.
    5 agents and 30 jobs are a size of OR-Library (c530); the instance is our own draw.
    """

    def __init__(self, n_agents: int = 5, n_jobs: int = 30, seed: int = 1) -> None:
        super().__init__(
            n_var=n_jobs, n_obj=2, n_ieq_constr=n_agents, xl=0, xu=n_agents - 1, vtype=int
        )
        rng = np.random.default_rng(seed)
        self.resources = rng.integers(5, 26, size=(n_agents, n_jobs))
        self.costs = rng.integers(10, 51, size=(2, n_agents, n_jobs))
        # 0.8 of the mean, rounded down: loads are integers.
        self.capacities = 4 * self.resources.sum(axis=1) // (5 * n_agents)
        self.worst = self.costs.max(axis=1).sum(axis=1).astype(float)

    def _evaluate(self, X: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
        jobs = np.arange(self.n_var)
        out["F"] = self.costs[:, X, jobs].sum(axis=2).T
        taken = np.arange(len(self.capacities))[:, None] == X[:, None, :]
        out["G"] = (taken * self.resources).sum(axis=2) / self.capacities - 1

    def _calc_pareto_front(self, *_: Any, **__: Any) -> FloatArray:
        agents, jobs = np.eye(len(self.capacities)), np.eye(self.n_var)
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


#: Name and maker of each problem.
PROBLEMS: dict[str, Callable[[], Any]] = {
    "gear-train": GearTrain,
    "knapsack": BiobjectiveKnapsack,
    "assignment": BiobjectiveAssignment,
}
