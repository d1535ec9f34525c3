"""A search: optimisers of the register propose, the trials of an Optuna study are the evaluations.

Any number of processes may search one study, of the same or other algorithms. Each follows a
stream of proposals (:mod:`mcu_nas_moo.search.streams`), and all together finish the number of
trials that was asked for. A trial carries who works on it, so that others can close what a killed
process left.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from json import JSONDecodeError
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.text import without_passwords
from mcu_nas_moo.common.user_parts import failure, module_of
from mcu_nas_moo.contracts.optimiser import Setting, genotypes_of
from mcu_nas_moo.optimisers.register import entry, load_optimiser
from mcu_nas_moo.optimisers.user_optimisers import GROUP, is_own
from mcu_nas_moo.problem.adapters.optuna_objective import McuNasObjective, distribution
from mcu_nas_moo.problem.failures import FiniteValues
from mcu_nas_moo.search.lease import ABROAD_S, alone_in, this_process
from mcu_nas_moo.search.search_study import Progress, has_ended, reading, values_of
from mcu_nas_moo.search.streams import (
    OWNER,
    PLACE,
    Place,
    close_dead,
    keep_stream,
    marks_of,
    take_stream,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.contracts.optimiser import Optimiser
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.search.lease import Owner
    from mcu_nas_moo.search.streams import Stream
    from mcu_nas_moo.spaces.genes import Value

#: Longest time in seconds between two looks at whether trials of others have ended.
PATIENCE_S = 0.25
#: Seconds of waiting after which that is told.
TOLD_S = 5.0


def search(
    study: optuna.Study,
    task: Task,
    algorithm: str,
    trials: int,
    seed: int = 0,
    *,
    jobs: int = 1,
    taken: tuple[int, Stream] | None = None,
    folder: Path | None = None,
    watch: Callable[[Progress, bool], object] = lambda progress, changed: None,
    say: Callable[[str], object] = lambda text: None,
) -> Progress:
    """Evaluate until ``trials`` of the study are finished; those of earlier starts count.

    Several processes may search the same study at once.

    Args:
        study: see ``open_study``.
        task: of the study.
        algorithm: name in the register of optimisers, or ``module:name``.
        trials: finished trials of the whole study, at least 1.
        seed: of the algorithm. Processes with the same one follow different streams.
        jobs: processes that share the trials.
        taken: stream to follow first, see ``take_stream``; None takes one.
        folder: of the storage's file, see ``storage_folder``: processes take turns there, so that
            none begins a trial too many. Without it, such a trial fails.
        watch: called with the progress, and whether the front changed: once at the start and
            after each trial.
        say: is told in a line what a user should know.

    Returns:
        how far the study came: fewer trials than asked for only if the algorithm has nothing left
        to propose.

    Raises:
        InputError: for an unknown algorithm, one that proposes what is no genotype or nothing at
            all, or if the storage fails.
    """
    work = _Work(study, task, trials, folder, watch, say)
    try:
        work.living()
        if work.look(tell=True).finished < trials:
            work.run(algorithm, seed, planned(algorithm, trials, jobs), taken)
    except (optuna.exceptions.StorageInternalError, JSONDecodeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        reason = without_passwords(reason, getattr(study._storage, "url", ""))
        raise InputError(f"the storage of the study failed: {reason}") from None
    finally:
        work.leave_streams()
    return work.progress


def planned(algorithm: str, trials: int, jobs: int = 1) -> int:
    """The budget that each of so many processes plans for, if the algorithm plans."""
    return trials if entry(algorithm).any_time else -(-trials // jobs)


def check_algorithm(algorithm: str, task: Task, trials: int, seed: int, jobs: int = 1) -> None:
    """Build the optimiser of a search once.

    Raises:
        InputError: if there is none of the name, or it refuses the task or its budget.
    """
    ideal, budget = np.zeros(task.n_obj), planned(algorithm, trials, jobs)
    with _blaming(algorithm):
        load_optimiser(algorithm)(Setting(task, ideal, ideal + 1.0, budget, seed))


class _Work:
    """What one process does for a study."""

    def __init__(
        self,
        study: optuna.Study,
        task: Task,
        wanted: int,
        folder: Path | None,
        watch: Callable[[Progress, bool], object],
        say: Callable[[str], object],
    ) -> None:
        study.sampler = optuna.samplers.RandomSampler(0)  # of genes that an enqueued trial lacks
        self.progress = Progress(task.n_obj)
        self._study, self._task, self._wanted, self._folder = study, task, wanted, folder
        self._watch, self._say, self._objective = watch, say, McuNasObjective(task=task)
        self._owner = this_process()
        self._trials: Sequence[FrozenTrial] = ()
        self._changed = True
        self._followed: dict[int, Stream] = {}

    def look(self, tell: bool = False) -> Progress:
        """Read what is new in the study."""
        self._trials = self._study.get_trials(deepcopy=False)
        self._changed |= self.progress.read(self._trials)
        if tell:
            self._watch(self.progress, self._changed)
            self._changed = False
        return self.progress

    def leave_streams(self) -> None:
        """Let others take up what was followed here."""
        with suppress(Exception):  # the storage may be what failed
            for number, stream in self._followed.items():
                keep_stream(self._study, number, stream, None)

    def living(self) -> list[FrozenTrial]:
        """The trials that have not ended, without those whose process has."""
        self.look()
        return close_dead(self._study, [self._trials[n] for n in self.progress.under_way])

    def run(self, algorithm: str, seed: int, budget: int, taken: tuple[int, Stream] | None) -> None:
        """Follow streams until there are enough trials, or nothing is left to propose."""
        while True:  # and not with a stream that was followed here already
            number, stream = taken or take_stream(
                self._study, self._task, algorithm, seed, budget, self._folder, self._renewed()
            )
            taken = None
            self._followed[number] = stream
            proposed = self._follow(number, stream, budget)
            if self.progress.finished >= self._wanted:
                return
            if proposed == 0:
                raise InputError(f"{algorithm} proposed nothing to evaluate")
            if entry(algorithm).any_time or proposed < stream.budget:
                return  # all is known; else its plan is at an end, and the next seed makes another
            budget = self._wanted - self.progress.finished

    def _renewed(self) -> Owner:
        """The owner that this process is; it says now and then that it still works."""
        if time.time() - self._owner.since > ABROAD_S / 4:
            self._owner = self._owner.model_copy(update={"since": time.time()})
            for number, stream in self._followed.items():
                keep_stream(self._study, number, stream, self._owner)
        return self._owner

    def _follow(self, number: int, stream: Stream, budget: int) -> int:
        """Replay a stream and go on; returns how much it proposed before it ended."""
        name = stream.algorithm
        stored, told = self._stored(number)
        if stored:
            self._say(f"{name} with seed {stream.seed} goes on after {len(stored):,} trials")
        if stream.budget < budget and not entry(name).any_time:
            self._say(f"{name} has planned for {stream.budget:,} trials, and goes on beyond them")
        with _blaming(name):
            setting = stream.setting(self._task)
            optimiser = load_optimiser(name)(setting)
        finite = FiniteValues(setting.ideal, setting.nadir)
        learner = entry(name).learns_from_others
        known = {number for numbers in told.values() for number in numbers}
        position, genes = 0, self._task.space.genes
        while True:
            self._renewed()
            if stored:
                self.progress.to_replay = len(stored)
                self._watch(self.progress, False)
            others: tuple[int, ...] = ()
            if learner:
                others = told.get(position) or (
                    () if position in stored else self._others(number, known)
                )
                known.update(others)
                self._tell(optimiser, finite, others)
            with _blaming(name):
                X = genotypes_of(optimiser.ask(), genes, self._task.n_choices, name, position)
            if len(X) == 0:
                return position
            rows: list[tuple[list[float], list[float]]] = []
            for x in X:
                self.progress.to_replay = len(stored)
                trial = stored.pop(position, None)
                if trial is not None and trial.params != self._params(x):
                    self._say(f"{name} does not propose again what it did; does it use its seed?")
                    trial, stored = None, {}
                if trial is None:
                    trial = self._evaluate(x, Place(number, position, others if not rows else ()))
                if trial is None:
                    return position
                rows.append(self._values(trial))
                position += 1
            with _blaming(name):
                optimiser.tell(X, *finite(*_arrays(rows)))

    def _stored(self, stream: int) -> tuple[dict[int, FrozenTrial], dict[int, tuple[int, ...]]]:
        """Finished trials of a stream by position, and what its optimiser was told before."""
        stored, told = {}, {}
        for trial in self._trials:
            place = marks_of(trial).place
            if place is not None and place.stream == stream:
                told[place.position] = place.told
                if has_ended(trial):
                    stored[place.position] = trial
        return stored, told

    def _others(self, stream: int, known: set[int]) -> tuple[int, ...]:
        """Numbers of the finished trials that are not ``known``; adds this stream's own to it."""
        self.look()
        found = []
        for trial in self._trials:
            if has_ended(trial) and trial.number not in known:
                place = marks_of(trial).place
                if place is not None and place.stream == stream:
                    known.add(trial.number)
                else:
                    found.append(trial.number)
        return tuple(found)

    def _tell(self, optimiser: Optimiser, finite: FiniteValues, numbers: Sequence[int]) -> None:
        """Tell of trials that the optimiser did not ask for, but for those of other genes."""
        X, rows = [], []
        for trial in (self._trials[number] for number in numbers):
            with suppress(InputError), reading(trial):
                row = self._values(trial)
                X.append(self._objective.genotype(trial))
                rows.append(row)
        if rows:
            optimiser.tell(np.concatenate(X), *finite(*_arrays(rows)))

    def _values(self, trial: FrozenTrial) -> tuple[list[float], list[float]]:
        return values_of(trial, self._task.n_obj, self._task.constraint_names)

    def _params(self, x: IntArray) -> dict[str, Value]:
        genes = self._task.space.genes
        return {gene.name: gene.options[index] for gene, index in zip(genes, x, strict=True)}

    def _evaluate(self, x: IntArray, place: Place) -> FrozenTrial | None:
        """A finished trial of a genotype; None if the study has enough without it."""
        while True:
            trial = self._begin(x, place)
            if trial is None:
                return None
            try:
                values = self._objective(trial)
                failed = None if np.isfinite(values).all() else TrialState.FAIL
                done = self._study.tell(
                    trial, None if failed else values, state=failed, skip_if_finished=True
                )
            except optuna.exceptions.UpdateFinishedTrialError:
                continue  # another process took this one for dead
            except BaseException:
                with suppress(Exception):
                    self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
                raise
            self.look(tell=True)
            if has_ended(done) and marks_of(done).place is not None:
                return done  # and no enqueued one

    def _begin(self, x: IntArray, place: Place) -> optuna.Trial | None:
        """A trial of a genotype, or one that was enqueued; None if the study has enough.

        Waits while others are at the last trials, which may fail.
        """
        pause, begin = 0.001, time.monotonic()
        while True:
            self._renewed()
            with alone_in(self._folder) as alone:
                under_way = self.living()
                # Those without an owner are none of a search, and may never end.
                at_work = sum(OWNER in t.system_attrs for t in under_way)
                if self.progress.finished + at_work < self._wanted:
                    enqueued = any(t.state == TrialState.WAITING for t in under_way)
                    trial = self._enqueued() if enqueued else self._new(x, place)
                    if alone or self._counts(trial.number):
                        return trial
                    self._study.tell(trial, state=TrialState.FAIL)
            if self.progress.finished >= self._wanted:
                return None
            self.look(tell=True)
            if begin and time.monotonic() - begin > TOLD_S:
                begin = 0.0
                self._say(
                    f"waiting for {at_work:,} trials that other processes have begun; those of "
                    f"other hosts that say nothing are given up after {ABROAD_S / 60:.0f} minutes"
                )
            time.sleep(pause)
            pause = min(2 * pause, PATIENCE_S)

    def _counts(self, number: int) -> bool:
        """Whether the study lacks a trial, without those that began after this one."""
        self.look()
        before = sum(
            has_ended(t) or (t.state == TrialState.RUNNING and OWNER in t.system_attrs)
            for t in self._trials[:number]
        )
        return before < self._wanted

    def _enqueued(self) -> optuna.Trial:
        trial = self._study.ask()
        trial.storage.set_trial_system_attr(trial._trial_id, OWNER, self._owner.model_dump())
        return trial

    def _new(self, x: IntArray, place: Place) -> optuna.Trial:
        """A trial of a genotype, written in one step."""
        template = create_trial(
            state=TrialState.RUNNING,
            params=self._params(x),
            distributions={g.name: distribution(g) for g in self._task.space.genes},
            system_attrs={PLACE: list(place), OWNER: self._owner.model_dump()},
        )
        storage, study_id = self._study._storage, self._study._study_id
        return optuna.Trial(self._study, storage.create_new_trial(study_id, template))


def _arrays(rows: Sequence[tuple[list[float], list[float]]]) -> tuple[FloatArray, FloatArray]:
    """Objectives and constraints of trials; no column where there are no constraints."""
    F, G = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return F, G


@contextmanager
def _blaming(algorithm: str) -> Iterator[None]:
    """Let what an algorithm of the user's raises be an error of the user's, with its line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or not is_own(algorithm):
            raise
        said = failure(error, module_of(algorithm, GROUP))
        raise InputError(f"{algorithm} failed: {said}") from error
