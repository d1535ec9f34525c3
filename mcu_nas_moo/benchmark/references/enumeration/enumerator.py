"""Every network of a space, evaluated for several profiles at once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.references.enumeration.block import Block, evaluate_block
from mcu_nas_moo.benchmark.references.enumeration.growing_front import Front
from mcu_nas_moo.benchmark.references.enumeration.halves import Halves
from mcu_nas_moo.benchmark.references.reference import MOST_NETWORKS, Reference
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.common.npz_files import read_npz, write_npz
from mcu_nas_moo.common.workpool import WorkPool
from mcu_nas_moo.problem.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes

#: Networks of a block: the unit of progress, of resuming and of parallel work.
BLOCK = 1 << 20
#: Random networks that the fronts begin with, so that most others are dominated from the start.
SAMPLE = 1 << 16
#: Seconds between two savings of the state.
SAVE_EVERY_S = 10.0


@dataclass(frozen=True, eq=False)
class Enumerated:
    """What a whole space holds for one task.

    Attributes:
        task: with all objectives that were asked for, the error first.
        front: the exact Pareto front of all feasible networks.
        networks, feasible: how many networks there are, and how many meet the limits.
        predicted: for how many an error was predicted, for all tasks together.
    """

    task: Task
    front: Front
    networks: int
    feasible: int
    predicted: int

    def reference(self, objectives: Sequence[str]) -> Reference:
        """The exact reference for some of the objectives.

        Raises:
            InputError: for an objective that was not enumerated, or if no network is feasible.
        """
        known = self.task
        for name in objectives:
            if name not in known.objectives:
                raise InputError(f"{name} was not enumerated, only {', '.join(known.objectives)}")
        if not self.feasible:
            raise InputError(
                f"no network of {known.space.name} meets the limits of {known.device_name}; "
                "relax one"
            )
        task = Task(known.space, known.profile, objectives, accuracy=known.predictor)
        front = self.front.projected([known.objectives.index(name) for name in objectives])
        share = self.feasible / self.networks
        origin = {"networks": self.networks, "feasible": self.feasible, "feasible_share": share}
        return Reference(task.facts(), front.X, front.F, "exact", origin)


class Enumerator:
    """Evaluates all networks of a space that tasks of several profiles share.

    Costs of all networks are computed by joining halves; where a limit is exceeded by a half on its
    own, all networks with it are skipped. Errors are predicted for the networks that are feasible
    for some task. What may belong to a front is then evaluated by the task itself, so that the
    fronts hold exactly the numbers that a search sees.

    Args:
        tasks: of one space, predictor and list of objectives, the error first. The objectives
            may be error, latency, sram, flash and energy.
        state: file that keeps what is finished, so that a later start continues; None for none.
        device: where torch predicts the errors, such as ``cuda``; None for numpy in all processes.

    Raises:
        InputError: if the tasks do not fit together, the space is too large, or ``state`` belongs
            to other tasks.
    """

    def __init__(
        self, tasks: Sequence[Task], state: Path | None = None, *, device: str | None = None
    ) -> None:
        first = tasks[0]
        if any(
            (task.space.facts, task.objectives, task.fingerprints.get("predictor"))
            != (first.space.facts, first.objectives, first.fingerprints.get("predictor"))
            for task in tasks
        ):
            raise InputError("tasks to enumerate must share space, objectives and predictor")
        if first.objectives[0] != "error" or "macs" in first.objectives or first.n_obj < 2:
            raise InputError(
                "enumeration is for error and some of latency, sram, flash and energy, got "
                f"{', '.join(first.objectives)}"
            )
        if first.space.n_networks > MOST_NETWORKS:
            raise InputError(
                f"{first.space.name} has {first.space.n_networks:.2g} networks, which is too many "
                "to look at each; its reference front is pooled from searches"
            )
        self.tasks = tuple(tasks)
        self.halves = Halves(self.tasks)
        self._blocks = self._make_blocks()
        self._state = state
        self._errors_of = None
        if device is not None:
            from mcu_nas_moo.benchmark.references.enumeration.on_device import DeviceErrors

            self._errors_of = DeviceErrors(self.halves, device)
        self._done = np.zeros(len(self._blocks), dtype=np.bool_)
        self._feasible = np.zeros(len(tasks), dtype=np.int64)
        self._predicted = 0
        self._fronts = [self._sampled_front(task) for task in tasks]
        if state is not None and state.exists():
            self._load(state)

    @property
    def n_blocks(self) -> int:
        """Blocks in all."""
        return len(self._blocks)

    @property
    def n_done(self) -> int:
        """Blocks that are finished, by earlier starts as well."""
        return int(self._done.sum())

    def run(self, jobs: int = 1, done: Callable[[int], object] = lambda _: None) -> None:
        """Do what is missing in ``jobs`` processes; ``done`` is told of every finished block.

        An interruption costs the work since the state was saved last, some seconds.
        """
        saved = monotonic()
        try:
            for block, added in self._finished(np.flatnonzero(~self._done).tolist(), jobs):
                for number, (X, F) in enumerate(added.points):
                    self._fronts[number] = self._fronts[number].joined(X, F)
                self._feasible += added.feasible
                self._predicted += added.predicted
                self._done[block] = True
                done(self.n_done)
                if monotonic() - saved > SAVE_EVERY_S:
                    self._save()
                    saved = monotonic()
        finally:
            self._save()

    def results(self) -> list[Enumerated]:
        """What was found for each task.

        Raises:
            RuntimeError: if blocks are missing.
        """
        if not self._done.all():
            raise RuntimeError("the enumeration is not finished; call run()")
        return [
            Enumerated(task, front, self.halves.n_networks, int(feasible), self._predicted)
            for task, front, feasible in zip(self.tasks, self._fronts, self._feasible, strict=True)
        ]

    def _make_blocks(self) -> list[tuple[int, slice]]:
        """Interface and front halves of each block, in an order that mixes the interfaces."""
        per_block = max(1, BLOCK // len(self.halves.backs))
        blocks = []
        for interface in np.unique(self.halves.interfaces):
            low, high = np.searchsorted(self.halves.interfaces, [interface, interface + 1])
            blocks += [
                (int(interface), slice(start, min(start + per_block, int(high))))
                for start in range(int(low), int(high), per_block)
            ]
        order = np.random.default_rng(0).permutation(len(blocks))
        return [blocks[number] for number in order]

    def _sampled_front(self, task: Task) -> Front:
        X = task.space.canonical(task.space.sample(SAMPLE, np.random.default_rng(0)))
        F, G = task.evaluate(X)
        is_feasible = (G <= 0).all(axis=1)
        return Front(X[is_feasible], F[is_feasible])

    def _finished(self, blocks: list[int], jobs: int) -> Iterator[tuple[int, Block]]:
        """Work through blocks; yields each with what it adds to the fronts known when it began."""
        if jobs == 1 or self._errors_of is not None:
            for block in blocks:
                part = self._blocks[block]
                yield block, evaluate_block(self.halves, *part, self._fronts, self._errors_of)
            return
        # Blocks begin late, to know as much of the fronts as there is.
        work = ((block, *self._blocks[block], self._fronts) for block in blocks)
        evaluate = partial(_evaluate, self.halves)
        for (block, *_), future in WorkPool(jobs).as_completed(evaluate, work):
            yield block, future.result()

    def _fingerprint(self) -> str:
        facts = [[task.fingerprint for task in self.tasks], self.n_blocks]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def _save(self) -> None:
        if self._state is None:
            return
        arrays = {
            "fingerprint": np.array(self._fingerprint()),
            "done": self._done,
            "feasible": self._feasible,
            "predicted": np.array(self._predicted),
        }
        for number, front in enumerate(self._fronts):
            arrays |= {f"X{number}": front.X.astype(np.int16), f"F{number}": front.F}
        write_npz(self._state, arrays)

    def _load(self, state: Path) -> None:
        remedy = f"delete {state} to begin anew"
        with parsing(state, remedy):
            known = read_npz(state)
            other = str(known["fingerprint"]) != self._fingerprint()
        if other:
            raise InputError(f"{state} is the state of another enumeration; {remedy}")
        with parsing(state, remedy):
            for name in ("done", "feasible"):
                now = getattr(self, f"_{name}")
                if (known[name].dtype, known[name].shape) != (now.dtype, now.shape):
                    raise InputError(f"{name} is {known[name].dtype} {known[name].shape}")
            self._done = known["done"]
            self._feasible, self._predicted = known["feasible"], int(known["predicted"])
            self._fronts = [
                _front(task, known[f"X{number}"], known[f"F{number}"])
                for number, task in enumerate(self.tasks)
            ]


def _front(task: Task, X: Genotypes, F: FloatArray) -> Front:
    X = task.space.check(X.astype(np.int64))
    if F.shape != (len(X), task.n_obj) or not np.isfinite(F).all():
        raise InputError(f"F should be {len(X)} rows of {task.n_obj} finite figures")
    return Front(X, F)


def _evaluate(halves: Halves, work: tuple[int, int, slice, list[Front]]) -> Block:
    _, interface, fronts, known = work
    return evaluate_block(halves, interface, fronts, known)
