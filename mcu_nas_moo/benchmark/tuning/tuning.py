"""Tuning of an optimiser in two stages, by the any-time quality of its runs."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.benchmark.analysis.hypervolume import share_of
from mcu_nas_moo.benchmark.runs.hyperparameter_files import write_config
from mcu_nas_moo.benchmark.runs.run import PACKAGES, run_optimiser
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.common.json_files import read_json, write_json
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.workpool import KilledError, WorkPool
from mcu_nas_moo.optimisers.register import (
    check_hyperparameters,
    default_hyperparameters,
    installed_version,
    optimiser_fingerprint,
    tunable,
)
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.facts import ProblemFacts, difference, problem_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.problem.task import Task

METHODS = ("tpe", "grid")
STAGES = (1, 2)
#: First seed of the runs; the benchmark counts its own from 0.
FIRST_SEED = 1000
#: Shares of the budget at which a run is scored.
MOMENTS = (0.25, 0.5, 1.0)
#: Random trials before TPE models the scores. Fixed, so that more trials continue fewer ones.
STARTUP_TRIALS = 10


class Trial(NamedTuple):
    """One set of values and what it is worth.

    Attributes:
        params: by the name of the hyperparameter; only those of the stage.
        scores: of each seed, the mean hypervolume ratio at :data:`MOMENTS` of the budget.
        problem: why a run failed, None if none did; there are no scores then.
    """

    params: dict[str, Any]
    scores: tuple[float, ...]
    problem: str | None = None

    @property
    def score(self) -> float | None:
        """Mean over the seeds; None if a run failed."""
        return float(np.mean(self.scores)) if self.scores else None


class Tuning:
    """The tuning of one algorithm on one task, kept in a folder.

    Stage 1 tunes how the algorithm searches; stage 2 starts from the best of stage 1 and tunes
    the reward, or the operators of an algorithm without one. The first trial of a stage are the
    values that it starts from, so that tuning never makes the score worse. ``tpe`` lets Optuna's
    TPE sampler propose; ``grid`` goes through a grid in a random order. The folder gets
    ``stage1.json``, ``stage2.json`` and ``best_config.json``; opening it again continues.

    Args:
        folder: made if missing.
        trials: per stage, at least 1; a smaller grid ends before.
        budget: evaluations per run, at least 1.
        seeds: runs per trial, at least 1; their seeds begin at :data:`FIRST_SEED`.

    Raises:
        InputError: for unknown names, an algorithm that has nothing to tune, or a folder that holds
            another tuning.
    """

    def __init__(
        self,
        folder: Path,
        algorithm: str,
        task: Task,
        reference: Reference,
        *,
        method: str = "tpe",
        trials: int = 30,
        budget: int = 2000,
        seeds: int = 3,
    ) -> None:
        if method not in METHODS:
            raise unknown_name("method", method, METHODS)
        for name, value in (("trials", trials), ("budget", budget), ("seeds", seeds)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        self.folder = folder
        self.algorithm = algorithm
        self.stages = dict(zip(STAGES, tunable(algorithm), strict=True))
        self.task, self.reference = task, reference
        self.method, self.trials, self.budget = method, trials, budget
        self.seeds = list(range(FIRST_SEED, FIRST_SEED + seeds))
        self._trials: dict[int, list[Trial]] = {stage: [] for stage in STAGES}
        self._load(1)
        if self.complete(1):
            self._load(2)

    def size(self, stage: int) -> int:
        """Trials of ``stage``: as many as asked for, or fewer if the grid has no more."""
        return (
            min(self.trials, len(self._grid(stage)) + 1) if self.method == "grid" else self.trials
        )

    def finished(self, stage: int) -> list[Trial]:
        """Trials of ``stage`` so far, in their order; may be more than asked for this time."""
        return list(self._trials[stage])

    def complete(self, stage: int) -> bool:
        """Whether ``stage`` has as many trials as asked for."""
        return len(self._trials[stage]) >= self.size(stage)

    def best(self, stage: int) -> Trial:
        """The best trial of ``stage`` so far, the earliest of equals."""
        return max(self.finished(stage), key=_rank)

    def run(self, stage: int, jobs: int = 1) -> Iterator[Trial]:
        """Make the trials that ``stage`` lacks, each with ``jobs`` processes; yields them.

        Every trial is saved when it ends.

        Raises:
            InputError: if the values that the stage starts from fail, or stage 1 is not finished.
        """
        if stage > 1:
            if not self.complete(stage - 1):
                raise InputError(f"stage {stage} starts from the best of the one before; run that")
            if not self._trials[stage]:
                self._load(stage)
        trials = self._trials[stage]
        while not self.complete(stage):
            trial = self._evaluate(stage, self._propose(stage), jobs)
            if not trials and trial.problem is not None:
                raise InputError(f"{self.algorithm} failed with its own settings: {trial.problem}")
            trials.append(trial)
            self._save(stage)
            yield trial

    def hyperparameters(self) -> dict[str, Any]:
        """The best values of both stages, those that differ from the algorithm's defaults."""
        return check_hyperparameters(self.algorithm, {**self.best(1).params, **self.best(2).params})

    def save_best(self) -> Path:
        """Write ``best_config.json`` and return its path."""
        path = self.folder / "best_config.json"
        facts = self._facts(2)
        for name in ("stage", "start", "tuned"):
            del facts[name]
        facts["trials"] = [len(self.finished(stage)) for stage in STAGES]
        facts["score"] = self.best(2).score
        facts["default_score"] = self.finished(1)[0].score
        write_config(path, {self.algorithm: self.hyperparameters()}, tuning=facts)
        return path

    def _propose(self, stage: int) -> dict[str, Any]:
        """Values of the next trial."""
        number, tuned = len(self._trials[stage]), self.stages[stage]
        if number == 0:
            return self._default_values(stage)
        if self.method == "grid":
            return self._grid(stage)[number - 1]
        import optuna
        from optuna.trial import TrialState, create_trial

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # A sampler of its own for each trial, so that going on after an interruption proposes the
        # same as going through.
        seed = int(np.random.default_rng([stage, number]).integers(2**32))
        sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        distributions = {name: entry.distribution() for name, entry in tuned.items()}
        for trial in self._trials[stage]:
            failed = trial.score is None
            study.add_trial(
                create_trial(
                    state=TrialState.FAIL if failed else TrialState.COMPLETE,
                    params=trial.params,
                    distributions=distributions,
                    value=trial.score,
                )
            )
        return dict(study.ask(distributions).params)

    def _default_values(self, stage: int) -> dict[str, Any]:
        """The optimiser's own values of what a stage tunes."""
        defaults = default_hyperparameters(self.algorithm)
        return {name: defaults[name] for name in self.stages[stage]}

    def _grid(self, stage: int) -> list[dict[str, Any]]:
        """All combinations in a random order, without the values that the stage starts from."""
        tuned = self.stages[stage]
        points = [
            dict(zip(tuned, values, strict=True))
            for values in product(*(entry.grid() for entry in tuned.values()))
        ]
        start = self._default_values(stage)
        points = [point for point in points if point != start]
        order = np.random.default_rng([stage, 0]).permutation(len(points))
        return [points[index] for index in order]

    def _evaluate(self, stage: int, params: dict[str, Any], jobs: int) -> Trial:
        known = [trial for trial in self._trials[stage] if trial.params == params]
        if known:
            return known[0]
        if stage > 1 and not self._trials[stage]:
            # The best of the stage before, as it was measured there.
            return self.best(stage - 1)._replace(params=params)
        chosen = {**self._start(stage), **params}
        score = partial(_score, self.algorithm, self.task, self.reference, self.budget, chosen)
        try:
            results = WorkPool(jobs).map(score, self.seeds)
        except KilledError as error:
            return Trial(params, (), str(error))
        problems = [result for result in results if isinstance(result, str)]
        if problems:
            return Trial(params, (), problems[0])
        return Trial(params, tuple(map(float, results)))

    def _start(self, stage: int) -> dict[str, Any]:
        """What the stages before have settled."""
        return {} if stage == 1 else dict(self.best(1).params)

    def _facts(self, stage: int) -> dict[str, Any]:
        """All that decides the trials of a stage, apart from their number."""
        return {
            "algorithm": self.algorithm,
            "stage": stage,
            "method": self.method,
            **self.task.facts().plain(self.folder),
            "budget": self.budget,
            "seeds": self.seeds,
            "optimiser": optimiser_fingerprint(self.algorithm),
            "start": self._start(stage),
            "tuned": {name: repr(entry) for name, entry in self.stages[stage].items()},
        }

    def _path(self, stage: int) -> Path:
        return self.folder / f"stage{stage}.json"

    def _save(self, stage: int) -> None:
        facts = self._facts(stage)
        facts["versions"] = {package: installed_version(package) for package in PACKAGES}
        facts["score"] = f"mean hypervolume ratio at {MOMENTS} of the budget, over the seeds"
        facts["trials"] = [
            {"params": t.params, "score": t.score, "scores": t.scores, "problem": t.problem}
            for t in self._trials[stage]
        ]
        write_json(self._path(stage), facts)

    def _load(self, stage: int) -> None:
        path = self._path(stage)
        if not path.exists():
            return
        with parsing(path, "delete it"):
            content = read_json(path, "delete it")
            trials = [
                Trial(dict(t["params"]), tuple(float(s) for s in t["scores"]), t["problem"])
                for t in content["trials"]
            ]
        facts = self._facts(stage)
        if content.get("start") != facts["start"]:
            return  # stage 1 went on and found a better start; this stage begins anew
        other = difference(problem_facts(content, str(path)), self.task.facts())
        for name, value in facts.items():
            if name not in ProblemFacts.model_fields and content.get(name) != value:
                told = f"{name}: {content.get(name)} there, {value} here"
                other = _CHANGED.get(name, told)
        if other is not None:
            raise InputError(
                f"{path} belongs to another tuning, which differs in {other}; "
                "choose another --out or delete it"
            )
        self._trials[stage] = trials


#: What facts mean that are no plain value.
_CHANGED = {"optimiser": "the code or libraries of the algorithm", "tuned": "the ranges"}


def ranking(trials: Sequence[Trial]) -> list[int]:
    """Numbers of the trials, the best first, the earliest of equals before; failed ones last."""
    return sorted(range(len(trials)), key=lambda number: -_rank(trials[number]))


def _rank(trial: Trial) -> float:
    return -1.0 if trial.score is None else trial.score


def _score(
    algorithm: str,
    task: Task,
    reference: Reference,
    budget: int,
    hyperparameters: dict[str, Any],
    seed: int,
) -> float | str:
    """Score of one run, or why it failed."""
    try:
        history = run_optimiser(
            algorithm, task, reference, budget, seed, hyperparameters=hyperparameters
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    counts = [max(round(share * budget), 1) for share in MOMENTS]
    volumes = [
        reference.hypervolume_of(history.F[:n][feasible(history.G[:n], history.F[:n])])
        for n in counts
    ]
    return float(share_of(volumes, reference.hypervolume).mean())
