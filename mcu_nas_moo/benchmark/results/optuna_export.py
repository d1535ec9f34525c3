"""Full histories as studies of Optuna, which its dashboard and its plots open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.runs.run import PACKAGES
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import is_url
from mcu_nas_moo.common.text import without_passwords
from mcu_nas_moo.problem.adapters.optuna_objective import distribution, name_objectives

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study as OptunaStudy
    from optuna.trial import FrozenTrial

    from mcu_nas_moo.benchmark.runs.history import History
    from mcu_nas_moo.problem.task import Task


def open_storage(storage: str) -> BaseStorage:
    """The storage at a URL such as ``sqlite:///runs.db``, or the journal in a file.

    Raises:
        InputError: if Optuna cannot open it.
    """
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        if storage.startswith("sqlite"):  # which serves one process at a time; others wait
            return RDBStorage(storage, engine_kwargs={"connect_args": {"timeout": 60}})
        if is_url(storage):
            return RDBStorage(storage)
        return JournalStorage(JournalFileBackend(storage))
    except Exception as error:
        reason = " ".join(str(error).split())
        text = f"Optuna cannot open the storage {storage} ({reason})"
        raise InputError(
            f"{without_passwords(text, storage)}; give a URL such as sqlite:///runs.db, or a file "
            "for a journal"
        ) from None  # the cause holds the URL


def export_run(history: History, task: Task, storage: BaseStorage, name: str) -> OptunaStudy | None:
    """Add a run to ``storage`` as a study of its own, one trial per evaluation.

    The trials are like those of ``McuNasObjective``: parameters are the
    values of the genes, constraints are those of the task, and ``best_trials`` is the run's
    feasible front. A study that is complete already is left as it is.

    Returns:
        the study; None if it was there already.

    Raises:
        InputError: if the storage has another study of that name, or a part of this one.
    """
    import optuna

    about = {
        "algorithm": history.algorithm,
        "seed": history.seed,
        "space": task.space.name,
        "profile": task.facts().profile,
        **{key: history.metadata.get(key) for key in ("budget", "fingerprint", "settings")},
        "versions": history.metadata.get("versions", dict.fromkeys(PACKAGES, "not known")),
    }
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if name in optuna.get_all_study_names(storage):
            known = optuna.load_study(study_name=name, storage=storage)
            n_trials = len(known.get_trials(deepcopy=False))
            if n_trials == len(history.X) and known.user_attrs == about:
                return None
            raise InputError(
                f"the storage has a study {name} with {n_trials} trials already; delete it, or "
                "choose another --study-name"
            )
        study = optuna.create_study(
            storage=storage, study_name=name, directions=["minimize"] * task.n_obj
        )
        name_objectives(study, task)
        for key, value in about.items():
            study.set_user_attr(key, value)
        study.add_trials(_trials(history, task))
    finally:
        optuna.logging.set_verbosity(verbosity)
    return study


def _trials(history: History, task: Task) -> list[FrozenTrial]:
    from optuna.trial import TrialState, create_trial

    genes = task.space.genes
    distributions = {gene.name: distribution(gene) for gene in genes}
    metrics = {name: values.tolist() for name, values in task.metrics(history.X).items()}
    subnets = task.space.decode(history.X)
    failed = np.isnan(np.concatenate([history.F, history.G], axis=1)).any(axis=1).tolist()
    trials = []
    for number, x in enumerate(history.X):
        about: dict[str, Any] = {
            "params": {gene.name: gene.options[i] for gene, i in zip(genes, x, strict=True)},
            "distributions": distributions,
        }
        subnet = dict(subnets[number].values)
        if failed[number]:
            reason = {"subnet": subnet, "reason": task.reason(x) or "not known"}
            trials.append(create_trial(state=TrialState.FAIL, user_attrs=reason, **about))
            continue
        figures = {name: values[number] for name, values in metrics.items()}
        trials.append(
            create_trial(
                values=history.F[number].tolist(),
                constraints=dict(
                    zip(task.constraint_names, history.G[number].tolist(), strict=True)
                ),
                user_attrs={"subnet": subnet, **figures},
                **about,
            )
        )
    return trials
