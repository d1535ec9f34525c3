"""The contract of a search problem, as optimisers see it: a discrete space and its evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray


class DiscreteSpace(Protocol):
    """A finite product of genes; ``X[i, g]`` is the index of the option that gene ``g`` takes."""

    @property
    def name(self) -> str:
        """How messages refer to the space."""

    @property
    def genes(self) -> Sequence[Any]:
        """The decisions, each with a ``name`` and its ``options``."""

    @property
    def n_genes(self) -> int:
        """Number of columns of a genotype."""

    @property
    def n_choices(self) -> IntArray:
        """Options per gene, shape ``(n_genes,)``."""

    @property
    def n_genotypes(self) -> int:
        """Number of genotypes."""

    @property
    def n_networks(self) -> int:
        """Number of distinct networks; fewer than genotypes if genes can be inactive."""

    def sample(self, n: int, rng: np.random.Generator) -> Genotypes:
        """``n`` genotypes drawn uniformly and independently, shape ``(n, n_genes)``."""

    def canonical(self, X: Any) -> Genotypes:
        """The representative of each network; equal for genotypes of one network."""

    def neighbours(self, x: Any) -> Genotypes:
        """All networks one gene away from ``x`` ``(n_genes,)``, shape ``(M, n_genes)``."""


class Problem(Protocol):
    """What is optimised: objectives, minimised, under constraints met where they are <= 0."""

    @property
    def space(self) -> DiscreteSpace:
        """What can be proposed."""

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the columns of ``F``."""

    @property
    def constraint_names(self) -> tuple[str, ...]:
        """Names of the columns of ``G``."""

    @property
    def n_genes(self) -> int:
        """Number of genes of a genotype."""

    @property
    def n_choices(self) -> IntArray:
        """Options per gene, shape ``(n_genes,)``."""

    @property
    def n_obj(self) -> int:
        """Number of objectives."""

    @property
    def n_con(self) -> int:
        """Number of constraints."""

    def evaluate(self, X: Any) -> tuple[FloatArray, FloatArray]:
        """Objectives ``F`` ``(N, n_obj)`` and constraints ``G`` ``(N, n_con)`` of ``X``."""
