"""Reading facts from YAML files; whatever is wrong with a file is said on one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import read_text
from mcu_nas_moo.common.json_files import DEPTH
from mcu_nas_moo.common.naming import printable, unknown_name

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

#: Most bytes of a YAML file. The reader is slow, and people write these files by hand.
LIMIT = 2**19


class AddedLater:
    """Marks a field, ``Annotated[type, AddedLater()]``, that fingerprints of before do not know.

    At its default such a field is left out of what is written and hashed, so that shipped fronts
    and stored runs stay those of the same problem.
    """


class Facts(BaseModel):
    """Base of everything read from a file: immutable, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        for name, field in type(self).model_fields.items():
            later = any(isinstance(mark, AddedLater) for mark in field.metadata)
            if later and getattr(self, name) == field.get_default(call_default_factory=True):
                values.pop(name, None)
        return values


AnyFacts = TypeVar("AnyFacts", bound=Facts)
#: A name from a file of the user.
Name = Annotated[str, AfterValidator(printable)]


class _Loader(yaml.SafeLoader):
    """A safe loader of plain values: text, numbers, true, false, null, lists and mappings.

    Aliases, anchors, merge keys and tags are refused, and so are a key that is given twice, where
    YAML would keep the last one, and deep nesting. Numbers are as in YAML 1.2: no dates, no ``yes``
    for true, no sexagesimal or octal numbers in disguise; 1e-3 is a number.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _problem("aliases and anchors are not read", event)
        if event.tag is not None:
            raise _problem("tags are not read", event)
        self.depth += 1
        if self.depth > DEPTH:
            raise _problem("it is nested too deeply", event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _problem(f"{key.value!r} is given twice", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _problem(text: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=place.start_mark)


_WHOLE = r"0|[1-9][0-9_]*"
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", rf"[-+]?(?:{_WHOLE})|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        rf"[-+]?(?:(?:{_WHOLE})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), [*_first, ""]
    )


def parse(text: str, source: str) -> dict[str, Any]:
    """The mapping that a YAML text holds; ``source`` is how messages refer to it.

    Raises:
        InputError: if it is not YAML, not a mapping of fields to values, or uses more of YAML than
            plain values.
    """
    try:
        # A subclass of SafeLoader: plain data only.
        values = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        problem = (getattr(error, "problem", None) or "it cannot be read").removeprefix("but ")
        raise InputError(f"{source}: {where}expected YAML, but {problem}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{source}: expected fields and their values, such as 'name: value'")
    return values


def validate(model: type[AnyFacts], values: Any, source: str) -> AnyFacts:
    """``values`` as a ``model``.

    Raises:
        InputError: on one line; names ``source``, and of every problem the field and what was
            expected.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = []
        found = error.errors()
        for problem in found:
            where = problem["loc"]
            if problem["type"] == "too_short" and any(
                len(other["loc"]) > len(where) and other["loc"][: len(where)] == where
                for other in found
            ):
                continue  # what is wrong within the list was not counted
            field = ".".join(str(part) for part in where)
            message = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "tuple_type":
                message = "input should be a list"
            elif problem["type"] == "too_short":
                least, given = problem["ctx"]["min_length"], problem["ctx"]["actual_length"]
                items = "item" if least == 1 else "items"
                message = f"the list should have at least {least} {items}, not {given}"
            if problem["type"] != "value_error":
                message = message[0].lower() + message[1:]
            problems.append(f"{field}: {message}" if field else message)
        raise InputError(f"{source}: {'; '.join(problems)}") from None


def names(folder: Traversable) -> list[str]:
    """Names of the YAML files of a folder, sorted, without the ending."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def is_path(name_or_path: str | Path) -> bool:
    """Whether a file is meant rather than something that the package ships.

    A :class:`~pathlib.Path`, or a string that ends in ``.yaml`` or ``.yml`` or holds a folder.
    """
    path = Path(name_or_path)
    return isinstance(name_or_path, Path) or path.suffix in (".yaml", ".yml") or len(path.parts) > 1


def read_values(file: Traversable, source: str) -> dict[str, Any]:
    """The mapping that a YAML file holds; ``source`` is how messages refer to it.

    Raises:
        InputError: if the file cannot be read, is not text, or not a YAML mapping.
    """
    try:
        text = read_text(file, LIMIT)
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: expected a readable text file ({error})") from None
    return parse(text, source)


def load_named(model: type[AnyFacts], kind: str, name: str, folder: Traversable) -> AnyFacts:
    """The facts in the file ``name``.yaml of a folder.

    Raises:
        InputError: if there is no such file (the message lists the valid names), or if what it
            holds is not valid.
    """
    if name not in names(folder):
        raise unknown_name(kind, name, names(folder))
    file = f"{name}.yaml"
    return validate(model, read_values(folder / file, file), file)
