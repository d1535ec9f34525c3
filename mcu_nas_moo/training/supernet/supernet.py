"""The supernet: one set of weights that every subnet of its spaces uses a part of.

Subnets take the first channels of each layer and the centre of each depthwise kernel (BigNAS,
Yu et al., ECCV 2020). Training normalises each batch by its own statistics; a subnet that is
taken out has its batch norms recalibrated before it is evaluated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from mcu_nas_moo.data.images import Images, Normalisation, resize
from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.operators import operator_of
from mcu_nas_moo.networks.torch_layers import ConvNorm
from mcu_nas_moo.networks.torch_module import SubnetModule, activated, run_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Batch size of calibration and evaluation.
EVALUATION_BATCH = 256


class Supernet(nn.Module):
    """Shared weights, shaped by the layers of the largest network, which contains all others."""

    def __init__(self, largest: Sequence[Layer]) -> None:
        super().__init__()
        self.largest = tuple(largest)
        self.kernels = nn.ParameterDict()
        self.scales = nn.ParameterDict()
        self.shifts = nn.ParameterDict()
        last_in_block = {layer.inputs[1] for layer in largest if layer.op == Op.ADD}
        for layer in largest:
            if layer.op in (Op.CONV, Op.DEPTHWISE):
                kernel = torch.empty(
                    layer.out_channels, layer.in_channels // layer.groups, *layer.kernel
                )
                nn.init.kaiming_normal_(kernel, mode="fan_out")
                if layer.op == Op.DEPTHWISE:
                    nn.init.kaiming_normal_(kernel, mode="fan_in")
                # Residual blocks start as identities, which keeps deep subnets trainable.
                zero = layer.output in last_in_block
                scale = torch.zeros if zero else torch.ones
                self.scales[layer.key] = nn.Parameter(scale(layer.out_channels))
                self.shifts[layer.key] = nn.Parameter(torch.zeros(layer.out_channels))
                self.kernels[layer.key] = nn.Parameter(kernel)
            elif layer.op == Op.DENSE:
                kernel = torch.empty(layer.out_channels, layer.in_channels)
                nn.init.normal_(kernel, std=0.01)
                self.kernels[layer.key] = nn.Parameter(kernel)
                self.shifts[layer.key] = nn.Parameter(torch.zeros(layer.out_channels))

    def kernel_of(self, layer: Layer) -> torch.Tensor:
        """The part of the shared weights that ``layer`` uses."""
        shared: torch.Tensor = self.kernels[layer.key]
        if layer.op == Op.DENSE:
            return shared[:, : layer.in_channels]
        size = layer.kernel[0]
        margin = (shared.shape[-1] - size) // 2
        centre = slice(margin, margin + size)
        return shared[: layer.out_channels, : layer.in_channels // layer.groups, centre, centre]

    def forward(self, x: torch.Tensor, layers: Sequence[Layer]) -> torch.Tensor:
        """Logits of the subnet ``layers`` with batch statistics, for images ``x`` ``(B,3,H,W)``.

        The images are scaled to the resolution of the subnet.
        """
        return run_layers(layers, resize(x, layers[0].in_size[0]), self._run)

    def _run(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        operator = operator_of(layer.op)
        if not operator.weighted:
            return activated(layer, operator.forward(layer, *inputs))
        kernel, shift = self.kernel_of(layer), self.shifts[layer.key]
        if layer.op == Op.DENSE:
            return activated(layer, operator.linear(layer, inputs[0], kernel, shift))
        kernel = kernel.contiguous(memory_format=torch.channels_last)
        out = operator.linear(layer, inputs[0], kernel, None)
        scale, channels = self.scales[layer.key], layer.out_channels
        norm = F.batch_norm(out, None, None, scale[:channels], shift[:channels], True)
        return activated(layer, norm)

    @torch.no_grad()
    def subnet(self, layers: Sequence[Layer]) -> SubnetModule:
        """A module of its own with a copy of the subnet's weights; not yet recalibrated."""
        module = SubnetModule(layers)
        for layer in layers:
            if layer.op in (Op.CONV, Op.DEPTHWISE):
                target = module.module_of(layer)
                assert isinstance(target, ConvNorm)
                target.conv.weight.copy_(self.kernel_of(layer))
                target.norm.weight.copy_(self.scales[layer.key][: layer.out_channels])
                target.norm.bias.copy_(self.shifts[layer.key][: layer.out_channels])
            elif layer.op == Op.DENSE:
                dense = module.module_of(layer)
                assert isinstance(dense, nn.Linear)
                dense.weight.copy_(self.kernel_of(layer))
                dense.bias.copy_(self.shifts[layer.key])
        device = next(self.parameters()).device
        return module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@torch.no_grad()
def recalibrate(module: SubnetModule, images: Images, normalise: Normalisation) -> None:
    """Set the batch-norm statistics of ``module`` to those of the given training images.

    The images must be in random order: statistics are averaged over batches.
    """
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average over the batches
    module.train()
    for batch in images.batches(EVALUATION_BATCH):
        module(resize(normalise(batch.pixels), module.layers[0].in_size[0]))
    module.eval()


@torch.inference_mode()
def accuracy(module: SubnetModule, images: Images, normalise: Normalisation) -> float:
    """Share of ``images`` that ``module`` classifies correctly, in [0, 1]."""
    correct = 0
    for batch in images.batches(EVALUATION_BATCH):
        logits = module(resize(normalise(batch.pixels), module.layers[0].in_size[0]))
        correct += int((logits.argmax(1) == batch.targets).sum())
    return correct / len(images)
