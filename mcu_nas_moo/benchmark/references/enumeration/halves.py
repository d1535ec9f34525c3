"""Networks as pairs of halves: every front half of a space joined with every back half.

What the layers of a half add to the costs depends on the other half by one thing alone: the shape
of the tensor between them. The predictor's first layer is linear, so that each half adds to it on
its own. A space of 10^8 networks thus needs some 10^5 halves; pairing them is a few additions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.spaces.abilities import Splittable, with_ability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.hardware.cost_model import CostModel
    from mcu_nas_moo.hardware.cost_model.work import Totals
    from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
    from mcu_nas_moo.problem.task import Task

#: Most back halves behind one interface: what the predictor is asked about at once fits into the
#: processor's cache.
MOST_BACKS = 4096
#: Errors here differ from those of the task by rounding: it keeps nine digits.
ERROR_MARGIN = 2e-9
#: Subnets on which the halves are compared with the task before anything is concluded from them.
CHECKED = 2048


def usual_evaluators(task: Task) -> tuple[AccuracyPredictor, CostModel]:
    """The predictor and the cost model of a task, which tell all that it knows.

    Raises:
        InputError: if something else tells figures of its networks.
    """
    if task.learned_metrics:
        raise InputError("learned costs cannot be enumerated; use the analytic cost model")
    if task.predictor is None or task.cost_model is None or task.evaluators.own:
        raise InputError(
            "only an accuracy predictor and the analytic cost model can be enumerated; evaluators "
            "of your own are asked by a search"
        )
    return task.predictor, task.cost_model


class Halves:
    """The front and back halves of the networks of a space.

    An *interface* is a resolution and a number of channels where the halves meet.

    Args:
        tasks: of one space and predictor, with the cost model; their profiles may differ.

    Attributes:
        fronts: genotypes ``(A, n_genes)`` of the front halves, grouped by interface; the genes of
            the back half are 0.
        interfaces: interface of each front half, shape ``(A,)``.
        backs: genotypes ``(B, n_genes)`` of the back halves; the genes of the front half are 0.
            Each of them goes with every front half.
        predictor: of all tasks.
        models: cost model of each task.
        back_hidden: what back halves add to the predictor's first layer, shape ``(M, B, H)``.

    Raises:
        InputError: if the costs are learned, or do not follow from those of the halves.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.space = space = with_ability(tasks[0].space, Splittable, "be enumerated")
        usual = [usual_evaluators(task) for task in tasks]
        self.predictor, self.models = usual[0][0], [model for _, model in usual]
        self._cut = self._choose_cut()
        behind = self._genes_behind(self._cut)
        self.backs = self._distinct(behind)
        fronts = self._distinct(~behind)
        at_interface = self._interface_columns()
        kinds, interfaces = np.unique(fronts[:, at_interface], axis=0, return_inverse=True)
        order = np.argsort(interfaces.ravel(), kind="stable")
        self.fronts, self.interfaces = fronts[order], interfaces.ravel()[order]
        # Back halves behind every interface, shape (interfaces, B).
        behind_each = np.repeat(self.backs[None], len(kinds), axis=0)
        behind_each[:, :, at_interface] = kinds[:, None, :]
        shape = behind_each.shape[:2]
        rows = behind_each.reshape(-1, space.n_genes)
        self._back_totals = [
            totals.each(lambda array: array.reshape(shape))
            for totals in self._totals(rows, behind=True)
        ]
        nothing = self._first_layer(space.smallest)
        self.back_hidden = self._first_layer(self.backs) - nothing
        self._check()

    @property
    def n_networks(self) -> int:
        """Number of pairs, which is the number of networks of the space."""
        return len(self.fronts) * len(self.backs)

    def join(self, fronts: IntArray, backs: IntArray) -> Genotypes:
        """Genotypes ``(n, n_genes)`` of pairs, given by the numbers of their halves ``(n,)``."""
        return self.fronts[fronts] + self.backs[backs]

    def front_totals(self, fronts: slice | IntArray) -> list[Totals]:
        """Totals ``(a, 1)`` of some front halves for each task."""
        return [
            totals.each(lambda array: array[:, None])
            for totals in self._totals(self.fronts[fronts], behind=False)
        ]

    def back_totals(self, interface: int) -> list[Totals]:
        """Totals ``(1, B)`` of the back halves behind an interface, for each task."""
        return [totals.at(slice(interface, interface + 1)) for totals in self._back_totals]

    def front_hidden(self, fronts: slice | IntArray) -> FloatArray:
        """What some front halves add to the predictor's first layer, shape ``(M, a, H)``."""
        return self._first_layer(self.fronts[fronts])

    def errors(self, front_hidden: FloatArray, backs: IntArray | slice) -> FloatArray:
        """Predicted errors of one front half with some back halves, shape ``(n,)``.

        They differ from those of :meth:`Task.metrics` by less than :data:`ERROR_MARGIN`.

        Args:
            front_hidden: shape ``(M, H)``, out of :meth:`front_hidden`.
            backs: numbers of the back halves.
        """
        predictor = self.predictor
        (weights, biases), (last, last_bias) = predictor.second, predictor.last
        accuracy: Any = 0.0
        for member, added in enumerate(front_hidden):
            x = self.back_hidden[member, backs] + added
            np.maximum(x, 0, out=x)
            x = x @ weights[member].astype(np.float64)
            x += biases[member]
            np.maximum(x, 0, out=x)
            answers = x @ last[member, :, 0].astype(np.float64) + last_bias[member, 0, 0]
            accuracy = accuracy + np.clip(answers, 0.0, 1.0)
        return np.asarray(1.0 - accuracy / len(front_hidden))

    def _first_layer(self, X: Genotypes) -> FloatArray:
        return self.predictor.first_layer(self.space.features(X))

    def _totals(self, X: Genotypes, *, behind: bool) -> list[Totals]:
        halves = (0, self.space.parts.first_layers[self._first_behind(self._cut)])
        table = self.space.network(X)
        return [model.totals(table, halves).at((..., int(behind))) for model in self.models]

    def _first_behind(self, cut: int) -> int:
        """First part of the space behind the stem and ``cut`` stages."""
        return 1 + int(np.searchsorted(self.space.stage_of_place, cut))

    def _genes_behind(self, cut: int) -> BoolArray:
        return self.space.parts.first_of_gene >= self._first_behind(cut)

    def _choose_cut(self) -> int:
        """Number of stages in the front half; the head alone is always few enough back halves."""
        cut, n_choices = 0, self.space.n_choices
        while np.prod(n_choices[self._genes_behind(cut)], dtype=object) > MOST_BACKS:
            cut += 1
        return cut

    def _interface_columns(self) -> list[int]:
        """Genes that decide the shape of the tensor between the halves."""
        width = "stem" if self._cut == 0 else f"stage{self._cut}_width"
        names = [gene.name for gene in self.space.genes]
        return [names.index(name) for name in ("resolution", width) if name in names]

    def _distinct(self, columns: Any) -> Genotypes:
        """Every distinct setting of some genes, the others 0, shape ``(n, n_genes)``."""
        sizes = self.space.n_choices[columns]
        X = np.zeros((int(np.prod(sizes)), self.space.n_genes), dtype=np.int64)
        if len(sizes):
            X[:, columns] = np.indices(sizes).reshape(len(sizes), -1).T
        return np.asarray(np.unique(self.space.canonical(X), axis=0))

    def _check(self) -> None:
        """Compare with the task.

        Raises:
            InputError: if a cost or an error differs.
        """
        rng = np.random.default_rng(0)
        fronts = rng.integers(len(self.fronts), size=CHECKED)
        backs = rng.integers(len(self.backs), size=CHECKED)
        X = self.join(fronts, backs)
        metrics = [task.metrics(X) for task in self.tasks]
        before, behind = self._totals(self.fronts[fronts], behind=False), self._back_totals
        for task, model, known, one, two in zip(
            self.tasks, self.models, metrics, before, behind, strict=True
        ):
            joined = one.joined(two.at((self.interfaces[fronts], backs)))
            for name, values in model.costs_of(joined)._asdict().items():
                if not np.array_equal(values, known[name]):
                    raise InputError(
                        f"{name} of {task.title} does not follow from the halves of a network; "
                        "this space cannot be enumerated"
                    )
        hidden = self._first_layer(self.fronts[fronts])
        for row in range(0, CHECKED, 64):
            error = self.errors(hidden[:, row], backs[row : row + 1])[0]
            if abs(error - metrics[0]["error"][row]) > ERROR_MARGIN / 2:
                raise InputError("the predictor's answers do not follow from halves of a network")
