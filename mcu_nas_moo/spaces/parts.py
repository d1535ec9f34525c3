"""Parts of the networks of a space, each decided by a few genes.

What adds up over the layers of a network is computed once for every setting of each part, and
looked up from then on.
"""

from __future__ import annotations

from functools import cached_property
from itertools import count
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mcu_nas_moo.common.arrays import Genotypes, IntArray


class Parts:
    """Runs of layers that depend on a few genes alone, and their settings in one numbering.

    Args:
        n_choices: options of each gene of the space, shape ``(n_genes,)``.
        first_layers: first layer of each part; a part ends where the next one begins.
        genes: columns of the genes that decide each part.
    """

    def __init__(
        self, n_choices: IntArray, first_layers: Sequence[int], genes: Sequence[Collection[int]]
    ) -> None:
        self.first_layers = tuple(first_layers)
        self._n_choices, self._genes = n_choices, genes
        # A product with floats is far faster, and exact for numbers of this size.
        self._steps = np.zeros((len(genes), len(n_choices)))
        self._starts = np.zeros((len(genes), 1))
        #: Number of settings of all parts together.
        self.n_settings = 0
        for part, columns in enumerate(genes):
            sizes = [int(size) for size in n_choices[list(columns)]]
            self._steps[part, list(columns)] = [prod(sizes[:place]) for place in range(len(sizes))]
            self._starts[part] = self.n_settings
            self.n_settings += prod(sizes)

    def settings(self, X: Genotypes) -> IntArray:
        """Number of the setting of each part ``(P, N)`` in the genotypes ``X`` ``(N, n_genes)``."""
        return (self._steps @ X.T.astype(np.float64) + self._starts).astype(np.int64)

    @cached_property
    def first_of_gene(self) -> IntArray:
        """First part that each gene decides, shape ``(n_genes,)``."""
        return np.asarray(np.argmax(self._steps > 0, axis=0))

    @cached_property
    def n_covering(self) -> int:
        """Number of :attr:`covering` genotypes."""
        return prod(self._sizes)

    @property
    def covering(self) -> Genotypes:
        """Genotypes ``(n_covering, n_genes)`` that hold every setting of every part.

        Genes that never meet in a part vary together, the others independently.
        """
        grid = np.indices(self._sizes).reshape(len(self._sizes), -1).T
        return grid[:, self._group] % self._n_choices

    @property
    def _sizes(self) -> list[int]:
        """Most options of a gene of each group."""
        return [int(self._n_choices[self._group == g].max()) for g in range(max(self._group) + 1)]

    @cached_property
    def _group(self) -> IntArray:
        """Group of each gene, shape ``(n_genes,)``; genes of one part have different groups."""
        group = np.full(len(self._n_choices), -1)
        for gene in np.argsort(-self._n_choices, kind="stable"):  # thus they are the fewest
            met = {int(group[o]) for columns in self._genes if gene in columns for o in columns}
            group[gene] = next(number for number in count() if number not in met)
        return group
