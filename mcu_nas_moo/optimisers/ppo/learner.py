"""What the trials of a study mean to the PPO optimiser.

A learner knows one search space. It hands out points of it, and reads the trials that became of
them and those of others.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from optuna.trial import TrialState

from mcu_nas_moo.common.genotypes import random_genotypes, row_keys
from mcu_nas_moo.optimisers.ppo.optimiser import PPOOptimiser

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.optimisers.ppo.discretise import Grid
    from mcu_nas_moo.optimisers.ppo.settings import PPOSettings

#: Names of the constraints that trials violate which were pruned, or have no finite values.
PRUNED, FAILED = "(trial was pruned)", "(trial has no values)"
#: What these constraints are for all other trials: met, and not just so.
MET = -0.1
#: Least number of evaluations from which the scale of constraints is taken.
SCALE_SAMPLE = 8
#: Largest constraint value that is told, in multiples of the scale; infinities become it.
LARGEST = 100.0
#: Batches of proposals that are looked through for one that no other worker knows already.
ATTEMPTS = 8


class Evaluation(NamedTuple):
    """A finished trial: its point, minimised objectives, and constraints by name.

    The objectives are NaN if the trial has no finite values.
    """

    point: IntArray
    objectives: FloatArray
    constraints: dict[str, float]


class Learner:
    """Proposes points of a grid and learns from trials.

    Args:
        grid: the search space.
        signs: 1 for each objective that is minimised, -1 for each that is maximised.
        constraint_names: constraints that trials are known to have. A trial without one of them
            meets it, as Optuna has it.
        seed: of the optimiser.
        settings: of the optimiser.
        busy: points of trials under way, by trial number, from an earlier learner.
        tensorboard: of the optimiser.
    """

    def __init__(
        self,
        grid: Grid,
        signs: FloatArray,
        constraint_names: Iterable[str],
        seed: int,
        settings: PPOSettings | None,
        busy: dict[int, bytes],
        tensorboard: str | Path | None = None,
    ) -> None:
        self.grid = grid
        self.constraint_names = sorted(constraint_names)
        #: Whether a trial had a constraint that is not among the names: start a new learner.
        self.outgrown = False
        #: Whether the grid was all that trials varied.
        self.complete = True
        self.busy = dict(busy)
        self._signs = signs
        self._seed = seed
        self._settings = settings
        self._tensorboard = tensorboard
        self._known: set[bytes] = set()
        # Points whose trial failed, once: tried again when nothing else is left.
        self._failed: dict[bytes, None] = {}
        self._untold: list[Evaluation] = []
        # Of trials that did not ask for all parameters: by which they asked for, and their values.
        self._partial: dict[bytes, dict[bytes, Evaluation]] = {}
        # Median objectives of the first trials: what is told of those that have none.
        self._typical: FloatArray | None = None
        # Told since the optimiser last learnt, which it does in batches.
        self._unlearnt = 0
        self._queue: deque[IntArray] = deque()
        self._scale: FloatArray | None = None
        # Made when the first trial has finished: only then are the constraints known.
        self._optimiser: PPOOptimiser | None = None

    @property
    def exhausted(self) -> bool:
        """Whether each combination of values was evaluated or is just being evaluated."""
        if not (self.grid.exact and self.complete):
            return False
        # The sum is cheap, and an upper bound.
        taken = len(self._known) + len(self.busy)
        return taken >= self.grid.size == len(self._known.union(self.busy.values()))

    def propose(self, number: int, rng: np.random.Generator) -> IntArray | None:
        """A new point for the trial of that number, ``(n_genes,)``; None if none was found."""
        if not (self._known or self._failed):
            return self._occupy(number, self.draw(rng))
        for _ in range(ATTEMPTS):
            while self._queue:
                point = self._queue.popleft()
                if self._is_new(point) and not self._follows(point):
                    return self._occupy(number, point)
            # What is missing from a batch is asked for first: PPO learns only from what its
            # present policy proposed.
            optimiser = self._taught()
            self._queue.extend(optimiser.ask(optimiser.settings.batch_size - self._unlearnt))
            if not self._queue:
                break
        for key in self._failed:
            if key not in self.busy.values():
                return self._occupy(number, _point(key))
        return None

    def draw(self, rng: np.random.Generator) -> IntArray:
        """A random point, new if some attempts find one."""
        points = random_genotypes(ATTEMPTS, self.grid.n_choices, rng)
        return next((point for point in points if self._is_new(point)), points[0])

    def follow(self, trial: FrozenTrial) -> None:
        """Take note of a trial under way, of this worker or another one."""
        if trial.number not in self.busy:
            point = self.grid.encode(trial.params)
            if point is not None:
                self._occupy(trial.number, point)

    def read(self, trial: FrozenTrial) -> None:
        """Take note of a finished trial; the optimiser learns from it before it is next asked."""
        proposal = self.busy.pop(trial.number, None)
        proposed = None if proposal is None else _point(proposal)
        # A parameter that the objective did not ask for has no effect, so any option is true.
        default = np.zeros_like(self.grid.n_choices) if proposed is None else proposed
        point = self.grid.encode(trial.params, default)
        key = None if point is None else row_keys(point[None])[0]
        if key != proposal:
            self._release(proposed)
        if self.complete:
            self.complete = all(
                name in self.grid.space or distribution.single()
                for name, distribution in trial.distributions.items()
            )
        if point is None or key is None:
            return
        if trial.state == TrialState.FAIL and not (key in self._failed or key in self._known):
            self._failed[key] = None
        else:
            self._failed.pop(key, None)
            self._known.add(key)
        values = np.full(len(self._signs), np.nan)
        if trial.state != TrialState.FAIL and trial.values:
            values = self._signs * trial.values
        constraints = trial.constraints
        if not np.isfinite(values).all():
            values, constraints = np.full(len(self._signs), np.nan), {FAILED: 1.0}
        elif trial.state == TrialState.PRUNED:
            constraints[PRUNED] = 1.0
        self.outgrown |= not constraints.keys() <= set(self.constraint_names)
        evaluation = Evaluation(point, values, constraints)
        self._untold.append(evaluation)
        asked = np.array([name in trial.params for name in self.grid.space])
        if trial.state != TrialState.FAIL and not asked.all():
            alike = self._partial.setdefault(asked.tobytes(), {})
            alike[point[asked].tobytes()] = evaluation

    def _follows(self, point: IntArray) -> bool:
        """Whether a trial that did not ask for the parameters in which it differs was the same.

        What it was worth is then told of the point, too.
        """
        for mask, alike in self._partial.items():
            evaluation = alike.get(point[np.frombuffer(mask, dtype=bool)].tobytes())
            if evaluation is not None:
                (key,) = row_keys(point[None])
                self._known.add(key)
                self._untold.append(evaluation._replace(point=point))
                return True
        return False

    def _occupy(self, number: int, point: IntArray) -> IntArray:
        (self.busy[number],) = row_keys(point[None])
        return point

    def _is_new(self, point: IntArray) -> bool:
        (key,) = row_keys(point[None])
        return not (key in self._known or key in self._failed or key in self.busy.values())

    def _release(self, point: IntArray | None) -> None:
        if point is not None and self._optimiser is not None:
            self._optimiser.release(point[None])

    def _taught(self) -> PPOOptimiser:
        """The optimiser, after it was told what is new."""
        if self._optimiser is None:
            self._optimiser = PPOOptimiser(
                self.grid.n_choices,
                len(self._signs),
                len(self.constraint_names),
                self._seed,
                self._settings,
                ordered=self.grid.ordered,
                tensorboard=self._tensorboard,
            )
        foreign = set(self.constraint_names) - {PRUNED, FAILED}
        enough = self._scale is not None or len(self._untold) >= SCALE_SAMPLE
        if self._typical is None and self._untold:
            objectives = np.array([e.objectives for e in self._untold])
            if not np.isnan(objectives).all():
                # One of the values, since the mean of two may overflow.
                self._typical = np.nanpercentile(objectives, 50, axis=0, method="lower")
        if self._untold and self._typical is not None and (enough or not foreign):
            points = np.array([e.point for e in self._untold])
            objectives = np.array([e.objectives for e in self._untold])
            objectives = np.where(np.isnan(objectives), self._typical, objectives)
            self._optimiser.tell(points, objectives, self._constraints())
            self._unlearnt += len(self._untold)
            if self._unlearnt >= self._optimiser.settings.batch_size:
                self._unlearnt = 0
            self._untold.clear()
        return self._optimiser

    @staticmethod
    def _met(name: str) -> float:
        return MET if name in (PRUNED, FAILED) else 0.0

    def _constraints(self) -> FloatArray:
        """Constraints of what is untold, without units, shape ``(N, n_constraints)``."""
        values = np.array(
            [
                [e.constraints.get(n, self._met(n)) for n in self.constraint_names]
                for e in self._untold
            ]
        ).reshape(len(self._untold), len(self.constraint_names))
        if self._scale is None:
            self._scale = typical_size(values)
            own = [name in (PRUNED, FAILED) for name in self.constraint_names]
            self._scale[own] = 1.0
        return np.clip(values / self._scale, -LARGEST, LARGEST)


def typical_size(values: FloatArray) -> FloatArray:
    """Median absolute value of each column ``(N, n)``, without zeros and infinities; else 1."""
    sizes = np.abs(values)
    sizes[(sizes == 0) | ~np.isfinite(sizes)] = np.nan
    seen = ~np.isnan(sizes).all(axis=0)
    scale = np.ones(sizes.shape[1])
    scale[seen] = np.nanmedian(sizes[:, seen], axis=0)
    return scale


def _point(key: bytes) -> IntArray:
    return np.frombuffer(key, dtype=np.int64)
