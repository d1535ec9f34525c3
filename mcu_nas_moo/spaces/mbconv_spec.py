"""MBConv spaces as data: what a YAML file of ``kind: mbconv`` holds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.yaml_files import AddedLater, Facts, Name


def _increasing(options: tuple[Any, ...]) -> tuple[Any, ...]:
    if list(options) != sorted(set(options)):
        raise InputError(f"options must increase, got {list(options)}")
    return options


def _bounded(depths: tuple[int, ...]) -> tuple[int, ...]:
    if max(depths) > 64:
        raise InputError(f"a stage has at most 64 blocks, not {max(depths)}")
    return depths


def _as_list(options: Any) -> Any:
    """Turn ``{min, max, step}`` into the list of values it stands for."""
    if isinstance(options, dict) and set(options) == {"min", "max", "step"}:
        first, last, step = (options[name] for name in ("min", "max", "step"))
        if not all(type(value) is int for value in (first, last, step)) or step < 1:
            raise InputError("min, max and step should be whole numbers, step above 0")
        return list(range(first, min(last, _MOST) + 1, step))
    return options


#: Largest option; a table of layers must stay within 64 bits and its memory within reason.
_MOST = 2**16
Options = Annotated[
    tuple[Annotated[int, Field(gt=0, le=_MOST)], ...],
    Field(min_length=1, max_length=1024),
    BeforeValidator(_as_list),
    AfterValidator(_increasing),
]
#: Sides of square inputs, or heights and widths.
Sides = Annotated[int, Field(gt=0, le=_MOST)]
Resolutions = Annotated[
    tuple[Sides, ...] | tuple[tuple[Sides, Sides], ...],
    Field(min_length=1, max_length=1024),
    BeforeValidator(_as_list),
    AfterValidator(_increasing),
]
Depths = Annotated[Options, AfterValidator(_bounded)]


class StageSpec(Facts):
    """Options of one stage. Exactly one of the two ways to give expansion ratios is set."""

    stride: Literal[1, 2]
    depth: Depths
    kernel: Options
    width: Options
    expansion: Options | None = None
    expansion_by_depth: dict[int, int] | None = None

    @model_validator(mode="after")
    def _check(self) -> StageSpec:
        if (self.expansion is None) == (self.expansion_by_depth is None):
            raise InputError("give either expansion or expansion_by_depth")
        if self.expansion_by_depth is not None and set(self.expansion_by_depth) != set(self.depth):
            raise InputError(f"expansion_by_depth must have the keys {list(self.depth)}")
        if any(kernel % 2 == 0 for kernel in self.kernel):
            raise InputError(f"kernel sizes must be odd, got {list(self.kernel)}")
        return self

    @property
    def expansions(self) -> tuple[int, ...]:
        """All expansion ratios that a block of the stage may have."""
        return self.expansion or tuple(sorted(set((self.expansion_by_depth or {}).values())))


class ImageInput(Facts):
    """What the networks of a space see: images of so many channels, 1 for grey ones."""

    channels: Annotated[int, Field(ge=1, le=64)] = 3


class MBConvSpec(Facts):
    """A space as data; the YAML files of ``spaces/data`` have this form."""

    kind: Annotated[Literal["mbconv"], AddedLater()] = "mbconv"
    name: Name
    granularity: Literal["stage", "block"]
    classes: Annotated[int, Field(gt=1, le=_MOST)]
    input: Annotated[ImageInput, AddedLater()] = ImageInput()
    resolution: Resolutions
    stem: Options
    stages: Annotated[tuple[StageSpec, ...], Field(min_length=1, max_length=64)]
    head: Options
