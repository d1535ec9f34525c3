"""The contracts of a search problem: as its author writes it, and as optimisers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray


class DiscreteProblem(Protocol):
    """A problem as its author writes it: options to choose, and what a choice is worth.

    A class needs ``n_choices``, ``objectives`` and ``evaluate``, and nothing of this package. These
    attributes have a value if they are left out:

    - ``name``: how people and files are told of it; that on the command line, or of the class.
    - ``constraints``: names of the columns of ``G``; none.
    - ``genes``: what there is to choose, as a mapping of names to lists of numbers or texts, such
      as ``{"teeth": [12, 13, 14]}``; without it the genes are ``x1``, ``x2``, ... and their options
      0, 1, ... With it ``n_choices`` may be left out.
    - ``reference_front``: objectives ``(n, n_obj)`` of the true front, or a method that returns
      them. Runs are scored against it; without it, against the front of a small space, or against
      the best that searches found.
    - ``decode(X)``: what people should read of the genotypes ``X`` ``(N, n_genes)``: N texts, or N
      mappings of names to values.
    - ``deterministic``, ``cost`` and ``fingerprint``: see
      :class:`~mcu_nas_moo.contracts.evaluator.NetworkEvaluator`.
    """

    @property
    def n_choices(self) -> Sequence[int] | IntArray:
        """Options per gene, shape ``(n_genes,)``."""

    @property
    def objectives(self) -> Sequence[str]:
        """Names of the columns of ``F``, two at least; all are minimised."""

    def evaluate(self, X: Genotypes) -> Any:
        """What the genotypes ``X`` ``(N, n_genes)`` are worth; indices of options, from 0.

        Returns:
            objectives ``F`` ``(N, n_obj)`` and constraints ``G`` ``(N, n_con)``, met where they are
            <= 0; ``F`` alone where there are none. Rows of NaN stand for genotypes that could not
            be evaluated; a third array may hold N texts that say why.
        """


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
