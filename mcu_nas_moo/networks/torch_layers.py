"""Torch modules that hold the weights of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from mcu_nas_moo.networks.layer import Layer


class ConvNorm(nn.Module):
    """A convolution without bias and its batch norm, which deployment folds into one layer."""

    def __init__(self, layer: Layer, padding: tuple[int, int], dilation: int = 1) -> None:
        super().__init__()
        self.conv: nn.Conv2d | nn.ConvTranspose2d = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            layer.stride,
            padding,
            dilation,
            groups=layer.groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(layer.out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.norm(self.conv(x))
        return out


class TransposedConvNorm(ConvNorm):
    """A transposed convolution without bias and its batch norm."""

    def __init__(
        self, layer: Layer, padding: tuple[int, int], output_padding: tuple[int, int]
    ) -> None:
        nn.Module.__init__(self)
        self.conv = nn.ConvTranspose2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            layer.stride,
            padding,
            output_padding,
            groups=layer.groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(layer.out_channels)


class DenseLayer(nn.Linear):
    """A dense layer of a whole tensor, or of the channels at every position."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer.in_channels, layer.out_channels)
        self._whole = layer.in_size == (1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._whole:
            return super().forward(x.flatten(1))
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ChannelNorm(nn.LayerNorm):
    """A layer norm of the channels at every position of (B, channels, height, width)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def folded(part: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and bias of a layer with its batch norm, of the statistics it has, folded in.

    Gradients reach the weights of both.
    """
    if not isinstance(part, ConvNorm):
        assert isinstance(part, nn.Linear | nn.LayerNorm)
        return part.weight, part.bias
    norm, weight = part.norm, part.conv.weight
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = norm.bias - norm.running_mean * scale
    if isinstance(part.conv, nn.ConvTranspose2d):  # (in channels, out channels of a group, ...)
        groups = part.conv.groups
        by_group = weight.reshape(groups, -1, *weight.shape[1:]) * scale.view(groups, 1, -1, 1, 1)
        return by_group.flatten(0, 1), bias
    return weight * scale[:, None, None, None], bias
