"""Distinct subnets with their predicted figures: what a search leaves and a choice is made from."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.metrics import VIOLATION
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.evaluators.checked_evaluator import SPREAD
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.spaces.abilities import HasNetworks
from mcu_nas_moo.spaces.register import SpaceReference
from mcu_nas_moo.spaces.subnet_file import SubnetFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.problem.facts import ProblemFacts
    from mcu_nas_moo.spaces.genes import SearchSpace, Value


def subnet_name(problem: ProblemFacts, suffix: str) -> str:
    """Name of a subnet: the profile, in characters that a file name may hold, and a suffix."""
    stem = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", problem.profile or problem.space)[:60].strip("-._")
        or "subnet"
    )
    return f"{stem}-{suffix}"


def space_of(problem: ProblemFacts) -> SearchSpace:
    """The space of a problem that a file is about, whether of networks or not.

    Raises:
        InputError: if it cannot be made again.
    """
    if problem.problem is None:
        return problem.search_space()
    return Task.of_problem(problem.problem).space


def figures_in(names: Iterable[str], problem: ProblemFacts) -> list[str]:
    """Those of ``names`` that are figures of a subnet, in the order of tables.

    Raises:
        InputError: if one that decides about a subnet is missing.
    """
    given = set(names)
    needed = {metric.name for metric in (*problem.objective_metrics, *problem.limited_metrics)}
    if not needed <= given:
        raise InputError(f"{min(needed - given)} is missing")
    every = [name for metric in problem.table for name in (metric, metric + SPREAD)]
    return [name for name in dict.fromkeys(every) if name in given and name != VIOLATION]


@dataclass(frozen=True, eq=False)
class Subnets:
    """Distinct subnets of one problem, row by row.

    Attributes:
        problem: that they were searched for.
        names: how commands and files refer to each.
        genes: names of the active genes and their values, of each.
        metrics: arrays ``(N,)`` by metric, those of :func:`figures_in`.
        trials: number of the trial that found each first; -1 if there was no trial.
    """

    problem: ProblemFacts
    names: tuple[str, ...]
    genes: tuple[dict[str, Value], ...]
    metrics: dict[str, FloatArray]
    trials: tuple[int, ...]

    @classmethod
    def of_genotypes(cls, task: Task, X: Genotypes, suffix: str) -> Subnets:
        """Distinct subnets that no study found; named by ``suffix`` and a hash of their genes."""
        problem = task.facts()
        genes = tuple(dict(subnet.values) for subnet in task.space.decode(X))
        texts = (json.dumps([problem.space, own], sort_keys=True) for own in genes)
        # Seven digits: a rare repeat among 15,000 subnets, the largest front shipped.
        hashes = (hashlib.sha256(text.encode()).hexdigest()[:7] for text in texts)
        return cls(
            problem,
            tuple(subnet_name(problem, suffix + digest) for digest in hashes),
            genes,
            {name: values for name, values in task.metrics(X).items() if name != VIOLATION},
            (-1,) * len(X),
        )

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def space(self) -> SearchSpace:
        """The space that was searched.

        Raises:
            InputError: if it cannot be made again.
        """
        return space_of(self.problem)

    @cached_property
    def objective_values(self) -> FloatArray:
        """Objectives ``(N, n_obj)``, minimised."""
        columns = [m.minimised(self.metrics[m.name]) for m in self.problem.objective_metrics]
        return np.stack(columns, axis=1)

    @cached_property
    def constraint_values(self) -> FloatArray:
        """Constraints ``(N, n_con)``: ``value / limit - 1``, met where <= 0."""
        limits = self.problem.limits
        G = [m.excess(self.metrics[m.name], limits[m.name]) for m in self.problem.limited_metrics]
        return np.stack(G, axis=1) if G else np.zeros((len(self), 0))

    @cached_property
    def feasible(self) -> BoolArray:
        """Which subnets meet all limits, ``(N,)``."""
        return feasible(self.constraint_values)

    def take(self, rows: Sequence[int] | IntArray | BoolArray) -> Subnets:
        """The subnets of some rows, in that order."""
        chosen = np.arange(len(self))[np.asarray(rows)].tolist() if len(rows) else []
        return Subnets(
            self.problem,
            tuple(self.names[row] for row in chosen),
            tuple(self.genes[row] for row in chosen),
            {name: values[chosen] for name, values in self.metrics.items()},
            tuple(self.trials[row] for row in chosen),
        )

    def file(self, row: int) -> SubnetFile:
        """The subnet file of a row; figures are rounded to six significant digits."""
        own = {name: getattr(self.problem, name) for name in SpaceReference.model_fields}
        if self.problem.problem is not None:
            own = {"space": self.problem.space, "problem": self.problem.problem_name}
            if isinstance(space := self.space, HasNetworks):
                own = SpaceReference.fields_of(space)
        return SubnetFile(
            name=self.names[row],
            genes=self.genes[row],
            profile=self.problem.profile,
            **own,
            profile_file=self.problem.profile_file,
            predicted={name: float(f"{v[row]:.6g}") for name, v in self.metrics.items()},
            data=self.problem.accuracy_of if "accuracy" in self.metrics else None,
        )
