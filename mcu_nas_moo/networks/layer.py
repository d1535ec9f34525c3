"""A layer: as a place in a topology, and as one of a network."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

#: What a layer is told beside its shapes, such as ("dilation", 2).
Attributes = tuple[tuple[str, int | float | str], ...]


class Op(StrEnum):
    """Names of the operators that the package brings; see :mod:`mcu_nas_moo.networks.operators`.

    ``ELEMENTWISE`` is a function of one tensor without a name here; ``COPY`` moves data and
    computes nothing, such as a transposition or a slice.
    """

    CONV = "conv"
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    ADD = "add"
    MUL = "mul"
    CONCAT = "concat"
    PAD = "pad"
    POOL = "pool"
    GLOBAL_POOL = "global_pool"
    RESIZE = "resize"
    ELEMENTWISE = "elementwise"
    COPY = "copy"
    TRANSPOSED_CONV = "transposed_conv"
    RELU = "relu"
    RELU6 = "relu6"
    HARD_SWISH = "hard_swish"
    HARD_SIGMOID = "hard_sigmoid"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    GELU = "gelu"
    SOFTMAX = "softmax"
    ZERO = "zero"
    LAYER_NORM = "layer_norm"
    MATMUL = "matmul"


class Slot(NamedTuple):
    """A place for a layer. Tensor 0 is the network input; slot ``l`` writes tensor ``l + 1``.

    Attributes:
        op: name of its operator.
        activation: ``relu`` or ``relu6``, computed within the layer; none if empty. Other functions
            are layers of their own.
        groups: of convolutions; a depthwise one has as many as input channels, whatever stands
            here.
        attributes: what else its operator wants to know.
    """

    name: str
    op: str
    inputs: tuple[int, ...]
    activation: str = ""
    groups: int = 1
    attributes: Attributes = ()


class Layer(NamedTuple):
    """One layer of one network, in plain integers.

    ``inputs`` and ``output`` are tensor numbers; kernel, stride and sizes are (height, width).
    Channels and size are those of the first input. Without the name it says all that a cost model
    needs to know.
    """

    name: str
    op: str
    inputs: tuple[int, ...]
    output: int
    activation: str
    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    in_size: tuple[int, int]
    out_size: tuple[int, int]
    groups: int = 1
    attributes: Attributes = ()

    @property
    def key(self) -> str:
        """The name without dots, as torch wants the names of parameters."""
        return self.name.replace(".", "_")
