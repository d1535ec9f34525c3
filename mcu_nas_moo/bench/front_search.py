"""Reference fronts by search: random sampling, evolution and Pareto local search, pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.bench.indicators import feasible
from mcu_nas_moo.bench.optimiser import Setting, load_optimiser
from mcu_nas_moo.bench.reference import Reference
from mcu_nas_moo.discrete import row_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.task import Task
    from mcu_nas_moo.typing import FloatArray, Genotypes

#: Genotypes evaluated at once.
BATCH = 16_384


class FrontSearch:
    """The feasible Pareto front of everything evaluated so far.

    Attributes:
        X, F: genotypes in canonical form ``(n, n_genes)`` and their objectives ``(n, n_obj)``.
        evaluations: how many genotypes were evaluated.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.X = np.zeros((0, task.n_genes), dtype=np.int64)
        self.F = np.zeros((0, task.n_obj))
        self.evaluations = 0

    def add(self, X: Genotypes) -> tuple[FloatArray, FloatArray]:
        """Evaluate ``X`` and keep what belongs to the front; returns ``F`` and ``G``."""
        import moocore

        F, G = self.task.evaluate(X)
        self.evaluations += len(X)
        kept = feasible(G)
        pooled_F = np.concatenate([self.F, F[kept]])
        pooled_X = np.concatenate([self.X, self.task.space.canonical(X[kept])])
        if len(pooled_F):
            front = moocore.is_nondominated(pooled_F)
            self.X, self.F = pooled_X[front], pooled_F[front]
        return F, G

    def sample(self, count: int, rng: np.random.Generator) -> None:
        """Evaluate ``count`` uniform genotypes."""
        for start in range(0, count, BATCH):
            self.add(self.task.space.sample(min(BATCH, count - start), rng))

    def evolve(self, algorithm: str, budget: int, seed: int) -> None:
        """Run an optimiser of the register for ``budget`` evaluations."""
        span = (self.F.min(axis=0), self.F.max(axis=0))
        optimiser = load_optimiser(algorithm)(Setting(self.task, *span, budget, seed))
        left = budget
        while left > 0:
            X = optimiser.ask()[:left]
            optimiser.tell(X, *self.add(X))
            left -= len(X)

    def climb(self, at_most: int) -> bool:
        """Pareto local search (Paquete et al. 2004) over all one-gene neighbours of the front.

        Returns:
            whether the front is closed: no neighbour of any of its points belongs to it.
        """
        expanded: set[bytes] = set()
        end = self.evaluations + at_most
        while self.evaluations < end:
            fresh = [
                (x, key)
                for x, key in zip(self.X, row_keys(self.X), strict=True)
                if key not in expanded
            ]
            if not fresh:
                return True
            expanded.update(key for _, key in fresh)
            around = np.concatenate([self.task.space.neighbours(x) for x, _ in fresh])
            around = np.unique(around, axis=0)
            for start in range(0, len(around), BATCH):
                self.add(around[start : start + BATCH])
        return False


def pooled_reference(
    task: Task,
    *,
    seed: int = 0,
    sample: int = 200_000,
    evolution: int = 40_000,
    local: int = 1_000_000,
    say: Callable[[str], object] = lambda _: None,
) -> Reference:
    """Search for the task's Pareto front by several means and pool what they find.

    Deterministic for a seed. The front cannot be called exact, but its points are at least
    Pareto optimal among their one-gene neighbours where the local search could finish.

    Args:
        task: what to solve.
        seed: of all randomness.
        sample: uniform genotypes to begin with.
        evolution: evaluations of NSGA-II, in two runs.
        local: most evaluations of each of two local searches.
        say: told what is being done, as a sentence.

    Raises:
        ValueError: if no feasible genotype was found.
    """
    search = FrontSearch(task)
    rng = np.random.default_rng([seed, 20])
    say(f"sampling {sample:,} random subnets")
    search.sample(sample, rng)
    if len(search.F) == 0:
        start = rng.integers(2**31)
        say("looking for a first feasible subnet")
        from mcu_nas_moo.bench.reachability import smallest_reachable

        found = smallest_reachable(task, seed=int(start)).feasible_example
        if found is None:
            raise ValueError(
                f"found no subnet of {task.space.name} within the limits of {task.profile.name}; "
                "relax a limit"
            )
        search.add(found[None, :])
    say("searching the neighbours of the front")
    search.climb(local)
    for run in range(2):
        say(f"evolution, run {run + 1} of 2")
        search.evolve("nsga2", evolution // 2, seed + run)
    say("searching the neighbours of the front again")
    closed = search.climb(local)
    order = np.lexsort(search.F.T[::-1])
    return Reference(
        space=task.space.name,
        profile=task.profile.name,
        objectives=task.objectives,
        fingerprint=task.fingerprint,
        X=search.X[order],
        F=search.F[order],
        origin={
            "seed": seed,
            "evaluations": search.evaluations,
            "closed_under_one_gene_changes": closed,
        },
    )
