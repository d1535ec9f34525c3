"""Regularised (ageing) evolution, made for several objectives and constraints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.genotypes import mutate
from mcu_nas_moo.optimisers.simple.known_networks import KnownNetworks

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.optimiser import Setting

#: How often a child that denotes a known network is drawn anew, as in pymoo's mating.
ATTEMPTS = 100


@dataclass(frozen=True)
class RegularisedEvolutionSettings:
    """Hyperparameters.

    Attributes:
        population: members alive, at least 2.
        sample: members of a tournament, drawn with replacement, at least 1.
        children: made side by side between two looks at their results, at least 1.
        mutated_genes: how many genes of a child change on average, positive.

    Raises:
        InputError: for a value outside its range.
    """

    population: int = 200
    sample: int = 200
    children: int = 8
    mutated_genes: float = 1.0

    def __post_init__(self) -> None:
        for name, low in {"population": 2, "sample": 1, "children": 1}.items():
            if getattr(self, name) < low:
                raise InputError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if not self.mutated_genes > 0:
            raise InputError(f"mutated_genes must be positive, got {self.mutated_genes}")


class RegularisedEvolution:
    """Real et al. (AAAI 2019): tournament winners are mutated, and the oldest member dies.

    Each tournament draws weights of its own and is won by the member with the least violation of
    the constraints, among feasible ones by the least augmented Chebyshev value under the weights
    (Knowles 2006), so that all parts of the front have their turn. No network is proposed twice;
    a run ends early when none is left.
    """

    def __init__(self, setting: Setting) -> None:
        task = setting.task
        hyperparameters: dict[str, Any] = dict(setting.hyperparameters)
        self._chosen = RegularisedEvolutionSettings(**hyperparameters)
        self.settings = asdict(self._chosen)
        self._rng = np.random.default_rng(setting.seed)
        self._known = KnownNetworks(task.space)
        self._n_choices = task.n_choices
        free = max(int((task.n_choices > 1).sum()), 1)
        self._rate = min(self._chosen.mutated_genes / free, 1.0)
        self._ideal = setting.ideal
        span = setting.nadir - setting.ideal
        self._span = np.where(span > 0, span, 1.0)
        self.X = np.zeros((0, task.n_genes), dtype=np.int64)
        #: Objectives between ideal (0) and nadir (1), and sums of violations, oldest first.
        self.F, self.violation = np.zeros((0, task.n_obj)), np.zeros(0)

    def ask(self) -> Genotypes:
        missing = self._chosen.population - len(self.X)
        if missing > 0:
            return self._known.draw(missing, self._rng)
        count = self._chosen.children
        children = self.X[:0]
        for _ in range(ATTEMPTS):
            parents = self.X[self._winners(count - len(children))]
            X = mutate(parents, self._n_choices, self._rng, self._rate)
            children = np.concatenate([children, X[self._known.add(X)]])
            if len(children) == count:
                return children
        return children if len(children) else self._known.draw(count, self._rng)

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        alive = slice(-self._chosen.population, None)
        self.X = np.concatenate([self.X, X])[alive]
        self.F = np.concatenate([self.F, (F - self._ideal) / self._span])[alive]
        violation = np.maximum(G, 0.0).sum(axis=1)
        self.violation = np.concatenate([self.violation, violation])[alive]

    def _winners(self, count: int) -> IntArray:
        """Rows of the members that win ``count`` tournaments, shape ``(count,)``."""
        n_obj = self.F.shape[1]
        sample = self._rng.integers(len(self.X), size=(count, self._chosen.sample))
        weights = self._rng.dirichlet(np.ones(n_obj), size=(count, 1))
        weighted = weights * self.F[sample]
        value = weighted.max(axis=2) + 0.05 * weighted.sum(axis=2)
        violation = self.violation[sample]
        least = violation == violation.min(axis=1, keepdims=True)
        best = np.where(least, value, np.inf).argmin(axis=1)
        return np.asarray(sample[np.arange(count), best], dtype=np.int64)
