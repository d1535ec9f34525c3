"""PPO with ask and tell."""

from __future__ import annotations

from functools import cached_property
from math import ceil, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.common.genotypes import random_genotypes, row_keys
from mcu_nas_moo.optimisers.ppo.memory import Memory, Rows
from mcu_nas_moo.optimisers.ppo.progress import Progress
from mcu_nas_moo.optimisers.ppo.search import DIRECTIONS, SurrogateSearch, directions
from mcu_nas_moo.optimisers.ppo.settings import PPOSettings
from mcu_nas_moo.optimisers.ppo.surrogate import Surrogate
from mcu_nas_moo.optimisers.ppo.variation import neighbours, offspring

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.optimisers.ppo.agent import Experience

#: Attempts to find points that are not known yet, each for all that still lack.
ATTEMPTS = 4
#: Points of the largest space of which the last ones are found by listing them all.
ENUMERABLE = 100_000
#: Objectives and constraints beyond this, in either direction, count as this: squares stay finite.
LARGEST = 1e100
#: Elites that compete, per preference, to be imitated: many, so that the fittest are.
MODELS = 64
#: Share of neighbours of the elites among the proposals that the surrogate does not choose, while
#: there is one.
EXPLORED = 0.9
#: Neighbours of one elite that are proposed in one batch, of so many that are looked at.
NEIGHBOURS, LOOKED_AT = 4, 64
#: Elites whose neighbours the surrogate judges for one batch.
SURROUNDED = 16


class Earned(NamedTuple):
    """A sample of the policy (N = 1) with its objectives and constraints, each of shape (n,)."""

    sample: Experience
    F: FloatArray
    G: FloatArray


class PPOOptimiser:
    """Constrained multi-objective optimiser of a finite, discrete space.

    A policy generates points for random preferences between the objectives. As soon as a surrogate
    fitted to the evaluations so far predicts those left out well, PPO trains the policy on what
    the surrogate expects of its samples (DyNA-PPO, Angermueller et al. 2020), the policy imitates
    the best points known or expected, and of its samples, their offspring and the neighbours of
    the best points those are proposed that are expected to add most hypervolume. Beside them,
    neighbours of the points that add most are proposed without asking the surrogate.

    Without such a surrogate, PPO trains the policy on what its evaluated samples were worth, and
    part of the proposals are bred from the best points known, a share that fades. In either case
    no point is proposed twice.

    Args:
        n_choices: options per gene, integers of at least 1, shape ``(n_genes,)``.
        n_objectives: number of objectives, all minimised.
        n_constraints: number of constraints, each met if ``<= 0``; best given without units.
        seed: same seed and same answers, same proposals.
        settings: hyperparameters.
        canonical: maps points ``(N, n_genes)`` to the representatives of what they denote, for
            spaces in which several points denote the same; proposals are representatives.
        ordered: whether the options of a gene are sizes in an order, or mere names; for all genes
            or for each, shape ``(n_genes,)``.
        tensorboard: folder for a record of the learning; None for none.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        n_choices: npt.ArrayLike,
        n_objectives: int,
        n_constraints: int = 0,
        seed: int | None = None,
        settings: PPOSettings | None = None,
        *,
        canonical: Callable[[Genotypes], Genotypes] | None = None,
        ordered: npt.ArrayLike = True,
        tensorboard: str | Path | None = None,
    ) -> None:
        choices = np.asarray(n_choices)
        if choices.ndim != 1 or not len(choices) or not np.issubdtype(choices.dtype, np.integer):
            raise ValueError("n_choices must be a sequence of integers, one per gene")
        if choices.min() < 1:
            raise ValueError(f"every gene needs at least one option, got {choices.tolist()}")
        if n_objectives < 1 or n_constraints < 0:
            raise ValueError(
                "n_objectives must be at least 1 and n_constraints at least 0, "
                f"got {n_objectives} and {n_constraints}"
            )
        from mcu_nas_moo.optimisers.ppo.agent import Agent

        self.n_choices = choices.astype(np.int64)
        self.n_objectives = n_objectives
        self.n_constraints = n_constraints
        self.settings = PPOSettings() if settings is None else settings
        self._canonical = canonical
        self._size = prod(self.n_choices.tolist())
        self._rng = np.random.default_rng(seed)
        self._agent = Agent(
            self.n_choices,
            n_objectives,
            self.settings,
            self._rng,
            None if tensorboard is None else str(tensorboard),
        )
        self._memory = Memory(
            len(self.n_choices), n_objectives, n_constraints, self.settings.elites
        )
        self._ordered = np.broadcast_to(np.asarray(ordered, dtype=bool), choices.shape)
        # What is expected of points not evaluated; None while that cannot be told.
        self._surrogate: Surrogate | None = None
        # The best points, known or expected, and the preference under which each is the best.
        self._models = np.empty((0, len(choices)), dtype=np.int64)
        self._model_weights: FloatArray = np.empty((0, n_objectives))
        self._progress = Progress(self._agent, n_objectives) if tensorboard is not None else None
        # Asked and not told yet; with the sample, if the present policy made it.
        self._pending: dict[bytes, Experience | None] = {}
        # Samples of the present policy with what they turned out to be, not learnt yet.
        self._earned: list[Earned] = []
        self._told = 0
        self._told_since_update = 0

    def ask(self, n: int | None = None) -> Genotypes:
        """Propose points to evaluate.

        They differ, and none of them was told or asked before. When the space holds no more
        such points, there are fewer than ``n``, in the end none.

        Args:
            n: how many, by default ``settings.batch_size``.

        Returns:
            shape ``(n, n_genes)``, int64; fewer rows once the space is exhausted.
        """
        n = self.settings.batch_size if n is None else n
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        proposals: dict[bytes, Genotypes] = {}
        if self._surrogate is not None:
            expected = ceil(self.settings.surrogate_share * n)
            self._search(self._surrogate, expected, proposals)
        # The most promising come first, in case that not all are evaluated.
        first = list(proposals.values())
        share = self.settings.variation_at(self._told) if len(self._memory) else 0.0
        if self._surrogate is not None:
            self._explore(len(first) + round(EXPLORED * (n - len(first))), proposals)
        n_sampled = n - int(self._rng.binomial(n - len(proposals), share))
        # A policy that has settled samples mostly known points; elites then breed new ones.
        for source, wanted in ((self._sample, n_sampled), (self._breed, n), (self._draw, n)):
            for _ in range(ATTEMPTS):
                if len(proposals) < wanted:
                    source(wanted - len(proposals), proposals)
        if len(proposals) < n and self._size <= ENUMERABLE:
            rest = self._all_points()
            self._offer(rest[self._rng.permutation(len(rest))], proposals, n)
        # Of the others, the first few are a fair choice.
        others = list(proposals.values())[len(first) :]
        others = [others[row] for row in self._rng.permutation(len(others))]
        return np.array(first + others, dtype=np.int64).reshape(-1, len(self.n_choices))

    @property
    def exhausted(self) -> bool:
        """Whether every point of the space was told or is asked for.

        Never true of spaces of more than :data:`ENUMERABLE` points.
        """
        if self._size > ENUMERABLE or len(self._memory) + len(self._pending) < self._distinct:
            return False
        keys = row_keys(self._all_points())
        return all(key in self._memory or key in self._pending for key in keys)

    def release(self, X: npt.ArrayLike) -> None:
        """Take back points ``(N, n_genes)`` that were asked and will never be told.

        They may be proposed again.
        """
        points = np.asarray(X, dtype=np.int64).reshape(-1, len(self.n_choices))
        for key in row_keys(self._representatives(points)):
            self._pending.pop(key, None)

    def tell(self, X: npt.ArrayLike, F: npt.ArrayLike, G: npt.ArrayLike | None = None) -> None:
        """Report evaluations, and learn from them.

        Any points may be told: part of what was asked, more, or others, in any order. PPO learns
        from those that its present policy sampled; the others serve as parents and models.

        Args:
            X: points, shape ``(N, n_genes)``.
            F: their objectives, shape ``(N, n_objectives)``, finite.
            G: their constraints, shape ``(N, n_constraints)``, finite; None if there are none.

        Raises:
            ValueError: if a shape, dtype or value does not fit.
        """
        rows = self._checked(X, F, G)
        keys = row_keys(rows.X)
        self._memory.add(keys, rows)
        for row, key in enumerate(keys):
            sample = self._pending.pop(key, None)
            if sample is not None:
                self._earned.append(Earned(sample, rows.F[row], rows.G[row]))
        self._told += len(keys)
        self._told_since_update += len(keys)
        if self._told_since_update >= self.settings.batch_size:
            self._update()

    def _search(self, surrogate: Surrogate, n: int, proposals: dict[bytes, Genotypes]) -> None:
        """Propose the points of which the surrogate expects most."""
        asked = np.frombuffer(b"".join(self._pending), dtype=np.int64)
        search = SurrogateSearch(
            surrogate,
            self._memory.scale,
            self._memory.elites,
            asked.reshape(-1, len(self.n_choices)),
            self.n_choices,
            self._new,
            self._rng,
            self.settings.optimism * self._rng.standard_exponential(),
        )
        search.judge(self._models)
        samples = self._agent.sample(self._preferences(self.settings.candidates))
        search.judge(samples.actions, sampled=True)
        elites = self._memory.elites.X
        for row in self._rng.permutation(len(elites))[:SURROUNDED]:
            search.judge(self._around(elites[row]))
        for _ in range(self.settings.generations):
            search.breed(self.settings.candidates)
        self._models, self._model_weights = search.champions, search.weights
        best, sampled = search.best(n)
        self._offer(best, proposals)
        if self._progress is not None:
            self._progress.proposed(sampled)

    def _sample(self, n: int, proposals: dict[bytes, Genotypes]) -> None:
        """Propose samples of the policy; known ones earn at once what is remembered of them."""
        samples = self._agent.sample(self._preferences(n))
        X = self._representatives(samples.actions)
        for key, x, sample in zip(row_keys(X), X, samples.rows(), strict=True):
            if key in self._memory:
                self._earned.append(Earned(sample, *self._memory.recall(key)))
            elif key not in self._pending:
                proposals[key] = x
                self._pending[key] = sample

    def _breed(self, n: int, proposals: dict[bytes, Genotypes]) -> None:
        """Propose children of the elites."""
        if not len(self._memory):
            return
        # Partners compete under the same preference, so they come from the same region.
        weights, size = self._preferences(n), self.settings.tournament
        first = self._memory.choose(weights, size, self._rng)
        second = self._memory.choose(weights, size, self._rng)
        self._offer(offspring(first, second, self.n_choices, self._rng), proposals)

    def _explore(self, n: int, proposals: dict[bytes, Genotypes]) -> None:
        """Propose new neighbours of the elites, beginning with those that add most hypervolume.

        Near the end of a search, what is missing lies beside what is known, in steps that are
        smaller than the surrogate's errors (Pareto local search: Paquete et al. 2004).
        """
        elites = self._memory.elites
        elites = elites.take(np.flatnonzero((elites.G <= 0).all(axis=1)))
        if not len(elites.X):
            return
        ways = directions(DIRECTIONS, self.n_objectives, self._rng)
        added = self._memory.scale.hypervolume_added(elites.F, ways)
        for row in np.lexsort((self._rng.random(len(added)), -added)):
            if len(proposals) >= n:
                break
            new = self._new(self._around(elites.X[row]))
            self._offer(new[:NEIGHBOURS], proposals, n)

    def _around(self, x: Genotypes) -> Genotypes:
        return neighbours(x, self.n_choices, LOOKED_AT, self._rng)

    def _draw(self, n: int, proposals: dict[bytes, Genotypes]) -> None:
        """Propose uniform random points."""
        self._offer(random_genotypes(n, self.n_choices, self._rng), proposals)

    def _new(self, X: Genotypes) -> Genotypes:
        """Those of ``X`` that were neither told nor asked, as representatives."""
        X = self._representatives(X)
        keys = row_keys(X)
        return X[[key not in self._memory and key not in self._pending for key in keys]]

    def _offer(
        self, X: Genotypes, proposals: dict[bytes, Genotypes], at_most: int | None = None
    ) -> None:
        X = self._representatives(X)
        for key, x in zip(row_keys(X), X, strict=True):
            if len(proposals) == at_most:
                break
            if key not in self._memory and key not in self._pending:
                proposals[key] = x
                self._pending[key] = None

    def _update(self) -> None:
        self._surrogate = self._fitted()
        experience, rewards = self._experience()
        if len(rewards) > 1:
            self._agent.learn(experience, rewards, self.settings.entropy_at(self._told))
        self._imitate()
        # The policy has changed: samples still unanswered are no longer its own.
        self._earned.clear()
        self._pending = dict.fromkeys(self._pending)
        self._told_since_update = 0
        if self._progress is not None:
            self._progress.record(self._memory, rewards, self._surrogate, self._told)

    def _experience(self) -> tuple[Experience, FloatArray]:
        """Samples of the present policy and what they earned, or would by the surrogate."""
        imagined = 0 if self._surrogate is None else self.settings.rollouts
        samples = self._agent.sample(self._preferences(imagined))
        F: FloatArray = np.empty((0, self.n_objectives))
        G: FloatArray = np.empty((0, self.n_constraints))
        if self._surrogate is not None:
            F, G, _ = self._surrogate.predict(self._representatives(samples.actions))
        if self._earned:
            own, own_F, own_G = zip(*self._earned, strict=True)
            samples = samples.joined([samples, *own])
            F, G = np.concatenate([F, own_F]), np.concatenate([G, own_G])
        return samples, self._memory.scale.reward(F, G, samples.weights)

    def _imitate(self) -> None:
        size = self.settings.minibatch_size
        for _ in range(self.settings.imitation_steps):
            if self._surrogate is not None and len(self._models):
                rows = self._rng.integers(len(self._models), size=size)
                self._agent.imitate(self._model_weights[rows], self._models[rows])
            else:
                weights = self._preferences(size)
                self._agent.imitate(weights, self._memory.choose(weights, MODELS, self._rng))

    def _fitted(self) -> Surrogate | None:
        """A surrogate of the present memory, None if it explains too little."""
        settings = self.settings
        if not settings.surrogate_points or len(self._memory) < 2:
            return None
        rows = self._memory.informative(settings.surrogate_points, self._rng)
        surrogate = Surrogate(rows, self.n_choices, self._ordered)
        return surrogate if surrogate.fit.min() >= settings.surrogate_fit else None

    def _preferences(self, n: int) -> FloatArray:
        vectors = directions(n, self.n_objectives, self._rng)
        weights: FloatArray = vectors / vectors.sum(axis=1, keepdims=True)
        return weights

    def _representatives(self, X: Genotypes) -> Genotypes:
        return X if self._canonical is None else self._canonical(X)

    def _all_points(self) -> Genotypes:
        # Digits of 0, 1, ... in the mixed radix of the options; numpy's own grids end at 64 genes.
        place = np.cumprod(self.n_choices) // self.n_choices
        points = np.arange(self._size)[:, None] // place % self.n_choices
        unique: Genotypes = np.unique(self._representatives(points), axis=0)
        return unique

    @cached_property
    def _distinct(self) -> int:
        return len(self._all_points())

    def _checked(self, X: npt.ArrayLike, F: npt.ArrayLike, G: npt.ArrayLike | None) -> Rows:
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != len(self.n_choices):
            raise ValueError(f"X must have shape (N, {len(self.n_choices)}), got {X.shape}")
        if not np.issubdtype(X.dtype, np.integer):
            raise ValueError(f"X must hold integers (indices of options), got dtype {X.dtype}")
        if ((X < 0) | (X >= self.n_choices)).any():
            raise ValueError("X holds an index outside [0, n_choices)")
        F = np.asarray(F, dtype=np.float64)
        G = np.empty((len(X), 0)) if G is None else np.asarray(G, dtype=np.float64)
        for name, values, columns in (("F", F, self.n_objectives), ("G", G, self.n_constraints)):
            if values.shape != (len(X), columns):
                raise ValueError(
                    f"{name} must have shape ({len(X)}, {columns}), got {values.shape}"
                )
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds a NaN or an infinity; leave such points out")
        X = self._representatives(X.astype(np.int64, copy=False))
        return Rows(X, np.clip(F, -LARGEST, LARGEST), np.clip(G, -LARGEST, LARGEST))
