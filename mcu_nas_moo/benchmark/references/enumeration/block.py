"""Some front halves with all their back halves: which networks may belong to a front."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from mcu_nas_moo.benchmark.references.enumeration.halves import ERROR_MARGIN, Halves
from mcu_nas_moo.contracts.metrics import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mcu_nas_moo.benchmark.references.enumeration.growing_front import Front
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.problem.task import Task

#: Errors of pairs of some front halves ``(a,)`` with all back halves, where a mask ``(a, B)`` says
#: that they are needed; arbitrary elsewhere.
ErrorsOf: TypeAlias = "Callable[[IntArray, BoolArray], FloatArray]"
#: Networks whose costs are computed at once.
CHUNK = 1 << 16
#: Networks that wait until the task evaluates them together.
WAITING = 1 << 15


class Block(NamedTuple):
    """What a block adds to what is known.

    Attributes:
        points: genotypes and objectives for each task that belong to the front of the block and
            of what was known.
        feasible: number of feasible networks for each task, shape ``(n_tasks,)``.
        predicted: number of networks whose error was predicted.
    """

    points: list[tuple[Genotypes, FloatArray]]
    feasible: IntArray
    predicted: int


def evaluate_block(
    halves: Halves,
    interface: int,
    block: slice,
    known: Sequence[Front],
    errors_of: ErrorsOf | None = None,
) -> Block:
    """Look at all networks of some front halves.

    Args:
        halves, interface: of the space, and of the front halves.
        block: which front halves.
        known: feasible points for each task; networks that they dominate are left out.
        errors_of: predicts errors elsewhere than here.
    """
    errors_of = errors_of or partial(_errors, halves)
    tasks = halves.tasks
    models = halves.models
    before, behind = halves.front_totals(block), halves.back_totals(interface)
    # No network costs less than its front half with the least of all back halves in each quantity.
    bounds = [
        model.costs_of(one.joined(two.smallest))._asdict()
        for model, one, two in zip(models, before, behind, strict=True)
    ]
    possible = [_meets(task, costs)[:, 0] for task, costs in zip(tasks, bounds, strict=True)]
    branches = np.flatnonzero(np.any(possible, axis=0))

    found = [_Candidates(task, front) for task, front in zip(tasks, known, strict=True)]
    feasible, predicted = np.zeros(len(tasks), dtype=np.int64), 0
    per_chunk = max(1, CHUNK // len(halves.backs))
    for start in range(0, len(branches), per_chunk):
        rows = branches[start : start + per_chunk]
        costs = [
            model.costs_of(one.at(rows).joined(two))._asdict()
            for model, one, two in zip(models, before, behind, strict=True)
        ]
        is_feasible = [
            _meets(task, row_needed) for task, row_needed in zip(tasks, costs, strict=True)
        ]
        needed = np.any(is_feasible, axis=0)
        errors = errors_of(block.start + rows, needed)
        predicted += int(needed.sum())
        for number, candidates in enumerate(found):
            feasible[number] += int(is_feasible[number].sum())
            candidates.add(halves, block.start + rows, is_feasible[number], errors, costs[number])
    return Block([candidates.new() for candidates in found], feasible, predicted)


def _meets(task: Task, costs: Mapping[str, FloatArray]) -> BoolArray:
    """Which networks meet all limits, in the very words of :meth:`Task.score`."""
    is_feasible = [costs[metric] / limit - 1.0 <= 0 for metric, limit in task.limits.items()]
    return np.asarray(np.all(is_feasible, axis=0))


def _errors(halves: Halves, fronts: IntArray, needed: BoolArray) -> FloatArray:
    errors = np.empty(needed.shape)
    hidden = halves.front_hidden(fronts)
    for row, row_needed in enumerate(needed):
        backs = np.flatnonzero(row_needed)
        if len(backs) == len(row_needed):
            errors[row] = halves.errors(hidden[:, row], slice(None))
        elif len(backs):
            errors[row, backs] = halves.errors(hidden[:, row], backs)
    return errors


class _Candidates:
    """Networks that may belong to a task's front, evaluated by the task many at a time."""

    def __init__(self, task: Task, known: Front) -> None:
        self.task = task
        self._known = {x.tobytes() for x in known.X}
        self._front = known
        self._waiting: list[Genotypes] = []

    def add(
        self,
        halves: Halves,
        fronts: IntArray,
        is_feasible: BoolArray,
        errors: FloatArray,
        costs: Mapping[str, FloatArray],
    ) -> None:
        """Take what may belong to the front from feasible networks; arrays are ``(a, B)``."""
        row, back = np.nonzero(is_feasible)
        others = [costs[OBJECTIVES[name].name][row, back] for name in self.task.objectives[1:]]
        kept = self._front.may_grow_by(errors[row, back] - ERROR_MARGIN, others)
        self._waiting.append(halves.join(fronts[row[kept]], back[kept]))
        if sum(map(len, self._waiting)) >= WAITING:
            self._evaluate()

    def _evaluate(self) -> None:
        X = np.concatenate(self._waiting)
        self._waiting = []
        self._front = self._front.joined(X, self.task.evaluate(X).F)

    def new(self) -> tuple[Genotypes, FloatArray]:
        """Points of the front that were not known at the beginning."""
        if self._waiting:
            self._evaluate()
        fresh = np.array([x.tobytes() not in self._known for x in self._front.X], dtype=np.bool_)
        return self._front.X[fresh], self._front.F[fresh]
