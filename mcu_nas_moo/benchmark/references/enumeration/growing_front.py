"""A Pareto front that grows, and a table that tells quickly what cannot belong to it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes

#: Cells of the table of a front, over all its axes.
CELLS = 400_000


class Front:
    """Mutually non-dominated points, each with one genotype.

    Of networks with the same objectives, the one with the smallest genotype stays, so that a front
    does not depend on the order in which its points were found.

    Args:
        X: genotypes, shape ``(n, n_genes)``.
        F: objectives, shape ``(n, n_obj)``; what is dominated is left out.
    """

    def __init__(self, X: Genotypes, F: FloatArray) -> None:
        import moocore

        if len(F):
            order = np.lexsort((*X.T[::-1], *F.T[::-1]))
            X, F = X[order], F[order]
            first = np.append(True, (F[1:] != F[:-1]).any(axis=1))
            X, F = X[first], F[first]
            kept = moocore.is_nondominated(F)
            X, F = X[kept], F[kept]
        self.X, self.F = X, F

    def joined(self, X: Genotypes, F: FloatArray) -> Front:
        """The front of these points and others."""
        return Front(np.concatenate([self.X, X]), np.concatenate([self.F, F]))

    def projected(self, columns: list[int]) -> Front:
        """The front for some of the objectives.

        It is complete: of all networks with the same values of those, one that is best in the
        other objectives is here.
        """
        return Front(self.X, self.F[:, columns])

    def may_grow_by(self, first: FloatArray, others: list[FloatArray]) -> BoolArray:
        """Which points are not certainly dominated.

        Args:
            first: lower bounds of the points' first objective, shape ``(n,)``.
            others: their other objectives, ``n_obj - 1`` arrays ``(n,)``.
        """
        edges, table = self._table
        cells = tuple(
            np.searchsorted(edge, values, side="right")
            for edge, values in zip(edges, others, strict=True)
        )
        # At its lower edges, each cell knows a point that is at least as good in the others.
        return first <= table[cells]

    @cached_property
    def _table(self) -> tuple[list[FloatArray], FloatArray]:
        """For a grid over all objectives but the first: the smallest first one at each edge."""
        axes = self.F.shape[1] - 1
        per_axis = int(CELLS ** (1 / max(axes, 1)))
        edges = []
        for values in self.F[:, 1:].T:
            known = np.unique(values)
            at = np.linspace(0, len(known) - 1, min(per_axis, len(known))).astype(np.int64)
            edges.append(known[at])
        # Cell 0 of each axis lies below its first edge, where nothing is known.
        table = np.full([len(edge) + 1 for edge in edges], np.inf)
        cells = tuple(
            np.searchsorted(edge, values, side="left") + 1
            for edge, values in zip(edges, self.F[:, 1:].T, strict=True)
        )
        np.minimum.at(table, cells, self.F[:, 0])
        for axis in range(axes):
            np.minimum.accumulate(table, axis=axis, out=table)
        return edges, table
