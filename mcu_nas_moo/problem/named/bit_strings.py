"""Bit strings whose fronts follow from their definition: LOTZ, COCZ and deceptive traps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.problem.named.published import Published

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Bits(Published):
    """A problem of bits.

    Args:
        n: number of bits.
    """

    n: int

    @property
    def n_choices(self) -> IntArray:
        """Two for each bit."""
        return np.full(self.n, 2)


@dataclass(frozen=True)
class Lotz(Bits):
    """Leading ones, trailing zeros: both are to be many; minimised is what lacks to all bits.

    Laumanns, Thiele, Zitzler, Welzl and Deb 2002, "Running time analysis of multi-objective
    evolutionary algorithms on a simple discrete optimization problem", PPSN VII. The front has
    ``n + 1`` points, each of one string: ones, then zeros.
    """

    n: int = 30
    objectives = ("lacking_leading_ones", "lacking_trailing_zeros")

    def evaluate(self, X: Any) -> Any:
        ones = np.minimum.accumulate(X, axis=1).sum(axis=1)
        zeros = np.minimum.accumulate(1 - X[:, ::-1], axis=1).sum(axis=1)
        return np.stack([self.n - ones, self.n - zeros], axis=1)

    def reference_front(self) -> FloatArray:
        """By definition."""
        ones = np.arange(self.n + 1.0)
        return np.stack([self.n - ones, ones], axis=1)


@dataclass(frozen=True)
class Cocz(Bits):
    """Count ones, count zeros: the halves agree on the first bits and contradict on the others.

    Both ``ones`` and ``ones of the first half + zeros of the second`` are to be many; minimised is
    what lacks to all bits. Laumanns, Thiele and Zitzler 2004, "Running time analysis of
    multiobjective evolutionary algorithms on pseudo-Boolean functions", IEEE Transactions on
    Evolutionary Computation 8(2). ``n`` is even; the front has ``n / 2 + 1`` points.
    """

    n: int = 60
    objectives = ("lacking_ones", "lacking_zeros")

    def evaluate(self, X: Any) -> Any:
        first, second = X[:, : self.n // 2].sum(axis=1), X[:, self.n // 2 :].sum(axis=1)
        zeros = self.n - self.n // 2 - second
        return np.stack([self.n - first - second, self.n - first - zeros], axis=1)

    def reference_front(self) -> FloatArray:
        """By definition: all ones in the first half."""
        second = np.arange(self.n // 2 + 1.0)
        return np.stack([self.n // 2 - second, second], axis=1)


@dataclass(frozen=True)
class Traps(Bits):
    """Deceptive blocks of five bits against their inverse: a step uphill leads away from the front.

    A block with ``u`` ones is worth 5 if all are ones, else ``4 - u``; for the second objective 5
    if none is, else ``u - 1``. Both are to be large; minimised is what lacks to 5 in each block.
    Pelikan, Sastry and Goldberg 2005, "Multiobjective hBOA, clustering, and scalability", GECCO
    (trap5 and inverse trap5). On the front, each block is all ones or all zeros.
    """

    n: int = 50
    objectives = ("lacking_trap", "lacking_inverse_trap")
    BLOCK = 5

    def evaluate(self, X: Any) -> Any:
        size = self.BLOCK
        ones = X.reshape(len(X), X.shape[1] // size, size).sum(axis=2)
        trap = np.where(ones == size, size, size - 1 - ones)
        inverse = np.where(ones == 0, size, ones - 1)
        return np.stack([(size - trap).sum(axis=1), (size - inverse).sum(axis=1)], axis=1)

    def reference_front(self) -> FloatArray:
        """By definition: a block lacks 0 of one objective and 1 of the other."""
        ones = np.arange(self.n // self.BLOCK + 1.0)
        return np.stack([ones[-1] - ones, ones], axis=1)
