"""Suites: files that say which optimisers run on which problems, the runs that follow, a record."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mcu_nas_moo.benchmark.references.reference import known_reference
from mcu_nas_moo.benchmark.runs.run import PACKAGES
from mcu_nas_moo.benchmark.runs.study import Run, Study
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.json_files import write_json
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.workpool import cores
from mcu_nas_moo.common.yaml_files import Facts, Name, is_path, read_values, validate
from mcu_nas_moo.contracts.metrics import OBJECTIVES
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.optimisers import register
from mcu_nas_moo.problem.evaluators.task_evaluators import TABLES
from mcu_nas_moo.problem.named.register import check_problem
from mcu_nas_moo.problem.named_parts import NO_PROFILE, task_of_names
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.training.supernet.shipped_files import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference

#: The file in the folder of a suite that says what was asked for.
SUITE_FILE = "suite.json"
#: Recorded beside what makes the runs: what scores them.
ANALYSIS_PACKAGES = ("moocore", "scipy", "pandas")


class _Fields(Facts):
    """Facts that name the nearest field to one that does not exist."""

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name in values:
                if name not in cls.model_fields:
                    raise unknown_name("field", str(name), cls.model_fields)
        return values


def _profile(name: str) -> str:
    if name != NO_PROFILE:
        load_profile(name)  # a file that is wrong, or an unknown name, is best refused here
    return name


def _space(name: str) -> str:
    load_space(name)
    return name


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise InputError(f"{value} is given twice")
    return values


def _mapping(value: Any) -> Any:
    """An algorithm that is only a name, in full."""
    return {"name": value} if isinstance(value, str) else value


def _lists(value: Any) -> Any:
    """Several lists of objectives, none of which lacks its brackets."""
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        raise InputError(f"a list of lists is wanted, such as [[{', '.join(value)}]]")
    return value


Space = Annotated[str, AfterValidator(_space)]
ProfileName = Annotated[str, AfterValidator(_profile)]
Objectives = Annotated[
    tuple[str, ...],
    Field(min_length=2),
    AfterValidator(_different),
]
ObjectiveLists = Annotated[tuple[Objectives, ...], Field(min_length=1), BeforeValidator(_lists)]
ProblemName = Annotated[str, AfterValidator(check_problem)]
Count = Annotated[int, Field(ge=1, le=10**9, strict=True)]
Seeds = Annotated[int, Field(ge=1, le=1000, strict=True)]


class AlgorithmChoice(_Fields):
    """An algorithm of a suite.

    Attributes:
        name: registered, or ``module:Class``.
        hyperparameters: those that are not to have their defaults.
        ceiling: largest number of evaluations that it gets; the register's by default.
        spaces, profiles, objectives: the only ones that it gets; all by default. Objectives as
            lists of names.
        problems: the only ones by name that it gets; all by default.
    """

    name: Annotated[str, AfterValidator(register.check_optimiser)]
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    ceiling: Count | None = None
    spaces: tuple[Space, ...] | None = None
    profiles: tuple[ProfileName, ...] | None = None
    objectives: ObjectiveLists | None = None
    problems: tuple[ProblemName, ...] | None = None

    @model_validator(mode="after")
    def _known_hyperparameters(self) -> AlgorithmChoice:
        register.check_hyperparameters(self.name, self.hyperparameters)
        return self

    def takes(self, space: str, profile: str, objectives: tuple[str, ...]) -> bool:
        """Whether it is to run on the problem of these names."""
        return (
            (self.spaces is None or space in self.spaces)
            and (self.profiles is None or profile in self.profiles)
            and (self.objectives is None or objectives in self.objectives)
        )

    def takes_problem(self, name: str) -> bool:
        """Whether it is to run on the problem that is asked for by this name."""
        return self.problems is None or name in self.problems

    def budgets(self, counts: Sequence[int]) -> dict[int, int]:
        """For each of ``counts`` the budget of the run that is judged there.

        Proposals that do not depend on the budget need one run, the longest; it is judged on its
        way. Counts beyond the ceiling are left out.
        """
        known = register.entry(self.name)
        limit = self.ceiling or known.ceiling
        within = [count for count in counts if limit is None or count <= limit]
        return {count: max(within) if known.any_time else count for count in within}


Algorithm = Annotated[AlgorithmChoice, BeforeValidator(_mapping)]
Algorithms = Annotated[tuple[Algorithm, ...], Field(min_length=1)]


class Part(_Fields):
    """Problems and algorithms of a suite; what is left out is that of the whole suite.

    Attributes:
        spaces: names, YAML files or ``module:Name``.
        profiles: names or YAML files, or ``none`` for networks on no device.
        objectives: lists of two names or more.
        problems: further ones, by name or ``module:Name``; without spaces, profiles and objectives
            they are all there is.
        budgets: numbers of evaluations at which runs are judged.
        seeds: runs per algorithm, problem and budget; seeds 0, 1, ...
        algorithms: names, or what :class:`AlgorithmChoice` holds.
        accuracy, supernet, data, evaluators, costs: see
            :func:`~mcu_nas_moo.problem.named_parts.task_of_names`.
        limits: by metric, in the unit in which it is shown; instead of the profile's.
    """

    spaces: Annotated[tuple[Space, ...], Field(min_length=1)] | None = None
    profiles: Annotated[tuple[ProfileName, ...], Field(min_length=1)] | None = None
    objectives: ObjectiveLists | None = None
    problems: (
        Annotated[tuple[ProblemName, ...], Field(min_length=1), AfterValidator(_different)] | None
    ) = None
    budgets: (
        Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(_different)] | None
    ) = None
    seeds: Seeds | None = None
    algorithms: Algorithms | None = None
    accuracy: Path | None = None
    supernet: Path | None = None
    data: Path | None = None
    evaluators: tuple[str, ...] = ()
    costs: str = "analytic"
    limits: dict[str, float] = Field(default_factory=dict)


#: What networks are evaluated with, beside the profile.
EVALUATION = ("accuracy", "supernet", "data", "evaluators", "costs")
#: Fields whose combinations are problems of networks.
NETWORKS = {"spaces", "profiles", "objectives"}


class SuiteFile(Part):
    """What a suite's file holds: every combination of spaces, profiles and objectives is a problem.

    Its fields are those of :class:`Part`, for all parts, and its own. Files are seen from there.

    Attributes:
        name: of the suite; that of the file by default.
        description: one line.
        parts: several such products where one is too coarse; each says what differs in it.
    """

    name: Name
    description: str = ""
    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = (Part(),)

    @model_validator(mode="after")
    def _complete(self) -> SuiteFile:
        for number, part in enumerate(self.parts):
            given = {name for name in Part.model_fields if self.of(part, name) is not None}
            needed = NETWORKS | {"budgets", "seeds", "algorithms"}
            if "problems" in given and not given & NETWORKS:
                needed -= NETWORKS
            where = f"parts.{number}: " if self.parts != (Part(),) else ""
            for name in Part.model_fields:
                if name in needed - given:
                    remedy = "; [none] for networks on no device" if name == "profiles" else ""
                    raise InputError(f"{where}{name}: field required{remedy}")
            if not self.of(part, "evaluators"):  # which bring objectives of their own
                for name in chain(*self.of(part, "objectives") or ()):
                    if name not in OBJECTIVES:
                        error = unknown_name("objective", name, OBJECTIVES)
                        raise InputError(f"{where}objectives: {error}")
            names = [algorithm.name for algorithm in self.of(part, "algorithms")]
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise InputError(f"algorithms: {twice} is given twice")
        return self

    def of(self, part: Part, name: str) -> Any:
        """The field ``name`` of a part, or of the whole suite if the part leaves it out."""
        return getattr(part if name in part.model_fields_set else self, name)


@dataclass
class PlannedProblem:
    """The runs of a suite on one problem.

    Attributes:
        task: what is optimised.
        counts: numbers of evaluations at which runs are judged, increasing.
        runs: of each budget.
        hyperparameters: of the algorithms that have other ones than their defaults.
    """

    task: Task
    counts: tuple[int, ...] = ()
    runs: dict[int, list[Run]] = field(default_factory=dict)
    hyperparameters: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.task.title}, {self.task.n_obj} objectives"

    @property
    def n_runs(self) -> int:
        """Number of all runs."""
        return sum(len(runs) for runs in self.runs.values())

    def studies(self, folder: Path) -> list[tuple[Study, list[Run]]]:
        """One study per budget in a folder of its own below ``folder``, and its runs.

        Raises:
            InputError: if a folder holds another study.
        """
        return [
            (
                Study(
                    folder / f"{self.task.name}--{budget}",
                    self.task,
                    budget,
                    hyperparameters=self.hyperparameters,
                ),
                runs,
            )
            for budget, runs in sorted(self.runs.items())
        ]


def load_suite(path: Path) -> SuiteFile:
    """Read a suite's file.

    Raises:
        InputError: on one line, with file and field, for whatever is wrong with it.
    """
    values = {"name": path.stem, **read_values(path, str(path))}
    return validate(SuiteFile, _seen_from(path.parent, values), str(path))


def _seen_from(folder: Path, values: Any) -> Any:
    """The same values with the user's files as seen from ``folder``."""
    if isinstance(values, list):
        return [_seen_from(folder, value) for value in values]
    if not isinstance(values, dict):
        return values
    seen = {name: _seen_from(folder, value) for name, value in values.items()}
    for key in ("spaces", "profiles", "evaluators"):
        if isinstance(seen.get(key), list):
            seen[key] = [str(folder / name) if _is_file(name) else name for name in seen[key]]
    for key in ("accuracy", "supernet", "data", "costs"):
        name = seen.get(key)
        if isinstance(name, str) and name not in (SHIPPED, "analytic", "mlp"):
            seen[key] = str(folder / name)
    return seen


def _is_file(name: Any) -> bool:
    return isinstance(name, str) and ":" not in name and (is_path(name) or name.endswith(TABLES))


def plan(suite: SuiteFile, seeds: int | None = None) -> list[PlannedProblem]:
    """The runs that a suite asks for, problem by problem; ``seeds`` instead of its own number.

    Raises:
        InputError: if parts of the suite give one algorithm different hyperparameters on one
            problem, or two problems have one name.
    """
    planned: dict[str, PlannedProblem] = {}
    for part in suite.parts:
        of: dict[str, Any] = {name: suite.of(part, name) for name in Part.model_fields}
        for task, chosen in _tasks(of):
            entry = planned.setdefault(task.name, PlannedProblem(task))
            if entry.task.fingerprint != task.fingerprint:
                raise InputError(
                    f"suite {suite.name}: two different problems are called {task.name}; give one "
                    "another name (attribute `name`), or a suite of its own"
                )
            entry.counts = tuple(sorted({*entry.counts, *of["budgets"]}))
            for choice in chosen:
                values = register.check_hyperparameters(choice.name, choice.hyperparameters)
                if entry.hyperparameters.setdefault(choice.name, values) != values:
                    raise InputError(
                        f"suite {suite.name}: parts give {choice.name} different "
                        f"hyperparameters on {task.name}"
                    )
            for seed in range(seeds or of["seeds"]):
                for choice in chosen:
                    for budget in dict.fromkeys(choice.budgets(of["budgets"]).values()):
                        runs = entry.runs.setdefault(budget, [])
                        if (run := Run(choice.name, seed)) not in runs:
                            runs.append(run)
    for entry in planned.values():
        given = entry.hyperparameters
        entry.hyperparameters = {name: values for name, values in given.items() if values}
    return list(planned.values())


def _tasks(of: Mapping[str, Any]) -> Iterator[tuple[Task, list[AlgorithmChoice]]]:
    """The problems of a part, with the algorithms that are to run on them."""
    if of["spaces"] is not None:
        parts = {name: of[name] for name in EVALUATION} | {"shown_limits": of["limits"]}
        for names in product(of["objectives"], of["spaces"], of["profiles"]):
            objectives, space, profile = names
            chosen = [one for one in of["algorithms"] if one.takes(space, profile, objectives)]
            yield task_of_names(space, profile, objectives, **parts), chosen
    for name in of["problems"] or ():
        yield Task.of_problem(name), [one for one in of["algorithms"] if one.takes_problem(name)]


def write_record(
    folder: Path, suite: SuiteFile, text: str, planned: Sequence[PlannedProblem], command: str
) -> None:
    """Write ``suite.json``: command, ``text`` of the file, budgets per problem, versions, host."""
    versions = {name: register.installed_version(name) for name in PACKAGES + ANALYSIS_PACKAGES}
    facts = {
        "name": suite.name,
        "description": suite.description,
        "command": command,
        "suite_file": text,
        "budgets": {entry.task.name: list(entry.counts) for entry in planned},
        "runs": {entry.task.name: entry.n_runs for entry in planned},
        "versions": {"python": platform.python_version(), **versions},
        "machine": {  # nothing personal
            "system": platform.system(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "cores_used": cores(),
        },
    }
    write_json(folder / SUITE_FILE, facts)


def reference_of_suite(studies: Sequence[Study]) -> Reference | None:
    """What runs of these studies, of one task, are to be scored against.

    The reference that is known of the task, else the first that a study keeps, else None.
    """
    kept = (study.reference() for study in studies)
    return known_reference(studies[0].task) or next(filter(None, kept), None)
