"""Asking all evaluators of a task together, large batches in parts by several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.problem.evaluators.checked_evaluator import SPREAD, Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from threadpoolctl import ThreadpoolController

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.problem.evaluators.checked_evaluator import CheckedEvaluator
    from mcu_nas_moo.spaces import SearchSpace

#: Networks that are evaluated together: their layer tables fit into the processor's cache.
CHUNK = 2048


@cache
def _thread_pools() -> ThreadpoolController:
    """Those of the libraries that numpy computes with; looked up once, which takes a moment."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def evaluate_all(
    evaluators: Sequence[CheckedEvaluator], space: SearchSpace, X: Genotypes
) -> Answer:
    """What all evaluators say of the genotypes ``X`` ``(N, n_genes)``.

    Accuracy and error follow from each other. A network that one of them could not evaluate is NaN
    throughout.

    Raises:
        InputError: if an evaluator breaks its contract.
    """
    fast = [asked for asked in evaluators if asked.thread_safe]
    chunks = [X[start : start + CHUNK] for start in range(0, len(X), CHUNK)] or [X]
    # Matrix products are small: threads of their own would wait for each other longer than they
    # compute, most of all on a machine with other work.
    with _thread_pools().limit(limits=1, user_api="blas"):
        if len(chunks) == 1:
            answer = _merged([asked.evaluate(space, X) for asked in fast])
        else:
            from mcu_nas_moo.common.workpool import cores  # with all that starts processes

            with ThreadPoolExecutor(cores()) as pool:
                parts = [*pool.map(lambda x: _merged([a.evaluate(space, x) for a in fast]), chunks)]
            values = {n: np.concatenate([p.values[n] for p in parts]) for n in parts[0].values}
            starts = range(0, len(X), CHUNK)
            numbered = zip(starts, parts, strict=True)
            reasons = {start + row: p.reasons[row] for start, p in numbered for row in p.reasons}
            answer = Answer(values, reasons)
    slow = [asked.evaluate(space, X) for asked in evaluators if not asked.thread_safe]
    answer = _merged([answer, *slow])
    values, reasons = answer.values, answer.reasons
    for known, other in (("accuracy", "error"), ("error", "accuracy")):
        if known in values and other not in values:
            values[other] = 1.0 - values[known]
    if reasons:
        failed = np.isin(np.arange(len(X)), [*reasons])
        values = {name: np.where(failed, np.nan, figures) for name, figures in values.items()}
    return Answer(values, reasons)


def _merged(answers: Sequence[Answer]) -> Answer:
    """All figures, and of a network that failed more than once the first reason."""
    values = {name: figures for answer in answers for name, figures in answer.values.items()}
    reasons = {row: text for answer in reversed(answers) for row, text in answer.reasons.items()}
    return Answer(values, reasons)


@cache
def in_order(figures: tuple[str, ...], table: tuple[str, ...]) -> list[str]:
    """Names of figures in the order of a table; the spread of a metric behind it."""
    places = {name: (place, 0) for place, name in enumerate(table)}
    places |= {f"{name}{SPREAD}": (place, 1) for name, (place, _) in places.items()} | places
    return sorted(figures, key=places.__getitem__)
