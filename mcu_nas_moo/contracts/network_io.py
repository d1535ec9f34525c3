"""What networks take in and give out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InputSpec:
    """The input of a network.

    Attributes:
        channels, height, width: of the largest input; a space may hold networks for smaller ones.
        kind: what it is, such as ``image``.
    """

    channels: int
    height: int
    width: int
    kind: str = "image"


@dataclass(frozen=True)
class OutputSpec:
    """The output of a network: a score for each of so many classes."""

    classes: int
