"""What a space may be able to do beyond telling its genotypes apart; asked for by protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.space import Space

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import Genotypes, IntArray
    from mcu_nas_moo.networks.layer_table import LayerTable
    from mcu_nas_moo.spaces.parts import Parts


@runtime_checkable
class HasNetworks(Space, Protocol):
    """Its genotypes stand for networks, whose costs can be computed."""

    def network(self, X: Any) -> LayerTable:
        """The layers of the genotypes ``X``, shape ``(N, n_genes)``."""


@runtime_checkable
class InParts(HasNetworks, Protocol):
    """Its networks consist of parts that depend on a few genes each: their costs are looked up."""

    @property
    def parts(self) -> Parts:
        """The parts, and the genes that decide each."""


@runtime_checkable
class Nested(HasNetworks, Protocol):
    """One network contains all others, so that they can share its weights."""

    @property
    def largest(self) -> Genotypes:
        """Genotype ``(1, n_genes)`` of the network that contains all others."""

    @property
    def smallest(self) -> Genotypes:
        """Genotype ``(1, n_genes)`` of the network that all others contain."""


@runtime_checkable
class Splittable(Nested, Protocol):
    """A network is a chain of segments; each gene and each layer belongs to one of them.

    What the layers of a segment cost depends on other segments by the shape of its input alone.
    Such a space can be enumerated by pairing halves.
    """

    @property
    def segment_of_gene(self) -> IntArray:
        """Segment of each gene, shape ``(n_genes,)``."""

    @property
    def segment_of_slot(self) -> IntArray:
        """Segment of each slot of the layer table, shape ``(L,)``."""


def classes_of(space: Space) -> int:
    """How many classes the networks of a space tell apart.

    Raises:
        InputError: if the space does not tell.
    """
    if space.output is None:
        raise InputError(f"space {space.name!r} tells no number of classes (its `output` is None)")
    return space.output.classes


Ability = TypeVar("Ability")
#: What a space lacks that has not the ability.
_LACKS = {
    HasNetworks: "it tells no networks (its class has no method `network`)",
    Nested: "it has no largest and smallest network",
    Splittable: "its genes and layers belong to no segments (`segment_of_gene`, `segment_of_slot`)",
}


def with_ability(space: Space, ability: type[Ability], wish: str) -> Ability:
    """The same space, if it has an ability.

    Args:
        space: any space.
        ability: one of the protocols above.
        wish: what it is needed for, after "cannot": "share weights".

    Raises:
        InputError: if the space lacks it; the message says what for, and what is missing.
    """
    if not isinstance(space, ability):
        raise InputError(f"space {space.name!r} cannot {wish}: {_LACKS[ability]}")  # type: ignore[index]
    return space
