"""What every optimiser must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import pytest

from mcu_nas_moo.contracts.optimiser import Setting, genotypes_of
from mcu_nas_moo.optimisers import load_optimiser
from mcu_nas_moo.optimisers.user_optimisers import build, check_kind
from mcu_nas_moo.problem.failures import FiniteValues
from mcu_nas_moo.testing.toy_task import TOY_LIMITS, ToySpace, ToyTask, toy_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo import SearchSpace
    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.contracts.optimiser import Factory

OBJECTIVES = ("error", "latency", "sram", "flash")
#: Latencies of the toy networks of three genes lie between 4 and 30 ms.
LIMITS = {"latency_ms": 20.0, "flash_kib": 30.0}


def failing(space: SearchSpace, X: Genotypes) -> dict[str, Any]:
    """Figures of the toy task; three of ten networks cannot be evaluated."""
    X = space.canonical(X)
    lost = (X @ np.array([7, 3, 5])) % 10 < 3
    figures = {name: np.where(lost, np.nan, v) for name, v in toy_figures(space, X).items()}
    return figures | {"reason": ["no luck" if one else "" for one in lost]}


class OptimiserSuite:
    """Tests of an optimiser; a subclass returns it from :meth:`make`.

    Attributes:
        budget: evaluations of a run, in a space of 52 networks.
        n_objectives: numbers of objectives that it can deal with.
        seeded: another seed makes it propose others.
    """

    budget = 57
    n_objectives: tuple[int, ...] = (1, 2, 3, 4)
    seeded = True

    def make(self) -> Any:
        """The optimiser as a user names it: a registered name, ``module:Name``, or what is there.

        That is a class, a function that makes one, or an object; see
        ``mcu_nas_moo.optimisers.user_optimisers``.
        """
        raise NotImplementedError

    def task(
        self,
        n_objectives: int = 2,
        limits: Mapping[str, float] = LIMITS,
        figures: Any = toy_figures,
    ) -> ToyTask:
        """A task of 52 networks."""
        return ToyTask(OBJECTIVES[:n_objectives], limits, space=ToySpace(3), figures=figures)

    @staticmethod
    def factory(made: Any) -> Factory:
        """What builds the optimiser of a run."""
        if isinstance(made, str):
            return load_optimiser(made)
        check_kind(made, "of make()")
        return lambda setting: build(made, setting, "what make() returns")

    def run(self, task: ToyTask, seed: int = 0, made: Any = None) -> Genotypes:
        """What it proposes within the budget, shape ``(n, n_genes)``."""
        F = task.score(task.metrics(task.everything())).F
        ideal, nadir = np.nanmin(F, axis=0), np.nanmax(F, axis=0)
        setting = Setting(task, ideal, nadir, self.budget, seed)
        optimiser = self.factory(self.make() if made is None else made)(setting)
        finite = FiniteValues(ideal, nadir)
        proposed = np.zeros((0, task.n_genes), dtype=np.int64)
        while (left := self.budget - len(proposed)) > 0:
            asked = optimiser.ask()
            X = genotypes_of(asked, task.space.genes, task.n_choices, "it", len(proposed))[:left]
            if not len(X):
                break
            assert task.evaluations == len(proposed), "it evaluates by itself"
            proposed = np.concatenate([proposed, X])
            optimiser.tell(X, *finite(*task.evaluate(X)))
        assert len(proposed) > 0, "it proposed nothing"
        return proposed

    def test_a_run_ends_with_its_budget_or_when_nothing_is_left(self) -> None:
        task = self.task()
        X = self.run(task)
        distinct = len(np.unique(task.space.canonical(X), axis=0))
        assert len(X) == self.budget or distinct == task.space.n_networks, (
            "it ended before its budget, with networks left"
        )

    def test_the_seed_decides(self) -> None:
        first, second = (self.run(self.task(), seed=4).tolist() for _ in range(2))
        assert first == second, "one seed, two runs"
        if self.seeded:
            assert self.run(self.task(), seed=5).tolist() != first, "two seeds, one run"

    @pytest.mark.parametrize("n", [1, 2, 3, 4])
    def test_any_number_of_objectives(self, n: int) -> None:
        if n not in self.n_objectives:
            with pytest.raises(ValueError, match="objective"):
                self.run(self.task(n))
            return
        self.run(self.task(n))

    def test_no_constraints(self) -> None:
        task = self.task(limits={})
        assert task.n_con == 0
        self.run(task)

    def test_nothing_feasible(self) -> None:
        self.run(self.task(limits=dict.fromkeys(TOY_LIMITS, 0.1)))

    def test_three_of_ten_evaluations_fail(self) -> None:
        task = self.task(figures=failing)
        X = self.run(task)
        fine = np.isfinite(task.score(task.metrics(X)).F).all(axis=1)
        assert fine.any()

    def test_it_travels_to_other_processes(self) -> None:
        copied = cloudpickle.loads(cloudpickle.dumps(self.make()))
        assert self.run(self.task(), made=copied).tolist() == self.run(self.task()).tolist()
