"""The contract of every optimiser, and what its proposals must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.problem import Problem


class Optimiser(Protocol):
    """Proposes genotypes and learns from what they are worth.

    The harness calls :meth:`ask` and :meth:`tell` in turn until the budget is used up.
    """

    def ask(self) -> Genotypes:
        """Genotypes to evaluate next, shape ``(n, n_genes)``; no rows ends the run."""

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        """Take in objectives ``F`` ``(n, n_obj)`` and constraints ``G`` ``(n, n_con)``.

        ``X`` is what was asked, or its first rows where the budget ends within a batch.
        """


@dataclass(frozen=True)
class Setting:
    """What an optimiser may know before it starts.

    Attributes:
        task: the problem; an optimiser must not evaluate it by itself.
        ideal, nadir: shape ``(n_obj,)``, the range of the objectives on the reference front.
        budget: number of evaluations of the run.
        seed: of all randomness.
        hyperparameters: those that differ from the optimiser's defaults, by name.
        tensorboard: folder of the run's log; None for no log. Only some optimisers write one.
    """

    task: Problem
    ideal: FloatArray
    nadir: FloatArray
    budget: int
    seed: int
    hyperparameters: Mapping[str, object] = field(default_factory=dict)
    tensorboard: Path | None = None


#: Builds a fresh optimiser for one run.
Factory: TypeAlias = "Callable[[Setting], Optimiser]"


def genotypes_of(
    asked: object, genes: Sequence[Any], n_choices: IntArray, algorithm: str, done: int
) -> Genotypes:
    """What an algorithm proposed, whole numbers of any type, as integers ``(n, n_genes)``.

    Args:
        asked: its answer.
        genes, n_choices: of the space.
        algorithm: its name.
        done: how much it had proposed before.

    Raises:
        InputError: with the algorithm, the row, the gene and its range if a value is not among
            the gene's options; for anything that is not a table of numbers of the right width.
    """
    where = f"{algorithm}, asked after {done:,} evaluations,"
    try:
        given = np.asarray(asked)
        if not np.issubdtype(given.dtype, np.integer):
            given = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} proposed what is no array of numbers: {error}") from error
    if given.size == 0 and given.ndim > 0:
        return np.zeros((0, len(genes)), dtype=np.int64)
    if given.ndim != 2 or given.shape[1] != len(genes):
        what = "None" if asked is None else f"an array of shape {given.shape}"
        raise InputError(
            f"{where} proposed {what}; it must be an array of shape "
            f"(n, {len(genes)}), a row per genotype and a column per gene"
        )
    if not np.issubdtype(given.dtype, np.integer):
        _refuse(given != np.rint(given), given, genes, where)
    _refuse((given < 0) | (given >= n_choices), given, genes, where)
    return given.astype(np.int64)


def _refuse(wrong: BoolArray, given: npt.NDArray[Any], genes: Sequence[Any], where: str) -> None:
    """Raise for the first of the values that are ``wrong``, if any."""
    if not wrong.any():
        return
    row, column = np.argwhere(wrong)[0]
    value = given[row, column]
    remedy = ""
    if np.isfinite(value) and value != np.rint(value):
        remedy = (
            "; operators for real numbers do not serve; an algorithm of pymoo takes others as in "
            "NSGA2(..., **mcu_nas_moo.problem.adapters.pymoo_operators.integer_operators())"
        )
    raise InputError(
        f"{where} proposed {value.item()} in row {row} for gene "
        f"{genes[column].name!r}; allowed are the whole numbers from 0 to "
        f"{len(genes[column].options) - 1}{remedy}"
    )
