"""The Optuna study of a search: opened, watched, and read back as subnets."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import printable, unknown_name
from mcu_nas_moo.common.yaml_files import Facts, validate
from mcu_nas_moo.contracts.evaluator import REASON
from mcu_nas_moo.problem.adapters.optuna_objective import (
    PROBLEM,
    McuNasObjective,
    name_objectives,
)
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.facts import ProblemFacts, difference
from mcu_nas_moo.search.search_folder import Start
from mcu_nas_moo.search.subnets import Subnets, figures_in, subnet_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.spaces.genes import Value

#: User attribute of a study: each start of the search.
STARTS = "mcu_nas_starts"


def open_study(storage: BaseStorage, name: str, task: Task) -> optuna.Study:
    """The study ``name`` of ``task``, made if there is none; an empty one is taken.

    Raises:
        InputError: if the storage has a study of that name that searches something else.
    """
    problem = task.facts()
    directions = [StudyDirection.MINIMIZE] * task.n_obj
    study = optuna.create_study(
        storage=storage, study_name=name, directions=directions, load_if_exists=True
    )
    new = PROBLEM not in study.user_attrs  # or another process is just making it
    other = None
    if not new:
        other = difference(problem_of(study), problem)
    elif study.get_trials(deepcopy=False) or study.directions != directions:
        other = "trials or directions that `mcu-nas search` did not make"
    if other is not None:
        raise InputError(
            f"the storage has another study {name}, which differs in {other}; "
            "choose another --study-name"
        )
    if new:
        name_objectives(study, task)
        study.set_user_attr(PROBLEM, problem.plain())
    return study


def load_study(storage: BaseStorage, name: str | None) -> optuna.Study:
    """The study of that name; without a name, the only one there is.

    Raises:
        InputError: if there is none of that name, or several to choose from.
    """
    names = [checked for checked in optuna.get_all_study_names(storage) if printable(checked)]
    if name is None and len(names) != 1:
        choice = f"choose one of {', '.join(sorted(names))} by --study-name"
        remedy = choice if names else "`mcu-nas search --storage` makes one"
        raise InputError(f"the storage holds {len(names)} studies; {remedy}")
    if name is not None and name not in names:
        raise unknown_name("study", name, sorted(names) or ["(none: the storage is empty)"])
    return optuna.load_study(study_name=name or names[0], storage=storage)


def problem_of(study: optuna.Study) -> ProblemFacts:
    """What a study searches.

    Raises:
        InputError: if the record of it is damaged.
    """
    return validate(ProblemFacts, study.user_attrs[PROBLEM], f"study {study.study_name}")


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were completed, by number; not copies."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def failures_of(study: optuna.Study) -> dict[str, int]:
    """How many networks could not be evaluated, by reason; the most frequent first."""
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    reasons = Counter(str(trial.user_attrs[REASON]) for trial in failed if has_failed(trial))
    return dict(reasons.most_common())


@contextmanager
def reading(trial: FrozenTrial) -> Iterator[None]:
    """Let what a trial lacks, or holds instead, be an error that names it."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"trial {trial.number} of the study is damaged ({error}): `mcu-nas search` did not "
            "make it; search in another --study-name"
        ) from None


def has_failed(trial: FrozenTrial) -> bool:
    """Whether the trial's network could not be evaluated."""
    return trial.state == TrialState.FAIL and REASON in trial.user_attrs


def has_ended(trial: FrozenTrial) -> bool:
    """Whether the trial counts: it is complete, or its network could not be evaluated."""
    return trial.state == TrialState.COMPLETE or has_failed(trial)


def values_of(
    trial: FrozenTrial, n_obj: int, constraints: Sequence[str] | None = None
) -> tuple[list[float], list[float]]:
    """Values of the objectives, and of the constraints of those names or of all.

    NaN where the network could not be evaluated.

    Raises:
        InputError: if the trial lacks one, or it is no finite number.
    """
    if has_failed(trial):
        return [np.nan] * n_obj, [np.nan] * len(constraints or ())
    with reading(trial):
        found = trial.constraints
        names = found if constraints is None else constraints
        F, G = [float(value) for value in trial.values], [float(found[name]) for name in names]
        if len(F) != n_obj or not np.isfinite(F + G).all():
            raise InputError(f"values {F}, constraints {G}")
    return F, G


def subnets_of(study: optuna.Study) -> Subnets:
    """Every distinct subnet of a study, in the order in which they were found.

    Raises:
        InputError: if a trial lacks its subnet or a figure.
    """
    problem = problem_of(study)
    first: dict[frozenset[tuple[str, Value]], FrozenTrial] = {}
    figures: list[str] | None = None
    for trial in finished_trials(study):
        with reading(trial):
            key = frozenset((str(k), v) for k, v in trial.user_attrs["subnet"].items())
            figures = figures or figures_in(trial.user_attrs, problem)
            [float(trial.user_attrs[name]) for name in figures]
        first.setdefault(key, trial)
    trials = list(first.values())
    return Subnets(
        problem,
        tuple(subnet_name(problem, f"t{trial.number}") for trial in trials),
        tuple(dict(trial.user_attrs["subnet"]) for trial in trials),
        {m: np.array([float(t.user_attrs[m]) for t in trials]) for m in figures or ()},
        tuple(trial.number for trial in trials),
    )


def decoded_subnets(study: optuna.Study, task: Task) -> tuple[Subnets, int]:
    """Every distinct subnet of a study that says nothing of its problem, evaluated by ``task``.

    Returns:
        the subnets, and the number of finished trials that are none of the task's space.

    Raises:
        InputError: if no trial is.
    """
    objective = McuNasObjective(task=task)
    first: dict[bytes, tuple[int, Genotypes]] = {}
    trials = finished_trials(study)
    others = 0
    for trial in trials:
        try:
            X = task.space.canonical(objective.genotype(trial))
        except InputError:
            others += 1
            continue
        first.setdefault(X.tobytes(), (trial.number, X))
    if not first:
        raise InputError(
            f"none of the {len(trials):,} finished trials of study {study.study_name} is a network "
            f"of space {task.space.name}; give the right --space"
        )
    numbers, rows = zip(*first.values(), strict=True)
    found = Subnets.of_genotypes(task, np.concatenate(rows), "t")
    names = tuple(subnet_name(found.problem, f"t{number}") for number in numbers)
    known = np.flatnonzero(np.isfinite(found.objective_values).all(axis=1))
    return replace(found, names=names, trials=numbers).take(known), others


@dataclass
class Progress:
    """How far a study is; grows with its trials, whichever process ran them.

    Attributes:
        finished: trials, those that could not be evaluated included.
        failed: of them, those that could not be evaluated.
        feasible: of them, those that meet all limits; repeated subnets count again.
        front: objectives ``(n, n_obj)`` of the feasible trials that no other dominates, each once.
        under_way: numbers of the trials that have not ended.
        to_replay: trials of earlier starts that the optimiser has yet to propose again.
    """

    n_obj: int
    finished: int = 0
    failed: int = 0
    feasible: int = 0
    front: FloatArray = field(init=False)
    under_way: set[int] = field(default_factory=set)
    to_replay: int = 0
    _read_to: int = 0

    def __post_init__(self) -> None:
        self.front = np.zeros((0, self.n_obj))

    def read(self, trials: Sequence[FrozenTrial]) -> bool:
        """Count what is new in all trials of the study, by number; whether the front changed."""
        new = [*sorted(self.under_way), *range(self._read_to, len(trials))]
        self._read_to = len(trials)
        self.under_way = {number for number in new if not trials[number].state.is_finished()}
        changed = [self._add(trials[n]) for n in new if has_ended(trials[n])]
        return any(changed)

    def _add(self, trial: FrozenTrial) -> bool:
        self.finished += 1
        if has_failed(trial):
            self.failed += 1
            return False
        values, constraints = values_of(trial, self.n_obj)
        if not feasible(np.array([constraints]))[0]:
            return False
        self.feasible += 1
        F = np.array(values)
        if (self.front <= F).all(axis=1).any():
            return False
        self.front = np.vstack([self.front[~(F <= self.front).all(axis=1)], F])
        return True


class _Starts(Facts):
    starts: tuple[Start, ...]


def starts_of(study: optuna.Study) -> tuple[Start, ...]:
    """Each start of the search.

    Raises:
        InputError: if the record of one is damaged.
    """
    kept = {"starts": study.user_attrs.get(STARTS, [])}
    return validate(_Starts, kept, f"study {study.study_name}").starts
