"""The runs behind the comparison of optimisers: which ones, making them, scoring them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from joblib import Parallel, delayed, parallel_config

from mcu_nas_moo.analysis.indicators import hypervolume_ratios_at
from mcu_nas_moo.bench.front_search import pooled_reference
from mcu_nas_moo.bench.reference import file_name, load_reference, shipped_reference
from mcu_nas_moo.bench.study import Run, Study
from mcu_nas_moo.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rich.progress import Progress

    from mcu_nas_moo.bench.reference import Reference

#: Algorithms whose proposals do not depend on the budget they are given. One run is judged at
#: each number of evaluations. All others choose a population or a sweep by the budget: for them,
#: each number of evaluations is the budget of a run of its own.
ANY_TIME = ("random", "tpe", "ppo")
#: Most evaluations of algorithms that are too slow for more.
CEILINGS = {"tpe": 2000}
#: Digits of a hypervolume ratio that are kept.
DIGITS = 6


@dataclass(frozen=True)
class Problem:
    """Names of what is optimised."""

    space: str
    profile: str
    objectives: tuple[str, ...]

    @property
    def name(self) -> str:
        """For files; :func:`problem_of` reads it."""
        return f"{self.space}--{self.profile}--{'-'.join(self.objectives)}"

    @property
    def title(self) -> str:
        """For tables and progress."""
        return f"{self.space} on {self.profile}, {len(self.objectives)} objectives"

    def task(self) -> Task:
        """The task of these names."""
        return Task(self.space, self.profile, self.objectives)


def problem_of(name: str) -> Problem:
    """The problem of a name such as ``mbconv-stage--cortex-m7--error-latency``.

    Raises:
        ValueError: if the name has not these three parts.
    """
    parts = name.split("--")
    if len(parts) != 3:
        raise ValueError(f"a problem is SPACE--PROFILE--OBJECTIVE-OBJECTIVE, got {name!r}")
    return Problem(parts[0], parts[1], tuple(parts[2].split("-")))


def budgets(algorithm: str, counts: Sequence[int]) -> dict[int, int]:
    """For each of ``counts`` the budget of the run that is judged there.

    Numbers of evaluations beyond the algorithm's ceiling are left out.
    """
    within = [count for count in counts if count <= CEILINGS.get(algorithm, count)]
    return {count: max(within) if algorithm in ANY_TIME else count for count in within}


def kept_reference(task: Task, work: Path) -> Reference | None:
    """What runs are scored against: the shipped reference, or the one kept in ``work``."""
    reference = shipped_reference(task)
    path = work / "references" / file_name(task)
    if reference is None and path.exists():
        reference = load_reference(path)
        return reference if reference.fingerprint == task.fingerprint else None
    return reference


def made_reference(task: Task, work: Path, say: Callable[[str], object]) -> Reference:
    """The reference of :func:`kept_reference`, made and kept if there is none."""
    reference = kept_reference(task, work)
    if reference is None:
        reference = pooled_reference(task, say=say)
        reference.save(work / "references" / file_name(task))
    return reference


class ProblemRuns:
    """All runs on one problem; a folder below ``work`` for each budget.

    Args:
        work: folder of the comparison.
        problem: what is optimised.
        algorithms: names out of the register.
        seeds: of the runs of each algorithm.
        counts: numbers of evaluations at which runs are judged.
    """

    def __init__(
        self,
        work: Path,
        problem: Problem,
        algorithms: Sequence[str],
        seeds: Sequence[int],
        counts: Sequence[int],
    ) -> None:
        self.problem = problem
        self.task = problem.task()
        self.algorithms = algorithms
        self.counts = counts
        self._work = work
        self._planned: list[tuple[Path, int, list[Run]]] = []
        needed = {name: set(budgets(name, counts).values()) for name in algorithms}
        for budget in sorted(set[int]().union(*needed.values())):
            folder = work / f"{problem.name}--{budget}"
            names = [name for name in algorithms if budget in needed[name]]
            runs = [Run(name, seed) for seed in seeds for name in names]
            self._planned.append((folder, budget, runs))

    def _begun(self) -> Iterator[tuple[Study, list[Run]]]:
        """Studies whose folder is there, and the runs that belong to them."""
        for folder, budget, runs in self._planned:
            if folder.is_dir():
                yield Study(folder, self.task, budget), runs

    def check(self) -> int:
        """Number of finished runs.

        Raises:
            ValueError: if one is damaged, or was made by code that changed since.
        """
        return sum(len(study.histories(runs)) for study, runs in self._begun())

    def make(self, jobs: int, progress: Progress) -> list[str]:
        """Make the missing runs; returns a line for each that failed."""
        studies = [
            (Study(folder, self.task, budget), runs) for folder, budget, runs in self._planned
        ]
        total = sum(len(runs) for _, runs in studies)
        missing = sum(len(study.missing(runs)) for study, runs in studies)
        title = self.problem.title
        bar = progress.add_task(title, total=total, completed=total - missing)
        if not missing:
            return []
        reference = made_reference(
            self.task,
            self._work,
            lambda what: progress.update(bar, description=f"{title}: reference, {what}"),
        )
        progress.update(bar, description=title)
        failed = []
        for study, runs in studies:
            if study.reference() is None:
                study.fix_reference(reference)
            for (name, seed), reason in study.run(runs, reference, jobs):
                progress.advance(bar)
                if reason is not None:
                    failed.append(f"{title}: {name} with seed {seed} failed: {reason}")
        return failed

    def ratios(
        self, counts_of: Callable[[str, int], Sequence[int]], jobs: int
    ) -> Iterator[pd.DataFrame]:
        """Score the finished runs, study by study.

        Args:
            counts_of: tells, by algorithm and budget, after how many evaluations.
            jobs: processes.

        Yields:
            one row per run and number of evaluations, with the hypervolume ratio.
        """
        reference = kept_reference(self.task, self._work)
        if reference is None:
            return
        with parallel_config(backend="loky", inner_max_num_threads=1):
            workers = Parallel(n_jobs=jobs, return_as="generator")
            tasks = (
                delayed(_scored)(study, run, reference, counts_of(run.algorithm, study.budget))
                for study, runs in self._begun()
                for run in runs
            )
            for frame in workers(tasks):
                if len(frame):
                    frame.insert(0, "objectives", " ".join(self.problem.objectives))
                    frame.insert(0, "profile", self.problem.profile)
                    frame.insert(0, "space", self.problem.space)
                    yield frame

    def judged_at(self, algorithm: str, budget: int) -> list[int]:
        """Numbers of evaluations at which runs of that budget are compared."""
        return [n for n, needed in budgets(algorithm, self.counts).items() if needed == budget]


def _scored(study: Study, run: Run, reference: Reference, counts: Sequence[int]) -> pd.DataFrame:
    histories = study.histories([run]) if counts else []
    if not histories:
        return pd.DataFrame()
    history = histories[0]
    ratios = hypervolume_ratios_at(history.F, history.G, reference, counts)
    return pd.DataFrame(
        {
            "algorithm": run.algorithm,
            "seed": run.seed,
            "budget": study.budget,
            "evaluations": list(counts),
            # What is computed from here on can be computed again from the file.
            "ratio": ratios.round(DIGITS),
        }
    )
