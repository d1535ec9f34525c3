"""The contract of search spaces, as all but optimisers see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mcu_nas_moo.contracts.problem import DiscreteSpace

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes
    from mcu_nas_moo.contracts.network_io import InputSpec, OutputSpec


class Space(DiscreteSpace, Protocol):
    """A space whose genotypes mean something; ``spaces.SearchSpace`` is its base class."""

    @property
    def input(self) -> InputSpec | None:
        """Of its networks; None if it has none, or does not tell."""

    @property
    def output(self) -> OutputSpec | None:
        """Of its networks; None if it has none, or does not tell."""

    @property
    def facts(self) -> dict[str, Any]:
        """Plain data that decides what the genotypes stand for: equal facts, equal space."""

    @property
    def fingerprint(self) -> str:
        """Hash of :attr:`facts`."""

    def check(self, X: Any) -> Genotypes:
        """``X`` as int64 ``(N, n_genes)``; raises an InputError if it does not fit the space."""

    def active(self, X: Any) -> BoolArray:
        """Mask ``(N, n_genes)`` of the genes that have an effect."""

    def features(self, X: Any) -> FloatArray:
        """What predictors see of the genotypes ``X``: float32 ``(N, D)``."""

    def decode(self, X: Any) -> list[Any]:
        """The readable subnets of ``X`` ``(N, n_genes)``."""

    def encode(self, subnet: Any) -> Genotypes:
        """Genotype ``(1, n_genes)`` of a readable subnet."""
