"""Streams of proposals: each process of a search follows one, and a later one takes it up again.

Optimisers keep no state between starts. A stream that goes on is replayed: the same optimiser with
the same seed and budget proposes the same genotypes, the values of the stored trials answer the
first of them, and what follows is what an unbroken run would have proposed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.benchmark.references.reference import known_reference
from mcu_nas_moo.common.yaml_files import Facts, validate
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.register import entry, optimiser_fingerprint
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.search.lease import is_dead, this_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from optuna.trial import FrozenTrial

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.problem.task import Task

#: Prefix of the study's attributes that keep streams, and the attribute of a trial that says
#: where it stands in one, and which process works on it.
STREAM, PLACE, OWNER = "mcu_nas_stream_", "mcu_nas_place", "mcu_nas_owner"
#: Random genotypes from which ranges of objectives are taken where no reference front is known.
SAMPLE = 256


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
    seed: int
    worker: int
    optimiser: str
    budget: int
    ideal: tuple[float, ...]
    nadir: tuple[float, ...]
    owner: dict[str, Any] | None = None

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
    told: Sequence[int] = ()


def take_stream(
    study: optuna.Study, task: Task, algorithm: str, seed: int, budget: int
) -> tuple[int, Stream]:
    """The first stream of an algorithm and a seed that no process follows, else a new one.

    Nobody else may do the same meanwhile.

    Returns:
        its number in the study, and the stream.

    Raises:
        InputError: if the record of one is damaged.
    """
    kept = {
        int(key.removeprefix(STREAM)): validate(Stream, value, f"{key} of {study.study_name}")
        for key, value in study.user_attrs.items()
        if key.startswith(STREAM)
    }
    optimiser = optimiser_fingerprint(algorithm)
    alike = {n: s for n, s in kept.items() if (s.algorithm, s.seed) == (algorithm, seed)}
    number = min(
        (
            number
            for number, stream in alike.items()
            if (stream.owner is None or is_dead(stream.owner)) and stream.optimiser == optimiser
        ),
        default=len(kept),
    )
    if number in kept and entry(algorithm).replayable:
        stream = kept[number]
    else:
        number = len(kept)
        ideal, nadir = objective_ranges(task)
        stream = Stream(
            algorithm=algorithm,
            seed=seed,
            worker=len(alike),
            optimiser=optimiser,
            budget=budget,
            ideal=ideal.tolist(),
            nadir=nadir.tolist(),
        )
    keep_stream(study, number, stream, this_process())
    return number, stream


def keep_stream(
    study: optuna.Study, number: int, stream: Stream, owner: dict[str, Any] | None
) -> None:
    """Record a stream and who follows it."""
    owned = stream.model_copy(update={"owner": owner})
    study.set_user_attr(f"{STREAM}{number}", owned.model_dump(mode="json"))


def objective_ranges(task: Task) -> tuple[FloatArray, FloatArray]:
    """Best and worst value of each objective ``(n_obj,)``: on the reference front if one is known.

    Else among the feasible ones, if there are any, of some random genotypes and the two with the
    first and the last option of each gene, as a rule the smallest network and the largest.
    """
    reference = known_reference(task)
    if reference is not None:
        return reference.ideal, reference.nadir
    ends = np.stack([np.zeros_like(task.n_choices), task.n_choices - 1])
    F, G = task.evaluate(
        np.concatenate([ends, task.space.sample(SAMPLE, np.random.default_rng(0))])
    )
    met = feasible(G)
    F = F[met] if met.any() else F
    return F.min(axis=0), F.max(axis=0)


def place_of(trial: FrozenTrial) -> Place | None:
    """Where a trial stands in a stream; None if it is in none."""
    kept = trial.system_attrs.get(PLACE)
    return None if kept is None else Place(*kept)
