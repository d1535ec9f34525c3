"""Random landscapes of bits with several objectives: MNK landscapes and mUBQP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.problem.named.bit_strings import Bits

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class MnkLandscape(Bits):
    """Each bit adds a random value that depends on itself and on ``k`` other bits.

    The mean of these values, in [0, 1], is to be large in each of ``m`` objectives; minimised is
    what lacks to 1. The other bits are drawn for each objective. Aguirre and Tanaka 2007, "Working
    principles, behavior, and performance of MOEAs on MNK-landscapes", European Journal of
    Operational Research 181(3). The instance is our own draw.

    Args:
        n: bits.
        m: objectives.
        k: other bits that the value of a bit depends on: 0 for hills, ``n - 1`` for noise.
        seed: of the draw.
    """

    n: int = 16
    m: int = 2
    k: int = 4
    seed: int = 1

    @property
    def objectives(self) -> tuple[str, ...]:
        """One for each landscape."""
        return tuple(f"shortfall_{place}" for place in range(1, self.m + 1))

    @cached_property
    def links(self) -> IntArray:
        """The bits that decide the value of each bit, itself first: ``(m, n, k + 1)``."""
        rng = np.random.default_rng([self.seed, 0])
        bits = np.arange(self.n)
        others = [
            [rng.choice(np.delete(bits, bit), self.k, replace=False) for bit in bits]
            for _ in range(self.m)
        ]
        own = np.broadcast_to(bits[:, None], (self.m, self.n, 1))
        return np.concatenate([own, np.array(others, dtype=np.int64)], axis=2)

    @cached_property
    def values(self) -> FloatArray:
        """Of each bit for each setting of the bits that decide it: ``(m, n, 2**(k + 1))``."""
        return np.random.default_rng([self.seed, 1]).random((self.m, self.n, 2 ** (self.k + 1)))

    def evaluate(self, X: Any) -> Any:
        weights = 2 ** np.arange(self.k + 1)
        columns = []
        for links, values in zip(self.links, self.values, strict=True):
            setting = X[:, links] @ weights
            columns.append(1 - values[np.arange(self.n), setting].mean(axis=1))
        return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Mubqp(Bits):
    """Unconstrained binary quadratic programming with ``m`` random matrices.

    Maximises ``x' Q x`` in each objective (as minimisation, negated); entries of a matrix are
    integers in [-100, 100], of which a share ``density`` is not 0. Liefooghe, Verel and Hao 2014,
    "A hybrid metaheuristic for multiobjective unconstrained binary quadratic programming", Applied
    Soft Computing 16; the objectives are not correlated. The instance is our own draw.

    It tells no front: the 2**50 solutions of the shipped instance cannot be evaluated all, and an
    integer programme, which settles the linear problems, would need a variable for each of about
    1,000 products of bits. Its reference front is pooled from searches. Instances of at most 16
    bits are small enough for the harness to evaluate all of them.

    Args:
        n: bits.
        m: objectives.
        density: share of entries.
        seed: of the draw.
    """

    n: int = 50
    m: int = 2
    density: float = 0.8
    seed: int = 1

    @property
    def objectives(self) -> tuple[str, ...]:
        """One for each matrix."""
        return tuple(f"minus_value_{place}" for place in range(1, self.m + 1))

    @cached_property
    def matrices(self) -> FloatArray:
        """Whole numbers, upper triangles, ``(m, n, n)``."""
        rng = np.random.default_rng(self.seed)
        entries = rng.integers(-100, 101, size=(self.m, self.n, self.n))
        kept = rng.random(entries.shape) < self.density
        return np.triu(entries * kept).astype(np.float64)

    def evaluate(self, X: Any) -> Any:
        x = X.astype(np.float64)  # sums of whole numbers stay exact
        return np.stack([-((x @ Q) * x).sum(axis=1) for Q in self.matrices], axis=1)
