"""One network of a layer table as a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.operators import operator_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mcu_nas_moo.networks.layer import Layer

Module = TypeVar("Module", bound=nn.Module)


class SubnetModule(nn.Module):
    """The network that ``layers`` describe, see :meth:`LayerTable.layers`.

    Maps images ``(B, channels, height, width)`` to logits ``(B, classes)``.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.weighted = nn.ModuleDict()
        for layer in layers:
            operator = operator_of(layer.op)
            if operator.weighted:
                self.weighted[layer.key] = operator.module(layer)

    def module_of(self, layer: Layer) -> nn.Module:
        """The module that holds the weights of ``layer``."""
        return self.weighted[layer.key]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return run_layers(self.layers, x, self.run)

    def run(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        """The output of one layer for what it reads."""
        if layer.key in self.weighted:
            return activated(layer, self.weighted[layer.key](*inputs))
        return activated(layer, operator_of(layer.op).forward(layer, *inputs))


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
    run: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """Output of a network for the input ``x`` ``(B, channels, height, width)``.

    Args:
        layers: in order of execution, the last one writes the output.
        run: computes a layer, given that and what it reads.
    """
    tensors = {0: x}
    for layer in layers:
        tensors[layer.output] = run(layer, *(tensors[tensor] for tensor in layer.inputs))
    return tensors[layers[-1].output]


def activated(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    """What a layer makes of its sums."""
    return operator_of(layer.activation).forward(layer, x) if layer.activation else x
