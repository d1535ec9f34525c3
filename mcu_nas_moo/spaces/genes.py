"""Discrete search spaces: genes, genotypes and their neighbourhoods.

A genotype is a row of integers; ``X[i, g]`` is the index of the option that gene ``g`` takes in
network ``i``, in ``[0, n_choices[g])``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.common.arrays import Genotypes, IntArray


@dataclass(frozen=True)
class Gene:
    """One decision: a name and the values it may take, in increasing order."""

    name: str
    options: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise InputError(f"gene {self.name!r} has no options; give it at least one value")
        if list(self.options) != sorted(set(self.options)):
            raise InputError(f"options of gene {self.name!r} must increase, got {self.options}")


@dataclass(frozen=True)
class Subnet:
    """The readable form of one genotype: gene names and the values they take."""

    space: str
    values: Mapping[str, int]

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for YAML or JSON; :meth:`SearchSpace.encode` reads it back."""
        return {"space": self.space, **self.values}


class SearchSpace:
    """A finite product of genes. Subclasses say which genes are inactive in a genotype.

    Args:
        name: how commands and files refer to the space.
        genes: the decisions, in the order of the genotype's columns.
    """

    def __init__(self, name: str, genes: tuple[Gene, ...]) -> None:
        names = [gene.name for gene in genes]
        if len(set(names)) != len(names):
            raise InputError(f"space {name!r} names a gene twice: {names}")
        self.name = name
        self.genes = genes

    @property
    def n_genes(self) -> int:
        """Number of columns of a genotype."""
        return len(self.genes)

    @cached_property
    def n_choices(self) -> IntArray:
        """Options per gene, shape ``(n_genes,)``."""
        return np.array([len(gene.options) for gene in self.genes], dtype=np.int64)

    @property
    def n_genotypes(self) -> int:
        """Number of genotypes, an exact Python integer."""
        return prod(len(gene.options) for gene in self.genes)

    @property
    def n_networks(self) -> int:
        """Number of distinct networks; fewer than :attr:`n_genotypes` if genes can be inactive."""
        return self.n_genotypes

    def check(self, X: Any) -> Genotypes:
        """Return ``X`` as int64 of shape ``(N, n_genes)``.

        Raises:
            InputError: if the shape, dtype or a value does not fit the space.
        """
        given = np.asarray(X)
        if given.ndim != 2 or given.shape[1] != self.n_genes:
            raise InputError(
                f"X must have shape (N, {self.n_genes}) for space {self.name!r}, "
                f"got {given.shape}; use X[None, :] for a single genotype"
            )
        if not np.issubdtype(given.dtype, np.integer):
            raise InputError(
                f"X must hold integers (indices of options), got dtype {given.dtype}; "
                "round it first, for example np.rint(X).astype(int)"
            )
        indices: Genotypes = given.astype(np.int64, copy=False)
        outside = (indices < 0) | (indices >= self.n_choices)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise InputError(
                f"X[{row}, {column}] = {indices[row, column]} is outside "
                f"[0, {self.n_choices[column]}) of gene {self.genes[column].name!r}"
            )
        return indices

    def sample(self, n: int, rng: np.random.Generator) -> Genotypes:
        """``n`` genotypes drawn uniformly and independently, shape ``(n, n_genes)``."""
        return rng.integers(0, self.n_choices, size=(n, self.n_genes), dtype=np.int64)

    def decode(self, X: Any) -> list[Subnet]:
        """The readable subnets of ``X``, shape ``(N, n_genes)``."""
        return [
            Subnet(
                self.name,
                {
                    gene.name: gene.options[index]
                    for gene, index, used in zip(self.genes, row, active, strict=True)
                    if used
                },
            )
            for row, active in zip(self.check(X), self.active(X), strict=True)
        ]

    def encode(self, subnet: Subnet | Mapping[str, Any]) -> Genotypes:
        """Genotype ``(1, n_genes)`` of a readable subnet; inactive genes take option 0.

        Raises:
            InputError: for another space's subnet, an unknown gene, a missing active gene or a
                value that is not an option.
        """
        values = dict(subnet.to_dict() if isinstance(subnet, Subnet) else subnet)
        space = values.pop("space", self.name)
        if space != self.name:
            raise InputError(f"the subnet belongs to space {space!r}, not to {self.name!r}")
        X = np.zeros((1, self.n_genes), dtype=np.int64)
        missing = []
        for column, gene in enumerate(self.genes):
            if gene.name not in values:
                missing.append(column)
                continue
            value = values.pop(gene.name)
            if value not in gene.options:
                raise InputError(f"{gene.name} = {value!r} is not one of {gene.options}")
            X[0, column] = gene.options.index(value)
        if values:
            known = [gene.name for gene in self.genes]
            raise InputError(f"unknown gene {next(iter(values))!r}; the space has {known}")
        lacking = [self.genes[c].name for c in missing if self.active(X)[0, c]]
        if lacking:
            raise InputError(f"the subnet lacks the active genes {lacking}")
        return X

    def active(self, X: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Mask ``(N, n_genes)`` of the genes that have an effect; all of them by default."""
        return np.ones(self.check(X).shape, dtype=np.bool_)

    def canonical(self, X: Any) -> Genotypes:
        """The representative of each network: inactive genes set to option 0.

        Two genotypes denote the same network exactly when their canonical forms are equal.
        """
        return np.where(self.active(X), self.check(X), 0)

    def neighbours(self, x: Any) -> Genotypes:
        """All networks one gene away from genotype ``x`` ``(n_genes,)``, in canonical form.

        Returns:
            shape ``(M, n_genes)``, without duplicates and without ``x`` itself.
        """
        x = self.check(np.asarray(x)[None, :])
        columns, options = zip(
            *((c, o) for c, k in enumerate(self.n_choices) for o in range(k) if o != x[0, c]),
            strict=True,
        )
        X = np.repeat(x, len(columns), axis=0)
        X[np.arange(len(columns)), columns] = options
        distinct: Genotypes = np.unique(self.canonical(X), axis=0)
        differs = (distinct != self.canonical(x)).any(axis=1)
        return distinct[np.flatnonzero(differs)]
