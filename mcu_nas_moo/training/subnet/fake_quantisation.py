"""Int8 arithmetic imitated in float32, so that weights can be trained for it.

The scheme is that of onnxruntime's static quantisation to ``QLinear`` operators: int8 weights,
symmetric with a scale per output channel; int8 activations, asymmetric with a scale per tensor;
an operator and its ReLU are one, so that only what comes out of the ReLU is quantised. Gradients
pass through the rounding as if it were not there, and not at all where a value was clipped
(straight-through estimator; Jacob et al., CVPR 2018). Biases are int32 in units of the product of
the scales, too fine a grid to imitate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.data.images import Images, Normalisation, resize
from mcu_nas_moo.networks.operators import operator_of
from mcu_nas_moo.networks.torch_layers import folded
from mcu_nas_moo.networks.torch_module import SubnetModule, run_layers
from mcu_nas_moo.training.subnet.weights import IMAGE
from mcu_nas_moo.training.supernet.supernet import EVALUATION_BATCH

if TYPE_CHECKING:
    from mcu_nas_moo.networks.layer import Layer

#: Least and greatest int8 of an activation, and of a weight: onnxruntime's are symmetric.
ACTIVATION_LIMITS, WEIGHT_LIMITS = (-128, 127), (-127, 127)
#: Weight of a new batch in the moving average of the ranges.
RANGE_MOMENTUM = 0.01


class NonFiniteRangeError(InputError):
    """Values that int8 should hold are infinite or not a number."""


def scale_and_zero_point(low: float, high: float) -> tuple[float, int]:
    """Int8 quantisation of a tensor with values from ``low`` to ``high``.

    A value is ``scale * (q - zero_point)``, with ``q`` in [-128, 127]. The range is widened to
    hold 0, which padding needs to be exact.

    Raises:
        NonFiniteRangeError: if a bound is not finite.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise NonFiniteRangeError(f"int8 cannot hold values from {low} to {high}")
    low, high = min(low, 0.0), max(high, 0.0)
    least, greatest = ACTIVATION_LIMITS
    scale = (high - low) / (greatest - least)
    if scale < np.finfo(np.float32).tiny:
        return 1.0, 0
    return float(np.float32(scale)), round(least - low / scale)


def fake_quantise(x: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """``x`` rounded to what int8 can hold of the range, with straight-through gradients."""
    scale, zero_point = scale_and_zero_point(low, high)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, *ACTIVATION_LIMITS)


def fake_quantise_weights(weights: torch.Tensor) -> torch.Tensor:
    """Weights ``(out channels, ...)`` rounded to int8, with straight-through gradients."""
    greatest = weights.detach().abs().flatten(1).amax(1)
    # Channels of nothing but zeros have any scale.
    scale = torch.where(greatest > 0, greatest / WEIGHT_LIMITS[1], 1.0)
    zero_points = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weights, scale, zero_points, 0, *WEIGHT_LIMITS)


def image_range(normalise: Normalisation) -> tuple[float, float]:
    """Range of the normalised pixels of all possible images."""
    bounds = [
        (pixel - mean) / std
        for mean, std in zip(normalise.mean, normalise.std, strict=True)
        for pixel in (0, 255)
    ]
    return min(bounds), max(bounds)


def known_ranges(
    normalise: Normalisation, learnt: dict[str, tuple[float, float]] | None
) -> dict[str, tuple[float, float]]:
    """Ranges that calibration images need not show: of the image, and those learnt if any."""
    return {IMAGE: image_range(normalise)} | (learnt or {})


class Int8Simulation(SubnetModule):
    """A float network as int8 arithmetic would compute it, sharing the weights of ``module``.

    Batch norms are folded with the statistics that they have, in training too. ``ranges`` are
    those of ``RetrainedSubnet``.

    Attributes:
        momentum: weight of each batch in the moving average of the ranges, which is taken in
            training mode; None widens them to hold every value.
    """

    def __init__(self, module: SubnetModule, ranges: dict[str, tuple[float, float]]) -> None:
        nn.Module.__init__(self)
        self.layers = module.layers
        self.weighted = module.weighted
        self.ranges = dict(ranges)
        self.momentum: float | None = RANGE_MOMENTUM
        self.train(module.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        image = fake_quantise(x, *self.ranges[IMAGE])
        return run_layers(self.layers, image, self.run)

    def run(self, layer: Layer, *inputs: torch.Tensor) -> torch.Tensor:
        """The fake-quantised output of one layer for fake-quantised inputs."""
        operator = operator_of(layer.op)
        if operator.weighted:
            weights, bias = folded(self.module_of(layer))
            weights = fake_quantise_weights(weights)
            if weights.ndim == 4:
                weights = weights.contiguous(memory_format=torch.channels_last)
            out = operator.linear(layer, inputs[0], weights, bias)
        else:
            out = operator.forward(layer, *inputs)
        if self.training:
            self._observe(layer, out.detach())
        # The ReLU is the clipping at the lower end of a range that begins at 0.
        return fake_quantise(out, *self.ranges[layer.name])

    def _observe(self, layer: Layer, out: torch.Tensor) -> None:
        least, greatest = (float(bound) for bound in out.aminmax())
        low = 0.0 if layer.activation else min(least, 0.0)
        high = max(greatest, 0.0)
        known_low, known_high = self.ranges.get(layer.name, (low, high))
        if self.momentum is None:
            low, high = min(low, known_low), max(high, known_high)
        else:
            low = known_low + self.momentum * (low - known_low)
            high = known_high + self.momentum * (high - known_high)
        self.ranges[layer.name] = (low, high)


@torch.no_grad()
def calibrated(module: SubnetModule, images: Images, normalise: Normalisation) -> Int8Simulation:
    """``module`` in int8, with ranges that hold every value seen for the given training images.

    Each batch is quantised by the ranges known so far, as in fake-quantised training.

    Raises:
        NonFiniteRangeError: if the network's values are not finite.
    """
    simulation = Int8Simulation(module, known_ranges(normalise, None))
    simulation.momentum = None
    simulation.training = True  # only here: the parts are those of the float network
    for batch in images.batches(EVALUATION_BATCH):
        simulation(resize(normalise(batch.pixels), module.layers[0].in_size[0]))
    simulation.training = False
    simulation.momentum = RANGE_MOMENTUM
    return simulation
