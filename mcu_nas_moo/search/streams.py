"""Streams of proposals: each process of a search follows one, and a later one takes it up again.

Optimisers keep no state between starts. A stream that goes on is replayed: the same optimiser with
the same seed and budget proposes the same genotypes, the values of the stored trials answer the
first of them, and what follows is what an unbroken run would have proposed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import optuna
from optuna.trial import TrialState
from pydantic import NonNegativeInt, PositiveInt

from mcu_nas_moo.benchmark.references.reference import known_reference
from mcu_nas_moo.benchmark.references.whole_space import few_networks
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.yaml_files import Facts, validate
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.register import entry, optimiser_fingerprint
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.search.lease import Owner, alone_in, is_dead
from mcu_nas_moo.search.search_folder import Start
from mcu_nas_moo.search.search_study import STARTS, finished_trials, starts_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.problem.task import Task

#: Prefix of the study's attributes that keep streams, and the attribute of a trial that says
#: where it stands in one, and which process works on it.
STREAM, PLACE, OWNER = "mcu_nas_stream_", "mcu_nas_place", "mcu_nas_owner"
#: Random genotypes from which ranges of objectives are taken where no reference front is known.
SAMPLE = 256
#: The same where an evaluation takes seconds; what is found is kept for the search.
FEW = 6


class Stream(Facts):
    """All that decides what is proposed.

    Args:
        algorithm: name in the register.
        seed: that the user gave.
        worker: number among the streams of that algorithm and seed.
        optimiser: fingerprint of the algorithm.
        budget: evaluations that were planned.
        ideal, nadir: ranges of the objectives that the optimiser is told.
        owner: the process that follows it; None if none does.
    """

    algorithm: str
    seed: NonNegativeInt
    worker: NonNegativeInt
    optimiser: str
    budget: PositiveInt
    ideal: tuple[float, ...]
    nadir: tuple[float, ...]
    owner: Owner | None = None

    def setting(self, task: Task) -> Setting:
        """What the optimiser is built from."""
        seed = self.seed
        if self.worker:
            seed = int(np.random.SeedSequence([seed, self.worker]).generate_state(1)[0])
        return Setting(task, np.array(self.ideal), np.array(self.nadir), self.budget, seed)


class Place(NamedTuple):
    """Where a trial stands in a stream.

    Attributes:
        stream: number of the stream.
        position: of the proposal.
        told: numbers of other streams' trials that the optimiser was told just before.
    """

    stream: int
    position: int
    told: tuple[NonNegativeInt, ...] = ()


class TrialMarks(Facts):
    """What a trial says of itself; None where it is none of a search.

    Args:
        place: where it stands in a stream.
        owner: who works on it.
    """

    place: Place | None
    owner: Owner | None


def take_stream(
    study: optuna.Study,
    task: Task,
    algorithm: str,
    seed: int,
    budget: int,
    folder: Path | None,
    owner: Owner,
) -> tuple[int, Stream]:
    """The first stream of an algorithm and a seed that no process follows, else a new one.

    It is ``owner``'s from then on, and a start of the search is recorded. Without a lock in
    ``folder``, nobody else may do the same meanwhile.

    Returns:
        its number in the study, and the stream.

    Raises:
        InputError: if the record of a stream or a start is damaged.
    """
    with alone_in(folder):
        number, stream = _free_stream(study, task, algorithm, seed, budget)
        keep_stream(study, number, stream, owner)
        start = Start(
            algorithm=algorithm,
            seed=seed,
            from_trial=len(finished_trials(study)),
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            optuna=optuna.__version__,
        )
        starts = [each.model_dump() for each in (*starts_of(study), start)]
        study.set_user_attr(STARTS, starts)
    return number, stream


def _free_stream(
    study: optuna.Study, task: Task, algorithm: str, seed: int, budget: int
) -> tuple[int, Stream]:
    kept = {}
    for key, value in study.user_attrs.items():
        if key.startswith(STREAM):
            source, digits = f"study {study.study_name}: {key}", key.removeprefix(STREAM)
            stream = validate(Stream, value, source)
            if not digits.isdecimal() or {len(stream.ideal), len(stream.nadir)} != {task.n_obj}:
                raise InputError(f"{source} is damaged; search in another --study-name")
            kept[int(digits)] = stream
    new = max(kept, default=-1) + 1
    optimiser = optimiser_fingerprint(algorithm)
    alike = {n: s for n, s in kept.items() if (s.algorithm, s.seed) == (algorithm, seed)}
    number = min(
        (
            number
            for number, stream in alike.items()
            if (stream.owner is None or is_dead(stream.owner)) and stream.optimiser == optimiser
        ),
        default=new,
    )
    if number in kept and entry(algorithm).replayable:
        return number, kept[number]
    ideal, nadir = objective_ranges(task)
    return new, Stream(
        algorithm=algorithm,
        seed=seed,
        worker=len(alike),
        optimiser=optimiser,
        budget=budget,
        ideal=ideal.tolist(),
        nadir=nadir.tolist(),
    )


def keep_stream(study: optuna.Study, number: int, stream: Stream, owner: Owner | None) -> None:
    """Record a stream and who follows it."""
    owned = stream.model_copy(update={"owner": owner})
    study.set_user_attr(f"{STREAM}{number}", owned.model_dump(mode="json"))


def objective_ranges(task: Task) -> tuple[FloatArray, FloatArray]:
    """Best and worst value of each objective ``(n_obj,)``: on the reference front if one is known.

    Else among the feasible ones, if there are any, of some random genotypes and the two with the
    first and the last option of each gene, as a rule the smallest network and the largest; where
    an evaluation takes seconds, of a few alone. Without a feasible one, all that could be evaluated
    count; without any, the ranges are 0 to 1.
    """
    reference = known_reference(task)
    if reference is not None:
        return reference.ideal, reference.nadir
    if task.cost == "microseconds":
        ends = np.stack([np.zeros_like(task.n_choices), task.n_choices - 1])
        X = np.concatenate([ends, task.space.sample(SAMPLE, np.random.default_rng(0))])
    else:
        X = few_networks(task, FEW)
    F, G = task.evaluate(X)
    mask = feasible(G, F)
    F = F[mask] if mask.any() else F[np.isfinite(F).all(axis=1)]
    if not len(F):  # none could be evaluated
        return np.zeros(task.n_obj), np.ones(task.n_obj)
    return F.min(axis=0), F.max(axis=0)


def marks_of(trial: FrozenTrial) -> TrialMarks:
    """Where a trial stands, and who works on it.

    Raises:
        InputError: if the record of that is damaged.
    """
    kept = {"place": trial.system_attrs.get(PLACE), "owner": trial.system_attrs.get(OWNER)}
    marks = validate(TrialMarks, kept, f"trial {trial.number} of the study")
    if marks.place is not None and max(marks.place.told, default=-1) >= trial.number:
        raise InputError(f"trial {trial.number} of the study is told of later ones")
    return marks


def close_dead(study: optuna.Study, under_way: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Let those trials fail whose process has ended; returns the others."""
    living = []
    for trial in under_way:
        owner = marks_of(trial).owner
        if trial.state == TrialState.RUNNING and owner is not None and is_dead(owner):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        else:
            living.append(trial)
    return living
