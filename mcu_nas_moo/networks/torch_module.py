"""One network of a layer table as a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from mcu_nas_moo.networks.layer_table import Layer, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ConvNorm(nn.Module):
    """A convolution without bias and its batch norm, which deployment folds into one layer."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            layer.stride,
            (layer.kernel[0] // 2, layer.kernel[1] // 2),
            groups=layer.groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(layer.out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.norm(self.conv(x))
        return out


class SubnetModule(nn.Module):
    """The network that ``layers`` describe, see :meth:`LayerTable.layers`.

    Maps images ``(B, channels, height, width)`` to logits ``(B, classes)``.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.weighted = nn.ModuleDict()
        for layer in layers:
            if layer.op in (Op.CONV, Op.DEPTHWISE):
                self.weighted[layer.key] = ConvNorm(layer)
            elif layer.op is Op.DENSE:
                self.weighted[layer.key] = nn.Linear(layer.in_channels, layer.out_channels)

    def module_of(self, layer: Layer) -> nn.Module:
        """The module that holds the weights of ``layer``."""
        return self.weighted[layer.key]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return run_layers(self.layers, x, lambda layer, x: self.weighted[layer.key](x))


def run_layers(
    layers: Sequence[Layer],
    x: torch.Tensor,
    weighted: Callable[[Layer, torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Output of a network for the input ``x`` ``(B, channels, height, width)``.

    Args:
        layers: in order of execution, the last one writes the output.
        weighted: computes the layers that have weights, without their activation.
    """
    tensors = {0: x}
    for layer in layers:
        first = tensors[layer.inputs[0]]
        if layer.op is Op.ADD:
            out = first + tensors[layer.inputs[1]]
        elif layer.op is Op.GLOBAL_POOL:
            out = first.mean(dim=(2, 3))
        else:
            out = weighted(layer, first)
        tensors[layer.output] = F.relu(out) if layer.relu else out
    return tensors[layers[-1].output]
