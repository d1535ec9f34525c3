"""Resizing of images and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel
from mcu_nas_moo.deployment.firmware.network import as_image

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.kernels.kernel import CallWriter
    from mcu_nas_moo.deployment.firmware.network import Node

_COORDINATES = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


class Resize(Kernel):
    """``Resize`` of int8, nearest or linear."""

    operators = ("Resize",)

    def problem(self, node: Node) -> str | None:
        mode, coordinates = _text(node, "mode", "nearest"), _coordinates(node)
        for holds, problem in (
            (mode in ("nearest", "linear"), f"it is of the mode {mode}; use nearest or linear"),
            (
                coordinates in _COORDINATES,
                f"its coordinates are {coordinates}; use one of {', '.join(_COORDINATES)}",
            ),
            (
                _text(node, "nearest_mode", _NEAREST[0]) in _NEAREST,
                f"its nearest_mode is none of {', '.join(_NEAREST)}",
            ),
            (
                not node.attributes.get("antialias", 0),
                "it smooths what it shrinks; use antialias=0, or an average pooling",
            ),
            (node.shape(0)[:2] == node.output_shape[:2], "it changes the number of channels"),
            (
                mode == "nearest" or len(node.shape(0)) == 4,
                "it is linear in one dimension; use nearest, or an image of height 1",
            ),
        ):
            if not holds:
                return problem
        return None

    def code(self, node: Node, c: CallWriter) -> str:
        channels, *sides = as_image(node.shape(0))
        out_sides = as_image(node.output_shape)[1:]
        axes = [
            _Axis(node, side, out_side, axis)
            for axis, (side, out_side) in enumerate(zip(sides, out_sides, strict=True), -2)
        ]
        common = (c.input(0), c.output, channels, *sides, *out_sides)
        if _text(node, "mode", "nearest") == "nearest":
            places = [axis.nearest() for axis in axes]
            rows, columns = map(c.constant, ("rows", "columns"), places)
            return c.call("mcu_nas_resize_nearest", *common, rows, columns)
        arguments = []
        for name, axis in zip(("row", "column"), axes, strict=True):
            neighbours, shares = axis.linear()
            arguments += [c.constant(f"{name}s", neighbours), c.constant(f"{name}_shares", shares)]
        return c.call("mcu_nas_resize_linear", *common, *arguments)


class _Axis:
    """Where rows, or columns, of the output lie in the input; in float32 as in onnxruntime."""

    def __init__(self, node: Node, size: int, out_size: int, axis: int) -> None:
        self._size, self._round = size, _text(node, "nearest_mode", _NEAREST[0])
        places = np.arange(out_size, dtype=np.float32)
        scale = np.float32(out_size) / np.float32(size)
        if node.has(2) and node.constant(2).size >= -axis:
            scale = np.float32(node.constant(2)[axis])
        half, coordinates = np.float32(0.5), _coordinates(node)
        if coordinates == "align_corners":
            self._at = places * np.float32(size - 1) / np.float32(max(out_size - 1, 1))
        elif coordinates == "asymmetric":
            self._at = places / scale
        elif coordinates == "pytorch_half_pixel" and out_size == 1:
            self._at = places * 0
        else:
            self._at = (places + half) / scale - half
        if scale == 1 and coordinates != "align_corners":
            self._at = places

    def nearest(self) -> np.ndarray[Any, Any]:
        """The row that each row is a copy of."""
        at, half = self._at, np.float32(0.5)
        rounded = {
            "floor": np.floor(at),
            "ceil": np.ceil(at),
            # Half-way between two: the lower, or the upper one.
            "round_prefer_floor": np.where(at == np.trunc(at) + half, np.floor(at), _round(at)),
            "round_prefer_ceil": _round(at),
        }[self._round]
        places: np.ndarray[Any, Any] = np.clip(rounded, 0, self._size - 1).astype(np.int16)
        return places

    def linear(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The two rows between which each row lies ``(N, 2)``, and what they count."""
        at = np.clip(self._at, 0, np.float32(self._size - 1))
        first = at.astype(np.int16)
        second = np.minimum(first + 1, self._size - 1).astype(np.int16)
        shares = np.abs(np.stack([at - second.astype(np.float32), at - first], axis=1))
        shares[first == second] = 0.5
        return np.stack([first, second], axis=1), shares.astype(np.float32)


def _round(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """To nearest, half-way cases away from zero."""
    rounded: np.ndarray[Any, Any] = np.copysign(np.floor(np.abs(values) + 0.5), values)
    return rounded


def _coordinates(node: Node) -> str:
    return _text(node, "coordinate_transformation_mode", "half_pixel")


def _text(node: Node, name: str, default: str) -> str:
    value: str | bytes = node.attributes.get(name, default)
    return value.decode() if isinstance(value, bytes) else value
