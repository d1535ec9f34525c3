"""What a space may be able to do beyond telling its genotypes apart; asked for by protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.space import Space
from mcu_nas_moo.networks.layer import Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import Genotypes, IntArray
    from mcu_nas_moo.networks.layer import Layer
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
class Splittable(InParts, Nested, Protocol):
    """A network is a stem, stages of blocks and a head, one after the other.

    What the layers of a part cost depends on others by the shape of its input alone. Such a space
    can be enumerated by pairing halves.
    """

    @property
    def stage_of_place(self) -> IntArray:
        """Stage number (from 0) of each block place, the parts between stem and head, ``(B,)``."""


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
    Splittable: "it tells no parts and stages (`parts`, `stage_of_place`)",
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


def check_layers(space: Space, layers: Sequence[Layer]) -> None:
    """Make sure that the layers of a network of a space fit together.

    Raises:
        InputError: if a layer reads another shape than was written, or the network's input or
            output is another one than the space tells.
    """
    what = f"the network of space {space.name!r}"
    given = layers[0].in_channels, layers[0].in_size
    if (known := space.input) is not None:
        inside = given[1][0] <= known.height and given[1][1] <= known.width
        if given[0] != known.channels or not inside:
            told = _shape(known.channels, (known.height, known.width))
            raise InputError(
                f"{what} reads {_shape(*given)}, but `input` of the space is {told} (channels x "
                "height x width); make them agree"
            )
    written = {0: given}
    for layer in layers:
        wanted = layer.in_channels, layer.in_size
        for place, tensor in enumerate(layer.inputs):
            found = written.get(tensor)
            flat = layer.op == Op.DENSE and found is not None and _size(*found) == _size(*wanted)
            # What is joined with the first tensor may differ, but in sums.
            free = place > 0 and layer.op != Op.ADD and found is not None
            if found != wanted and not flat and not free:
                shape = "not written before it" if found is None else _shape(*found)
                raise InputError(
                    f"{what} disagrees with itself: layer {layer.name!r} reads {_shape(*wanted)} "
                    f"(channels x height x width), but tensor {tensor} is {shape}"
                )
        written[layer.output] = layer.out_channels, layer.out_size
    classes = layers[-1].out_channels
    if space.output is not None and classes != space.output.classes:
        raise InputError(
            f"{what} writes {classes} numbers, but `output` of the space tells "
            f"{space.output.classes} classes; make them agree"
        )


def _shape(channels: int, size: tuple[int, int]) -> str:
    return f"{channels}x{size[0]}x{size[1]}"


def _size(channels: int, size: tuple[int, int]) -> int:
    return channels * size[0] * size[1]
