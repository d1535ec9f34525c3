"""Sizes of what sliding windows write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.common.arrays import IntArray
    from mcu_nas_moo.networks.operators.operator import Shape, Window

#: ``same``: half a window of zeros on each side, so that the stride alone makes outputs smaller;
#: ``valid``: no padding.
PADDINGS = ("same", "valid")


def padding_of(kernel: tuple[int, int], attributes: Mapping[str, Any]) -> tuple[int, int]:
    """Rows above and below, and columns left and right."""
    padding, dilation = attributes["padding"], int(attributes.get("dilation", 1))
    if padding not in PADDINGS:
        raise InputError(f"padding must be one of {', '.join(PADDINGS)}, got {padding!r}")
    if padding == "valid":
        return 0, 0
    return dilation * (kernel[0] // 2), dilation * (kernel[1] // 2)


def sizes_after(
    shape: Shape, window: Window, attributes: Mapping[str, Any]
) -> tuple[IntArray, IntArray]:
    """Height and width of what windows with these attributes write, ``(N,)``.

    Raises:
        InputError: if a window is larger than the image with its padding.
    """
    dilation = int(attributes.get("dilation", 1))
    padded = padding_of((1, 1), attributes) is not None and attributes["padding"] == "same"
    sizes = []
    for size, kernel, stride in zip(shape[1:], window.kernel, window.stride, strict=True):
        border = dilation * (kernel // 2) if padded else 0
        reach = size + 2 * border - dilation * (kernel - 1) - 1
        if (reach < 0).any():
            raise InputError("a window is larger than the image that it reads")
        sizes.append(reach // stride + 1)
    return sizes[0], sizes[1]
