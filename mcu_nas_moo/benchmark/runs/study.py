"""Many runs: a folder that keeps what is finished, and processes that do the rest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from mcu_nas_moo.benchmark.references.reference import REFERENCE_FILE, Reference, kept_reference
from mcu_nas_moo.benchmark.runs.history import History, load_history, load_metadata
from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.json_files import read_json, write_json
from mcu_nas_moo.common.naming import file_name
from mcu_nas_moo.common.user_parts import failure, module_of
from mcu_nas_moo.common.workpool import WorkPool
from mcu_nas_moo.common.yaml_files import Facts, validate
from mcu_nas_moo.optimisers.register import (
    check_hyperparameters,
    optimiser_fingerprint,
)
from mcu_nas_moo.optimisers.user_optimisers import GROUP, is_own
from mcu_nas_moo.problem.facts import difference, problem_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mcu_nas_moo.problem.facts import ProblemFacts
    from mcu_nas_moo.problem.task import Task


#: The file that a study's folder holds, and the folder of its runs.
STUDY_FILE, RUNS = "study.json", "runs"


class Run(NamedTuple):
    """Names a run of a study."""

    algorithm: str
    seed: int


class Finished(NamedTuple):
    """A run that has ended.

    ``problem`` says why it failed, None if it did not; ``fault`` that what the user gave, such as
    an algorithm, is not the reason.
    """

    run: Run
    problem: str | None = None
    fault: bool = False


class _Budget(Facts, extra="ignore"):
    budget: Annotated[int, Field(ge=1, strict=True)]


def read_study(path: Path, remedy: str = "") -> tuple[ProblemFacts, int]:
    """The problem and the budget of a study, by its ``study.json``.

    Raises:
        InputError: if the file is damaged or something else.
    """
    facts = read_json(path, remedy, "a file of a study")
    return problem_facts(facts, str(path)), validate(_Budget, facts, str(path)).budget


class Study:
    """Runs of several optimisers and seeds on one task with one budget, kept in a folder.

    The folder holds ``study.json`` (task and budget), ``reference.npz`` and one file per finished
    run under ``runs/``. Opening a study with the same folder continues it.

    Args:
        folder: made if missing.
        budget: evaluations per run, positive.
        hyperparameters: of each algorithm that is not to run with its defaults, by name.
        tensorboard: folder of the logs, one folder per run in it; None for no logs.

    Raises:
        InputError: if the folder holds runs of another task or budget, or for an unknown
            algorithm or hyperparameter.
    """

    def __init__(
        self,
        folder: Path,
        task: Task,
        budget: int,
        *,
        hyperparameters: Mapping[str, Mapping[str, object]] | None = None,
        tensorboard: Path | None = None,
    ) -> None:
        if budget < 1:
            raise InputError(f"the budget must be at least 1 evaluation, got {budget}")
        self.folder = folder
        self.task = task
        self.budget = budget
        self.hyperparameters = {
            algorithm: check_hyperparameters(algorithm, given)
            for algorithm, given in (hyperparameters or {}).items()
        }
        self.tensorboard = tensorboard
        path = folder / STUDY_FILE
        if path.exists():
            self._compare(path)
        else:
            facts = {**task.facts().plain(folder), "budget": budget}
            write_json(path, facts)

    def _compare(self, path: Path) -> None:
        problem, budget = read_study(path, "choose another --out")
        other = difference(problem, self.task.facts())
        if budget != self.budget:
            other = f"budget: {budget} there, {self.budget} here"
        if other is not None:
            raise InputError(
                f"{path.parent} holds runs of another study, which differs in {other}; "
                "choose another --out or delete the folder"
            )

    def reference(self) -> Reference | None:
        """The reference that earlier starts in this folder used, None if there is none."""
        return kept_reference(self.folder, self.task)

    def fix_reference(self, reference: Reference) -> None:
        """Keep ``reference`` for all later starts in this folder."""
        reference.save(self.folder / REFERENCE_FILE)

    def path(self, run: Run) -> Path:
        """Where the history of a finished run lies."""
        return self.folder / RUNS / f"{_name(run)}-s{run.seed}.npz"

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Those of ``runs`` that are not finished yet, in their order."""
        return [run for run in runs if not self.path(run).exists()]

    def histories(self, runs: Iterable[Run]) -> list[History]:
        """The finished ones of ``runs``, in their order.

        Raises:
            InputError: if a file is damaged, belongs to another task or budget, or was made with
                other hyperparameters or by an optimiser that changed since.
        """
        histories = []
        for run in self._finished(runs):
            history = load_history(self.path(run))
            about = {"algorithm": history.algorithm, "seed": history.seed}
            self._compare_run(run, history.metadata | about)
            histories.append(history)
        return histories

    def check(self, runs: Iterable[Run]) -> int:
        """How many of ``runs`` are finished; looks at what their files say, which is quick.

        Raises:
            InputError: as :meth:`histories`, for what can be told without reading all of a file.
        """
        finished = self._finished(runs)
        for run in finished:
            self._compare_run(run, load_metadata(self.path(run)))
        return len(finished)

    def notes(self, runs: Iterable[Run]) -> dict[Run, str]:
        """What finished ones of ``runs`` have to say about how they went, if anything."""
        notes = {run: load_metadata(self.path(run)).get("note") for run in self._finished(runs)}
        return {run: note for run, note in notes.items() if note}

    def _finished(self, runs: Iterable[Run]) -> list[Run]:
        return [run for run in runs if self.path(run).exists()]

    def _compare_run(self, run: Run, metadata: Mapping[str, Any]) -> None:
        """Make sure that a file holds that run of this study, as it would be made now."""
        expected = (*run, self.budget, self.task.fingerprint)
        found = tuple(metadata.get(name) for name in ("algorithm", "seed", "budget", "fingerprint"))
        if found != expected:
            raise InputError(
                f"{self.path(run)} belongs to another study; delete it, the next start makes the "
                "run again"
            )
        other = None
        if metadata.get("hyperparameters", {}) != self.hyperparameters.get(run.algorithm, {}):
            other = "with other hyperparameters"
        elif metadata.get("optimiser") != optimiser_fingerprint(run.algorithm):
            other = "by other code or libraries"
        if other is not None:
            raise InputError(
                f"{self.path(run)} was made {other} of {run.algorithm}; choose another --out, or "
                f"delete {_name(run)}-*.npz there and the next start makes these runs again"
            )

    def run(self, runs: Sequence[Run], reference: Reference, jobs: int) -> Iterator[Finished]:
        """Make the missing ones of ``runs`` in ``jobs`` processes; yields them as they end.

        A run saves itself when it ends, so that an interruption costs only unfinished ones. A run
        that fails, or whose process is killed, does not stop the others.
        """
        make = partial(_make, self, reference)
        for run, future in WorkPool(jobs).as_completed(make, self.missing(runs)):
            error = future.exception()
            yield future.result() if error is None else Finished(run, str(error), fault=True)

    def options(self, run: Run) -> dict[str, Any]:
        """What ``run`` needs beside its seed; empty with defaults and without a log."""
        options: dict[str, Any] = {}
        if self.hyperparameters.get(run.algorithm):
            options["hyperparameters"] = self.hyperparameters[run.algorithm]
        if self.tensorboard is not None:
            folder = self.tensorboard / file_name(self.task.device_name) / _name(run)
            options["tensorboard"] = folder / f"seed-{run.seed}"
        return options


def _name(run: Run) -> str:
    """What files of a run's algorithm begin with: its name, ``module--Class`` if it is a user's."""
    return file_name(*run.algorithm.split(":"))


def _make(study: Study, reference: Reference, run: Run) -> Finished:
    """Make a run and save it."""
    try:
        history = run_optimiser(
            run.algorithm, study.task, reference, study.budget, run.seed, **study.options(run)
        )
        history.save(study.path(run))
    except (Exception, SystemExit) as error:  # whatever an algorithm of the user's raises
        problem = failure(error, module_of(run.algorithm, GROUP))
        given = is_own(run.algorithm) or isinstance(error, InputError | OSError)
        return Finished(run, problem, fault=not given)
    return Finished(run)
