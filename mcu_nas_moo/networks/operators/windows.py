"""Sizes of what sliding windows write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.common.arrays import IntArray
    from mcu_nas_moo.networks.operators.operator import Shape, Wanted

#: ``same``: half a window of zeros on each side, so that the stride alone makes outputs smaller;
#: ``valid``: no padding.
PADDINGS = ("same", "valid")


def padding_of(kernel: tuple[int, int], attributes: Mapping[str, Any]) -> tuple[int, int]:
    """Rows above and below, and columns left and right."""
    if not _is_padded(attributes):
        return 0, 0
    dilation = int(attributes.get("dilation", 1))
    return dilation * (kernel[0] // 2), dilation * (kernel[1] // 2)


def sizes_after(shape: Shape, wanted: Wanted) -> tuple[IntArray, IntArray]:
    """Height and width of what windows write, ``(N,)``.

    Raises:
        InputError: if a window is larger than the image with its padding.
    """
    attributes = wanted.attributes
    dilation, padded = int(attributes.get("dilation", 1)), _is_padded(attributes)
    sizes = []
    for size, kernel, stride in zip(shape[1:], wanted.kernel, wanted.stride, strict=True):
        border = dilation * (kernel // 2) if padded else 0
        reach = size + 2 * border - dilation * (kernel - 1) - 1
        if (reach < 0).any():
            raise InputError("a window is larger than the image that it reads")
        sizes.append(reach // stride + 1)
    return sizes[0], sizes[1]


def _is_padded(attributes: Mapping[str, Any]) -> bool:
    padding = attributes["padding"]
    if padding not in PADDINGS:
        raise InputError(f"padding must be one of {', '.join(PADDINGS)}, got {padding!r}")
    return bool(padding == "same")
