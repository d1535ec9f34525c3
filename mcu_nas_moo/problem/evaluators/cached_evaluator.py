"""Figures that are kept by genotype: of evaluators that are slow or never answer the same."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import cache_folder
from mcu_nas_moo.common.naming import file_name
from mcu_nas_moo.problem.evaluators.checked_evaluator import SPREAD, Answer, CheckedEvaluator

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mcu_nas_moo.common.arrays import Genotypes, IntArray
    from mcu_nas_moo.spaces import SearchSpace

#: Seconds to wait for another process that writes.
PATIENCE_S = 60.0


class CachedEvaluator(CheckedEvaluator):
    """An evaluator whose figures of a network are the ones that it told first.

    They lie in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``), one SQLite file for
    each fingerprint of an evaluator and a space, which processes may share; work that was
    interrupted continues there. Networks are asked for one after the other, so that none is lost.

    Args:
        asked: the evaluator.
    """

    def __init__(self, asked: CheckedEvaluator) -> None:
        super().__init__(asked.evaluator, asked.source)

    def evaluate(self, space: SearchSpace, X: Genotypes) -> Answer:
        X = space.canonical(X)
        names = [*self.metrics, *(f"{name}{SPREAD}" for name in self.metrics)]
        values = {name: np.full(len(X), np.nan) for name in names}
        reasons: dict[int, str] = {}
        try:
            with closing(self._open(space)) as store:
                for row, x in enumerate(X):
                    facts = self._of(store, space, x)
                    if isinstance(facts, str):
                        reasons[row] = facts
                        continue
                    for name, value in facts.items():
                        if name in values:
                            values[name][row] = value
        except sqlite3.Error as error:
            raise InputError(
                f"{self.path(space)} cannot be used ({error}); delete it, and the figures of "
                f"evaluator {self.name} are asked for again"
            ) from error
        told = {n: v for n, v in values.items() if n in self.metrics or not np.isnan(v).all()}
        return Answer(told, reasons)

    def path(self, space: SearchSpace) -> Path:
        """The file of the figures of networks of a space."""
        name = file_name(self.name[:40], space.name[:40])
        # A user's fingerprint may be any text.
        digest = hashlib.sha256(f"{self.fingerprint} {space.fingerprint}".encode()).hexdigest()
        return cache_folder() / "evaluations" / f"{name}--{digest[:32]}.sqlite"

    def _open(self, space: SearchSpace) -> sqlite3.Connection:
        path = self.path(space)
        path.parent.mkdir(parents=True, exist_ok=True)
        store = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
        store.execute("CREATE TABLE IF NOT EXISTS figures (genotype TEXT PRIMARY KEY, facts TEXT)")
        return store

    def _of(
        self, store: sqlite3.Connection, space: SearchSpace, x: IntArray
    ) -> dict[str, float] | str:
        """Figures of a network, or why there are none."""
        key = "-".join(map(str, x.tolist()))
        select = "SELECT facts FROM figures WHERE genotype = ?"
        found = store.execute(select, (key,)).fetchone()
        if found is None:
            answer = self._evaluate(space, x[None])
            facts: dict[str, float] | str = answer.reasons.get(0) or {
                name: float(values[0])
                for name, values in answer.values.items()
                if not np.isnan(values[0])
            }
            # Another process may have been first; its figures count.
            insert = "INSERT OR IGNORE INTO figures VALUES (?, ?)"
            store.execute(insert, (key, json.dumps(facts)))
            found = store.execute(select, (key,)).fetchone()
        return _checked(found[0], self.metrics)


def _checked(text: str, metrics: Iterable[str]) -> dict[str, float] | str:
    """What a row of the file holds.

    Raises:
        sqlite3.DatabaseError: if it is not what is written there.
    """
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    if isinstance(facts, str):
        return facts
    if not isinstance(facts, dict) or not all(
        isinstance(facts.get(name), int | float) and np.isfinite(facts[name]) for name in metrics
    ):
        raise sqlite3.DatabaseError("a row of it is damaged")
    return {str(name): float(value) for name, value in facts.items()}
