"""The register of search spaces: shipped ones, YAML files, and what users and packages bring."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.user_parts import (
    UserCode,
    announced,
    is_users,
    made,
    user_fingerprint,
)
from mcu_nas_moo.common.yaml_files import Facts, Name, is_path, names, read_values, validate
from mcu_nas_moo.spaces.genes import Gene, SearchSpace, Value
from mcu_nas_moo.spaces.mbconv import MBConvSpace
from mcu_nas_moo.spaces.mbconv_spec import MBConvSpec

if TYPE_CHECKING:
    from collections.abc import Callable

_SHIPPED = files("mcu_nas_moo.spaces") / "data"
#: Entry-point group of packages that bring spaces.
GROUP = "spaces"


class GenesSpec(Facts):
    """A space that is only its genes, for a table or an evaluator that knows what they mean.

    Args:
        name: of the space.
        genes: the values of each, see :class:`Gene`.
    """

    kind: Literal["genes"]
    name: Name
    genes: Annotated[dict[Name, tuple[Value, ...]], Field(min_length=1, max_length=1000)]

    @field_validator("genes", mode="before")
    @classmethod
    def _are_genes(cls, genes: Any) -> Any:
        if isinstance(genes, dict):
            for name, options in genes.items():
                if isinstance(options, list | tuple):
                    Gene(name, tuple(options))
        return genes


def _genes(spec: GenesSpec) -> SearchSpace:
    return SearchSpace(spec.name, [Gene(name, options) for name, options in spec.genes.items()])


#: The facts of a YAML file and what makes a space of them, by its ``kind``.
KINDS: dict[str, tuple[type[Facts], Callable[[Any], SearchSpace]]] = {
    "mbconv": (MBConvSpec, MBConvSpace),
    "genes": (GenesSpec, _genes),
}


def space_of_facts(values: Mapping[str, Any], source: str) -> SearchSpace:
    """The space that facts describe; of the kind ``mbconv`` if they do not say.

    Args:
        values: what a YAML file holds, or :attr:`SearchSpace.facts`.
        source: how messages refer to them.

    Raises:
        InputError: for an unknown kind, or facts that describe no space.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{source}: expected fields and their values, got {values!r}")
    kind = values.get("kind", "mbconv")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{source}: kind: {unknown_name('kind of space', str(kind), KINDS)}")
    model, space = KINDS[kind]
    return space(validate(model, values, source))


def list_spaces() -> list[str]:
    """Names of the spaces that the package ships."""
    return names(_SHIPPED)


def known_spaces() -> list[str]:
    """Names of the spaces that need neither a file nor a module: shipped and announced ones."""
    return list_spaces() + [name for name in announced(GROUP) if name not in list_spaces()]


def load_space(name: str | Path, classes: int | None = None) -> SearchSpace:
    """A search space.

    Args:
        name: one of :func:`list_spaces`; the path of a YAML file; ``module:Name`` for a space, or a
            class or function that makes one without arguments; or what an installed package
            announces.
        classes: that its networks tell apart, instead of its own number.

    Raises:
        InputError: if there is none; the message lists those there are.
    """
    if is_path(name):
        path = Path(name)
        values = {"name": path.stem, **read_values(path, str(path))}
        return space_of_facts(_with_classes(values, classes), str(path))
    name = str(name)
    if name in list_spaces():
        return space_of_facts(_with_classes(_shipped_values(name), classes), f"{name}.yaml")
    if not is_users(name, GROUP):
        known = [*known_spaces(), "or a YAML file, or your own module:Name"]
        raise unknown_name("space", name, known)
    space = made(name, GROUP, "space")
    if not isinstance(space, SearchSpace):
        raise InputError(
            f"space {name!r} is of the class {type(space).__name__}; it must be a subclass of "
            "mcu_nas_moo.SearchSpace, an object of one, or a function that returns one"
        )
    if classes is not None and (space.output is None or space.output.classes != classes):
        raise InputError(f"space {name!r} has its own number of classes, not {classes}")
    space.source = UserCode(name=name, sha256=user_fingerprint(name, GROUP, "space"))
    return space


@cache
def _shipped_values(name: str) -> dict[str, Any]:
    return read_values(_SHIPPED / f"{name}.yaml", f"{name}.yaml")


def _with_classes(values: dict[str, Any], classes: int | None) -> dict[str, Any]:
    return values if classes is None else values | {"classes": classes}


def for_classes(space: SearchSpace, classes: int, whose: str) -> SearchSpace:
    """The space whose networks tell so many classes apart.

    A shipped one, left at its own number, is made for them; others say themselves what they tell.

    Args:
        space: any space; one that tells no number is returned as it is.
        classes: that its networks should tell apart.
        whose: what has so many classes, for messages.

    Raises:
        InputError: if it tells another number.
    """
    if space.output is None or space.output.classes == classes:
        return space
    own = space.output.classes
    if space.name in list_spaces() and space.facts == load_space(space.name).facts:
        return load_space(space.name, classes)
    raise InputError(
        f"networks of space {space.name!r} tell {own} classes apart, but {whose} is of {classes}; "
        f"let the space tell {classes} (`classes` of its file, `output` of its class), or give an "
        f"accuracy of {own} classes"
    )


class SpaceReference(Facts):
    """A space as files name it: enough to make it again.

    Args:
        space: its name; of a shipped one, if nothing else is given.
        classes: that its networks tell apart; 10 if it tells none.
        space_facts: what a YAML file said of it.
        space_code: the user's code that makes it.
    """

    space: Name
    classes: Annotated[int, Field(ge=2)] = 10
    space_facts: dict[str, Any] | None = None
    space_code: UserCode | None = None

    @classmethod
    def fields_of(cls, space: SearchSpace) -> dict[str, Any]:
        """The fields of a reference to a space, by name."""
        fields: dict[str, Any] = {"space": space.name}
        if space.output is not None:
            fields["classes"] = space.output.classes
        if space.source is not None:
            return fields | {"space_code": space.source}
        known = space.name in list_spaces()
        if known and space.facts == _shipped_facts(space.name, fields["classes"]):
            return fields
        return fields | {"space_facts": space.facts}

    def search_space(self, classes: int | None = None) -> SearchSpace:
        """The space; for another number of classes if one is given.

        Raises:
            InputError: if it is not known, was made by a Python program, or its code changed.
        """
        if self.space_code is not None:
            space = load_space(self.space_code.name, classes)
            if space.source != self.space_code:
                raise InputError(f"the code of space {self.space_code.name!r} changed since then")
            return space
        if self.space_facts is None:
            return load_space(self.space, classes or self.classes)
        if self.space_facts.get("kind", "mbconv") not in KINDS:
            raise InputError(
                f"space {self.space!r} was made by a Python program; to have it found again, name "
                "it module:Name"
            )
        values = {"name": self.space, **self.space_facts}
        return space_of_facts(_with_classes(values, classes), f"space {self.space!r}")


@cache
def _shipped_facts(name: str, classes: int) -> dict[str, Any]:
    return load_space(name, classes).facts
