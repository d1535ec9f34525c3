"""One network of a layer table as a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
import torch.nn.functional as F
from torch import nn

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer_table import Layer, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Module = TypeVar("Module", bound=nn.Module)


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


def folded(part: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and bias of a layer with its batch norm, of the statistics it has, folded in.

    Gradients reach the weights of both.
    """
    if not isinstance(part, ConvNorm):
        assert isinstance(part, nn.Linear)
        return part.weight, part.bias
    norm = part.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return part.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


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


def with_weights(build: Callable[[], Module], state: Mapping[str, torch.Tensor]) -> Module:
    """The module that ``build`` makes with the weights of a file, ``state``.

    It is made without memory of its own: a damaged file may tell of a network of any size.

    Raises:
        InputError: if a weight is missing, of another shape or type, or too many.
    """
    with torch.device("meta"):
        module = build()
    for name, expected in module.state_dict().items():
        if name in state and state[name].dtype != expected.dtype:
            raise InputError(f"weights {name} are {state[name].dtype}, not {expected.dtype}")
    try:
        module.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise InputError(str(error)) from error
    return module


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
