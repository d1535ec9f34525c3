"""Which axis of an array holds the channels, and which transpositions cost nothing.

A runtime for microcontrollers keeps every image with the channels last in memory. ONNX numbers its
axes as the exporter likes: (batch, channels, height, width) or (batch, height, width, channels).
Turning one into the other only renames the axes of the same bytes.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Layout(Enum):
    """Place of the channel axis after the batch axis."""

    CHANNELS_FIRST = "channels first"
    CHANNELS_LAST = "channels last"


class Shape(NamedTuple):
    """An image as the layer table counts it."""

    height: int
    width: int
    channels: int


class View(NamedTuple):
    """A tensor under one of its shapes.

    Attributes:
        tensor: name of the tensor, the same for all its views.
        dims: shape in ONNX, batch included.
        layout: without meaning for fewer than three axes, where the last one holds the channels.
    """

    tensor: str
    dims: tuple[int, ...]
    layout: Layout

    @property
    def channel_axes(self) -> tuple[int, ...]:
        """Several if channels are split, as in (batch, groups, channels, height, width)."""
        rank = len(self.dims)
        if rank == 0:
            return ()
        if rank < 3 or self.layout is Layout.CHANNELS_LAST:
            return (rank - 1,)
        return tuple(range(1, max(2, rank - 2)))

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """All others but the batch: one for a sequence, two for an image."""
        channels = self.channel_axes
        return tuple(axis for axis in range(1, len(self.dims)) if axis not in channels)

    @property
    def shape(self) -> Shape:
        """Height, width and channels; a sequence has height 1, a vector has width 1 too."""
        channels = math.prod(self.dims[axis] for axis in self.channel_axes)
        *rows, width = [self.dims[axis] for axis in self.spatial_axes] or [1]
        # Exporters fold the positions into the batch axis: (batch * positions, channels).
        batch = self.dims[0] if len(self.dims) > 1 else 1
        return Shape(batch * math.prod(rows), width, channels)

    def _in_memory(self, layout: Layout) -> list[int]:
        """Axes in the order of memory, those of size 1 left out."""
        view = self._replace(layout=layout)
        batch = (0,) if self.dims else ()
        axes = dict.fromkeys((*batch, *view.spatial_axes, *view.channel_axes))
        return [axis for axis in axes if self.dims[axis] > 1]

    def renamed(self, layout: Layout) -> View | None:
        """The same bytes in another layout, or ``None`` if they would have to move."""
        if self._in_memory(layout) != self._in_memory(self.layout):
            return None
        return self._replace(layout=layout)

    def transposed(self, order: Sequence[int]) -> View | None:
        """The same bytes with the axes in another order, or ``None`` if they would have to move."""
        dims = tuple(self.dims[axis] for axis in order)
        # The layout in which the channels remain what they are comes first.
        layouts = sorted(
            Layout, key=lambda layout: self._channels_after(order, layout) != self.channel_axes
        )
        for layout in layouts:
            view = View(self.tensor, dims, layout)
            if [order[axis] for axis in view._in_memory(layout)] == self._in_memory(self.layout):
                return view
        return None

    def _channels_after(self, order: Sequence[int], layout: Layout) -> tuple[int, ...]:
        view = View(self.tensor, tuple(self.dims[axis] for axis in order), layout)
        return tuple(order[axis] for axis in view.channel_axes)
