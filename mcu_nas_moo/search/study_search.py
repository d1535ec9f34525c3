"""A search as an Optuna study: opened, continued, and read back as subnets."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.text import without_passwords
from mcu_nas_moo.common.yaml_files import validate
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.facts import ProblemFacts, difference
from mcu_nas_moo.search.subnets import FIGURES, Subnets, subnet_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import optuna
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.problem.task import Task

#: Algorithms of a search, with what each one is.
ALGORITHMS = {
    "ppo": "this package's PPOSampler",
    "nsga2": "Optuna's NSGA-II",
    "nsga3": "Optuna's NSGA-III",
    "tpe": "Optuna's multivariate TPE",
    "random": "random search",
}
#: User attributes of a study: what it searches, and each start of the search.
PROBLEM, STARTS = "mcu_nas_problem", "mcu_nas_starts"


def make_sampler(name: str, task: Task, budget: int, seed: int, finished: int = 0) -> BaseSampler:
    """The sampler of an algorithm.

    Args:
        name: one of :data:`ALGORITHMS`.
        task: that will be searched.
        budget: trials of the whole search; it decides about the size of populations.
        seed: same seed, same trials.
        finished: trials that the study has already. A sampler that continues draws from another
            stream, or it would propose the first trials again.

    Raises:
        InputError: for an unknown name.
    """
    import optuna

    if name not in ALGORITHMS:
        raise unknown_name("algorithm", name, ALGORITHMS)
    if finished:
        seed = int(np.random.SeedSequence([seed, finished]).generate_state(1)[0])
    if name == "ppo":
        from mcu_nas_moo.optimisers.ppo.sampler import PPOSampler

        return PPOSampler(seed=seed, stop_when_exhausted=True)
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        # Parts of Optuna's samplers are called experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return optuna.samplers.TPESampler(multivariate=True, seed=seed)
        from mcu_nas_moo.optimisers.wrapped.pymoo_optimisers import das_dennis, population_size

        size = population_size(budget)
        if name == "nsga2":
            return optuna.samplers.NSGAIISampler(population_size=size, seed=seed)
        directions = das_dennis(task.n_obj, size)
        return optuna.samplers.NSGAIIISampler(
            population_size=max(len(directions), 4), reference_points=directions, seed=seed
        )


def storage_for_reading(storage: str) -> BaseStorage:
    """The storage at a URL or path, see ``open_storage``.

    Raises:
        InputError: if it cannot be opened, or is a file that does not exist: opening would make
            an empty one.
    """
    from mcu_nas_moo.benchmark.results.optuna_export import open_storage

    path = storage.removeprefix("sqlite:///").partition("?")[0]
    if "://" not in path and not Path(path).is_file():
        shown = without_passwords(storage, storage)
        raise InputError(f"there is no storage {shown}; check --storage")
    return open_storage(storage)


def open_study(storage: BaseStorage, name: str, task: Task) -> optuna.Study:
    """The study ``name`` of ``task``, made if there is none; an empty one is taken.

    Raises:
        InputError: if the storage has a study of that name that searches something else.
    """
    import optuna
    from optuna.study import StudyDirection

    from mcu_nas_moo.problem.adapters.optuna_objective import McuNasObjective

    problem, objective = task.facts(), McuNasObjective(task=task)
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
        with warnings.catch_warnings():
            # Names of objectives are experimental in Optuna, but its dashboard shows them.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(objective.metric_names)
        study.set_user_attr(PROBLEM, problem.plain())
    return study


def load_study(storage: BaseStorage, name: str | None) -> optuna.Study:
    """A study that ``mcu-nas search`` made; without a name, the only one there is.

    Raises:
        InputError: if there is none of that name, or several to choose from.
    """
    import optuna

    names = optuna.get_all_study_names(storage)
    if name is None and len(names) != 1:
        remedy = (
            f"choose one of {', '.join(sorted(names))} by --study-name"
            if names
            else ("`mcu-nas search --storage` makes one")
        )
        raise InputError(f"the storage holds {len(names)} studies; {remedy}")
    if name is not None and name not in names:
        raise unknown_name("study", name, sorted(names) or ["(none: the storage is empty)"])
    study = optuna.load_study(study_name=name or names[0], storage=storage)
    if PROBLEM not in study.user_attrs:
        raise InputError(f"the study {study.study_name} was not made by `mcu-nas search`")
    return study


def problem_of(study: optuna.Study) -> ProblemFacts:
    """What a study searches.

    Raises:
        InputError: if the record of it is damaged.
    """
    return validate(ProblemFacts, study.user_attrs[PROBLEM], f"study {study.study_name}")


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were completed, by number; not copies."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def subnets_of(study: optuna.Study) -> Subnets:
    """Every distinct subnet of a study, in the order in which they were found.

    Raises:
        InputError: if a trial lacks its subnet or a figure.
    """
    problem = problem_of(study)
    first: dict[frozenset[tuple[str, int]], FrozenTrial] = {}
    for trial in finished_trials(study):
        try:
            key = frozenset(trial.user_attrs["subnet"].items())
            [float(trial.user_attrs[metric]) for metric in FIGURES]
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"trial {trial.number} of study {study.study_name} is damaged ({error}): "
                "`mcu-nas search` did not make it; search in another --study-name"
            ) from None
        first.setdefault(key, trial)
    trials = list(first.values())
    return Subnets(
        problem,
        tuple(subnet_name(problem, f"t{trial.number}") for trial in trials),
        tuple({str(k): int(v) for k, v in t.user_attrs["subnet"].items()} for t in trials),
        {m: np.array([float(trial.user_attrs[m]) for trial in trials]) for m in FIGURES},
        tuple(trial.number for trial in trials),
    )


@dataclass
class Progress:
    """How far a study is; grows with its trials, whichever process ran them.

    Attributes:
        finished: trials.
        feasible: of them, those that meet all limits; repeated subnets count again.
        front: objectives ``(n, n_obj)`` of the feasible trials that no other dominates, each once.
        under_way: numbers of the trials that have not ended.
    """

    n_obj: int
    finished: int = 0
    feasible: int = 0
    front: FloatArray = field(init=False)
    under_way: set[int] = field(default_factory=set)
    _read_to: int = 0

    def __post_init__(self) -> None:
        self.front = np.zeros((0, self.n_obj))

    def read(self, trials: Sequence[FrozenTrial]) -> bool:
        """Count what is new in all trials of the study, by number; whether the front changed."""
        from optuna.trial import TrialState

        new = [*sorted(self.under_way), *range(self._read_to, len(trials))]
        self._read_to = len(trials)
        self.under_way = {number for number in new if not trials[number].state.is_finished()}
        changed = [self._add(trials[n]) for n in new if trials[n].state == TrialState.COMPLETE]
        return any(changed)

    def _add(self, trial: FrozenTrial) -> bool:
        self.finished += 1
        if not feasible(np.array([list(trial.constraints.values())]))[0]:
            return False
        self.feasible += 1
        F = np.array(trial.values)
        if (self.front <= F).all(axis=1).any():
            return False
        self.front = np.vstack([self.front[~(F <= self.front).all(axis=1)], F])
        return True


def search(
    study: optuna.Study,
    task: Task,
    algorithm: str,
    trials: int,
    seed: int = 0,
    watch: Callable[[Progress, bool], object] = lambda progress, changed: None,
) -> Progress:
    """Run trials until ``trials`` of the study are finished; those of earlier starts count.

    Several processes may search the same study at once, with different seeds.

    Args:
        study: see :func:`open_study`.
        task: of the study.
        algorithm: see :func:`make_sampler`.
        trials: finished trials of the whole study, at least 1.
        seed: of the sampler.
        watch: called with the progress, and whether the front changed: once at the start and
            after each trial.

    Returns:
        how far the study came: fewer trials than asked for only if PPO has evaluated all
        combinations that are not under way.

    Raises:
        InputError: for an unknown algorithm, or if the storage fails.
    """
    import optuna

    from mcu_nas_moo.problem.adapters.optuna_objective import McuNasObjective

    progress = Progress(task.n_obj)
    progress.read(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(algorithm, task, trials, seed, progress.finished)
    watch(progress, True)
    if progress.finished >= trials:
        return progress
    start = {
        "algorithm": algorithm,
        "seed": seed,
        "from_trial": progress.finished,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "optuna": optuna.__version__,
    }
    study.set_user_attr(STARTS, [*starts_of(study), start])

    def after(study: optuna.Study, trial: FrozenTrial) -> None:
        watch(progress, progress.read(study.get_trials(deepcopy=False)))
        if progress.finished >= trials:
            study.stop()

    try:
        study.optimize(McuNasObjective(task=task), callbacks=[after])
        # Another process may have ended since the last trial.
        watch(progress, progress.read(study.get_trials(deepcopy=False)))
    except (optuna.exceptions.StorageInternalError, JSONDecodeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        reason = without_passwords(reason, getattr(study._storage, "url", ""))
        raise InputError(f"the storage of the study failed: {reason}") from None
    return progress


def starts_of(study: optuna.Study) -> list[dict[str, Any]]:
    """Algorithm, seed and first trial of each start of the search."""
    return list(study.user_attrs.get(STARTS, []))
