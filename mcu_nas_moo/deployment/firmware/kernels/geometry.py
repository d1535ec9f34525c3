"""Geometry of convolutions: which function computes one, and the memory that it works in.

The functions are those of ``convolution.h`` and ``depthwise.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcu_nas_moo.deployment.firmware.network import as_image

if TYPE_CHECKING:
    from mcu_nas_moo.deployment.firmware.network import Node

#: Depthwise kernels up to this height and width, and up to this stride, are compiled one by one.
_MAX_UNROLLED, _MAX_UNROLLED_STRIDE = 7, 2


class Sizes(NamedTuple):
    """Two sizes, of rows and of columns."""

    y: int
    x: int


class Geometry(NamedTuple):
    """Geometry of a QLinearConv node; a convolution of one dimension has heights of 1.

    Attributes:
        channels: inputs of each group.
        outputs: outputs of each group.
        padding: at the top and on the left.
    """

    groups: int
    channels: int
    outputs: int
    in_size: Sizes
    out_size: Sizes
    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    padding: Sizes

    @classmethod
    def of(cls, node: Node) -> Geometry:
        """Geometry of a QLinearConv.

        Raises:
            InputError: if it is none of one or two dimensions.
        """
        weights = node.constant(3)
        kernel, groups = weights.shape[2:], int(node.attributes.get("group", 1))
        channels, *in_size = as_image(node.shape(0))
        outputs, *out_size = as_image(node.output_shape)

        def sizes(name: str, default: int) -> Sizes:
            values = node.attributes.get(name, [default] * len(kernel))[: len(kernel)]
            return Sizes(*[default] * (2 - len(kernel)), *values)

        return cls(
            groups=groups,
            channels=channels // groups,
            outputs=outputs // groups,
            in_size=Sizes(*in_size),
            out_size=Sizes(*out_size),
            kernel=Sizes(*[1] * (2 - len(kernel)), *kernel),
            stride=sizes("strides", 1),
            dilation=sizes("dilations", 1),
            padding=sizes("pads", 0),
        )

    @property
    def pointwise(self) -> bool:
        """Whether it is a dense layer at every pixel."""
        return (
            self.groups == 1
            and self.kernel == self.stride == (1, 1)
            and self.out_size == self.in_size
        )

    @property
    def depthwise(self) -> bool:
        """Whether each output channel has an input channel of its own."""
        return self.groups > 1 and self.channels == self.outputs == 1

    @property
    def unrolled(self) -> bool:
        """Whether its kernel is compiled for its kernel size and stride."""
        return (
            self.depthwise
            and self.dilation == (1, 1)
            and max(self.kernel) <= _MAX_UNROLLED
            and self.stride.x <= _MAX_UNROLLED_STRIDE
        )

    @property
    def function(self) -> str:
        """The C function that computes it."""
        pixels = self.in_size.y * self.in_size.x
        if self.unrolled:
            return f"mcu_nas_depthwise_{self.kernel.y}x{self.kernel.x}s{self.stride.x}"
        if self.depthwise:
            return "mcu_nas_depthwise_any"
        if self.pointwise and pixels == 1:
            return "mcu_nas_dense"
        # A pointwise convolution loads four pixels at once.
        return "mcu_nas_pointwise" if self.pointwise and pixels > 3 else "mcu_nas_convolution"

    def scratch_bytes(self, simd: bool) -> int:
        """Bytes that it works in: a padded plane, or columns of four outputs.

        Args:
            simd: for a core with the DSP extension.
        """
        if self.depthwise:
            height, width = (
                (outputs - 1) * stride + (kernel - 1) * dilation + 1
                for outputs, stride, kernel, dilation in zip(
                    self.out_size, self.stride, self.kernel, self.dilation, strict=True
                )
            )
            return height * width
        fours = -(-self.channels * self.kernel.y * self.kernel.x // 4)
        if self.function == "mcu_nas_convolution":
            # Columns from a whole word on, and the values of one output.
            return 3 + (32 if simd else 16) * fours + 4 * fours
        return 3 + 32 * fours if simd and self.function == "mcu_nas_pointwise" else 0
