"""PPO as a sampler of Optuna (5.0 or newer)."""

from __future__ import annotations

import copy
import warnings
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from mcu_nas_moo.optimisers.ppo.discretise import Grid
from mcu_nas_moo.optimisers.ppo.learner import FAILED, PRUNED, Learner
from mcu_nas_moo.optimisers.ppo.settings import PPOSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from optuna.study import Study
    from optuna.trial import FrozenTrial


class PPOSampler(BaseSampler):
    """Samples by proximal policy optimisation, for one or more objectives and constraints.

    Made for discrete spaces and evaluations that take their time: no combination of values is
    proposed twice, and the sampler's own time per trial does not grow with the study::

        study = optuna.create_study(
            sampler=PPOSampler(seed=0), directions=["minimize", "maximize"]
        )
        study.optimize(objective, n_trials=1000)

    **Parameters.** Categories, integers and floats with a step are taken as they are; continuous
    floats, and numbers with more than ``bins`` values, are cut into ``bins`` ranges from which
    values are drawn (in a space of such ranges that are all used up, their number doubles). As in
    other samplers of Optuna, the parameters modelled are those that all completed trials have in
    common, with the same range; all others, and those of the first trials until one is completed,
    go to ``independent_sampler``. Give ``search_space`` to model its parameters from the first
    trial on, conditional ones included.

    **Constraints** are those of ``trial.set_constraint``, and those that another sampler with a
    ``constraints_func`` stored in the study. Each is
    divided by its median absolute value over the first batch of trials, so that one in bytes does
    not drown one in milliseconds. A constraint that a trial lacks is met.

    **Trials.** The sampler learns from every completed trial of the study with the values it
    really had: enqueued and added trials, those of other samplers and processes, and all of a
    study that is resumed. Pruned trials count as worse than all completed ones that meet the
    constraints, with their last intermediate value. Trials without finite values, failed ones
    among them, count as infeasible, so that their region is avoided; points that failed once are
    tried again when nothing else is left. Where a trial did not ask for some parameters of
    ``search_space``, all points that agree on the others are known with it.

    **When all is evaluated.** Once each combination of a space without ranges is evaluated or
    under way, a warning says so, and all parameters come from the ``independent_sampler``; or else
    the study stops, with ``stop_when_exhausted``. Trials that a killed process left behind as
    running count as under way.

    Safe for threads (``n_jobs``), pickling and copying. Workers in processes of their own should
    have different seeds. A sampler that is given to another study starts anew.

    Args:
        seed: same seed, same trials, if trials run one after another; by default never the same.
        settings: hyperparameters of PPO.
        search_space: parameters to model, by name; by default found from the trials.
        bins: most options that a numeric parameter is modelled with, at least 2.
        independent_sampler: samples all other parameters, by default at random.
        stop_when_exhausted: stop the study when each combination is evaluated, as
            ``BruteForceSampler`` does.
        tensorboard: folder for a record of the learning; by default there is none.

    Raises:
        ValueError: if ``bins`` is less than 2.
        TypeError: if ``settings`` are no ``PPOSettings``, or ``search_space`` holds anything but
            distributions.
    """

    def __init__(
        self,
        seed: int | None = None,
        settings: PPOSettings | None = None,
        *,
        search_space: Mapping[str, BaseDistribution] | None = None,
        bins: int = 64,
        independent_sampler: BaseSampler | None = None,
        stop_when_exhausted: bool = False,
        tensorboard: str | Path | None = None,
    ) -> None:
        if bins < 2:
            raise ValueError(f"bins must be at least 2, got {bins}")
        if settings is not None and not isinstance(settings, PPOSettings):
            raise TypeError(f"settings must be PPOSettings(...), got {settings!r}")
        for name, distribution in (search_space or {}).items():
            if not isinstance(distribution, BaseDistribution):
                raise TypeError(
                    f"search_space[{name!r}] must be a distribution of optuna.distributions, "
                    f"got {distribution!r}"
                )
        self._seed = seed
        self._settings = settings
        self._given_space = None if search_space is None else _variable(search_space)
        self._bins = bins
        self._independent_sampler = independent_sampler or RandomSampler(seed)
        self._stop_when_exhausted = stop_when_exhausted
        self._tensorboard = tensorboard
        self._lock = RLock()
        # Made when first needed: copies of a sampler without a seed do not share a stream.
        self._rng: np.random.Generator | None = None
        self._forget(None)

    def _forget(self, study_name: str | None) -> None:
        self._study_name = study_name
        # Numbers of the trials below this one are read, except for those still open.
        self._read_to = 0
        self._open: set[int] = set()
        self._common_space: dict[str, BaseDistribution] | None = None
        self._learner: Learner | None = None
        self._warned = False

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        with self._lock:
            self._read(study)
            space = self._common_space if self._given_space is None else self._given_space
            return dict(space or {})

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        with self._lock:
            rng = self._generator()
            learner = self._learner
            if learner is None or learner.grid.space != search_space:
                learner = self._start(study, Grid(search_space, self._bins))
            elif learner.outgrown:
                learner = self._start(study, learner.grid)
            point = learner.propose(trial.number, rng)
            if point is None and not learner.grid.exact:
                learner = self._start(study, Grid(search_space, 2 * learner.grid.bins))
                point = learner.propose(trial.number, rng)
            if point is not None:
                return learner.grid.decode(point, rng)
            if learner.complete:
                self._warn_exhausted()
        # What is left to vary, if anything, are parameters that are not modelled.
        return {
            name: self.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._independent_sampler.sample_independent(
            study, trial, param_name, param_distribution
        )

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._independent_sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._independent_sampler.after_trial(study, trial, state, values)
        if not self._stop_when_exhausted or state == TrialState.FAIL:
            return
        # The trial itself is read later, from the storage, like those of other workers.
        with self._lock:
            if self._learner is not None:
                self._learner.follow(trial)
                if self._learner.exhausted:
                    with suppress(RuntimeError):  # A study that is asked and told cannot stop.
                        study.stop()

    def reseed_rng(self) -> None:
        """Draw values within bins, and the seed of a learner yet to come, from a new stream.

        What was learnt stays. Optuna calls this before each trial if trials run in threads.
        """
        self._independent_sampler.reseed_rng()
        with self._lock:
            self._seed = self._rng = None

    def _warn_exhausted(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                "every combination of values is evaluated or under way, so further trials repeat "
                "some; PPOSampler(stop_when_exhausted=True) stops the study instead",
                stacklevel=2,
            )

    def _generator(self) -> np.random.Generator:
        if self._rng is None:
            self._rng = np.random.default_rng(self._seed)
        return self._rng

    def _read(self, study: Study) -> None:
        """Learn of the trials that were made or finished since the last time."""
        trials = _trials(study)
        if study.study_name != self._study_name or len(trials) < self._read_to:
            self._forget(study.study_name)
        candidates = [*sorted(self._open), *range(self._read_to, len(trials))]
        self._read_to = len(trials)
        for trial in (trials[number] for number in candidates):
            if not trial.state.is_finished():
                self._open.add(trial.number)
                if self._learner is not None and trial.state == TrialState.RUNNING:
                    self._learner.follow(trial)
                continue
            self._open.discard(trial.number)
            if trial.state == TrialState.COMPLETE:
                self._common_space = _common(self._common_space, trial.distributions)
            if self._learner is not None:
                self._learner.read(trial)

    def _start(self, study: Study, grid: Grid) -> Learner:
        """A new learner that knows all trials read so far."""
        trials = [t for t in _trials(study)[: self._read_to] if t.number not in self._open]
        names = {name for trial in trials for name in trial.constraints}
        names |= {PRUNED for trial in trials if trial.state == TrialState.PRUNED and trial.values}
        names |= {FAILED for t in trials if not t.values or not np.isfinite(t.values).all()}
        same_grid = self._learner is not None and self._learner.grid is grid
        self._learner = Learner(
            grid,
            np.array([1.0 if d == StudyDirection.MINIMIZE else -1.0 for d in study.directions]),
            names,
            int(self._generator().integers(2**31)),
            self._settings,
            self._learner.busy if self._learner is not None and same_grid else {},
            self._tensorboard,
        )
        for trial in trials:
            self._learner.read(trial)
        return self._learner

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:  # Another thread may be learning.
            state = {name: value for name, value in vars(self).items() if name != "_lock"}
            return copy.deepcopy(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=RLock())


def _trials(study: Study) -> list[FrozenTrial]:
    """All trials by number, not copied; also in studies that a pruner made to hide some."""
    return study._storage.get_all_trials(study._study_id, deepcopy=False)


def _variable(space: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    """The parameters that have a choice."""
    return {name: space[name] for name in sorted(space) if not space[name].single()}


def _common(
    space: dict[str, BaseDistribution] | None, other: Mapping[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    """The parameters that both have alike; the same objects as before, if there were some."""
    if space is None:
        return _variable(other)
    return {name: known for name, known in space.items() if other.get(name) == known}
