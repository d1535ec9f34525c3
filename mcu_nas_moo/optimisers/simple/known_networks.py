"""Which networks of a space were proposed, and which are left."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.genotypes import row_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcu_nas_moo.common.arrays import BoolArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.problem import DiscreteSpace

#: Genotypes that are looked at together when a space is gone through in order.
CHUNK = 4096
#: Rounds of random draws before the space is gone through in order.
ROUNDS = 20


def combinations(counts: IntArray, start: int, stop: int) -> IntArray:
    """Numbers ``start`` to ``stop - 1`` of all combinations, in lexicographic order.

    Args:
        counts: how many values each place has, shape ``(n,)``.
        start, stop: at most 2^62, which nobody can count to.

    Returns:
        shape ``(stop - start, n)``, with place ``i`` in ``[0, counts[i])``.
    """
    numbers = np.arange(start, stop)
    # Python integers: there may be more combinations than 64 bits can count.
    strides = [prod(counts[place + 1 :].tolist()) for place in range(len(counts))]
    places = [
        numbers // min(stride, 2**62) % count for stride, count in zip(strides, counts, strict=True)
    ]
    return np.stack(places, axis=1)


def networks_in_order(space: DiscreteSpace, chunk: int = CHUNK) -> Iterator[Genotypes]:
    """Each network once, as canonical genotypes in lexicographic order.

    Yields:
        shape ``(n, n_genes)`` with ``0 < n <= chunk``.
    """
    for start in range(0, space.n_genotypes, chunk):
        X = combinations(space.n_choices, start, min(start + chunk, space.n_genotypes))
        canonical = X[(space.canonical(X) == X).all(axis=1)]
        if len(canonical):
            yield canonical


class KnownNetworks:
    """The networks that were proposed so far, told apart by their canonical genotypes."""

    def __init__(self, space: DiscreteSpace) -> None:
        self._space = space
        self._keys: set[bytes] = set()
        self._in_order: Iterator[Genotypes] | None = None
        self._rest = np.zeros((0, space.n_genes), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, X: Genotypes) -> BoolArray:
        """Remember the networks of ``X`` ``(n, n_genes)``.

        Returns:
            shape ``(n,)``, true where a row was known neither before nor from a row above.
        """
        new = np.zeros(len(X), dtype=np.bool_)
        for row, key in enumerate(row_keys(self._space.canonical(X))):
            new[row] = key not in self._keys
            self._keys.add(key)
        return new

    def missing(self, X: Genotypes) -> Genotypes:
        """Those rows of canonical genotypes ``X`` that are not known."""
        new = [key not in self._keys for key in row_keys(X)]
        return X[np.array(new, dtype=np.bool_)]

    def draw(self, count: int, rng: np.random.Generator) -> Genotypes:
        """Networks that are not known, and now are, as canonical genotypes.

        Drawn at random, by the shares that genotypes have; where random draws only meet what is
        known, the next ones in order.

        Returns:
            shape ``(n, n_genes)``; fewer than ``count`` only if no more are left.
        """
        drawn = np.zeros((0, self._space.n_genes), dtype=np.int64)
        for _ in range(ROUNDS):
            X = self._space.canonical(self._space.sample(count - len(drawn), rng))
            drawn = np.concatenate([drawn, X[self.add(X)]])
            if len(drawn) == count:
                return drawn
        if self._in_order is None:
            self._in_order = networks_in_order(self._space)
        while len(drawn) < count:
            if len(self._rest) == 0:
                self._rest = next(self._in_order, self._rest)
                if len(self._rest) == 0:
                    break
            missing = count - len(drawn)
            X, self._rest = self._rest[:missing], self._rest[missing:]
            drawn = np.concatenate([drawn, X[self.add(X)]])
        return drawn
