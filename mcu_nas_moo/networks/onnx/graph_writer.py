"""An ONNX graph in the making."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.networks.layer import Layer

# Nodes that write vectors (batch, channels), whatever they read.
_FLAT = frozenset({"Flatten", "Gemm"})


class GraphWriter:
    """Nodes and constants, in order.

    Args:
        sizes: height and width of each tensor that layers write, by name.

    Attributes:
        inputs, output: names of the tensors of the layer that is being written.
        parameters: its ``weight`` and ``bias``, if it is a weighted one.
    """

    def __init__(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self._sizes = sizes
        self._flat: set[str] = set()
        self.inputs: Sequence[str] = ()
        self.output = ""
        self.parameters: Mapping[str, FloatArray] = {}

    def of_layer(
        self,
        inputs: Sequence[str],
        output: str,
        parameters: Mapping[str, FloatArray] | None = None,
    ) -> GraphWriter:
        """The same graph, for the nodes of one layer that reads and writes these tensors."""
        part = copy(self)  # nodes and constants are shared
        part.inputs, part.output, part.parameters = inputs, output, parameters or {}
        return part

    def node(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        name: str,
        **attributes: Any,
    ) -> str:
        """Add a node; returns its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(inputs), [output], name, **attributes))
        if op in _FLAT or (inputs[0] in self._flat and op != "Reshape"):
            self._flat.add(output)
        return output

    def constant(self, name: str, values: Any) -> str:
        """Add a constant, in float32 unless it is an integer array; returns its name."""
        from onnx import numpy_helper

        array = np.asarray(values)
        if array.dtype.kind == "f" or not isinstance(values, np.ndarray):
            array = array.astype(np.float32)
        self.initialisers.append(numpy_helper.from_array(array, name))
        return name

    def constants(self, layer: Layer, parameters: Mapping[str, FloatArray]) -> list[str]:
        """Add the parameters of a layer, in the order in which they are given."""
        return [self.constant(f"{layer.name}.{what}", array) for what, array in parameters.items()]

    def reshaped(self, tensor: str, output: str, shape: Sequence[int]) -> str:
        """``tensor`` in another shape, as ``output``; 0 keeps the size that it has there."""
        to = self.constant(f"{output}.shape", np.array(shape, dtype=np.int64))
        return self.node("Reshape", [tensor, to], output, f"{output}.reshape")

    def rank(self, tensor: str) -> int:
        """Number of axes: 2 for vectors (batch, channels), else 4."""
        return 2 if tensor in self._flat else 4

    def tokens(self, tensors: Sequence[str]) -> list[int]:
        """Number of positions in each tensor of a layer."""
        return [height * width for height, width in map(self._sizes.__getitem__, tensors)]
