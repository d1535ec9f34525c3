"""A layer to be, while a file is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.networks.layer import Attributes
    from mcu_nas_moo.networks.onnx.layout import Shape


class Fusion(Enum):
    """How a step can become part of another.

    An ``AFFINE`` step scales and shifts channels, as batch norm does, and folds into the weights
    before it. A ``CLAMP`` bounds values, as ReLU does. ``ZERO_PADDING`` belongs to the window that
    reads it.
    """

    NONE = "none"
    AFFINE = "affine"
    CLAMP = "clamp"
    ZERO_PADDING = "zero padding"


@dataclass(eq=False)
class Step:
    """A layer to be, reading and writing tensors by name.

    A ``gate`` is a product of a tensor and a function of it, such as a decomposed hard swish: a
    function of one tensor, which an int8 runtime looks up in a table.
    """

    name: str
    op: str
    inputs: list[str]
    output: str
    in_shape: Shape
    out_shape: Shape
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    groups: int = 1
    clamped: bool = False
    fusion: Fusion = Fusion.NONE
    gate: bool = False
    attributes: Attributes = ()


def pair(sizes: Sequence[int]) -> tuple[int, int]:
    """(height, width) of an image or a sequence; a sequence has height 1."""
    return (1, int(sizes[0])) if len(sizes) == 1 else (int(sizes[0]), int(sizes[1]))
