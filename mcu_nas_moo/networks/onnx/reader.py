"""Layer tables of ONNX files: the layers that a runtime for microcontrollers would run in int8.

Float and quantised files are read alike. What such a runtime does not run on its own is fused into
its neighbour (batch norm, ReLU, padding, constant arithmetic after a convolution) or costs nothing
(reshaping, quantising); see ``fusion`` and
``layout``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.networks.layer_table import Op
from mcu_nas_moo.networks.onnx.fusion import Step, fuse, to_table
from mcu_nas_moo.networks.onnx.layout import Layout, View
from mcu_nas_moo.networks.onnx.operators import (
    FREE,
    HANDLERS,
    READ_CHANNELS_FIRST,
    transposed_order,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.networks.layer_table import LayerTable
    from mcu_nas_moo.networks.onnx.graph import OnnxGraph
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode

_HINTS = {
    "ConvTranspose": "use Resize followed by Conv",
    "GRU": "recurrent layers are not modelled",
    "If": "export the network without control flow",
    "LSTM": "recurrent layers are not modelled",
    "Loop": "export the network without control flow",
    "RNN": "recurrent layers are not modelled",
    "Scan": "export the network without control flow",
}

# What onnx and numpy raise on files that break the rules of ONNX.
_DAMAGE = (AttributeError, IndexError, KeyError, NotImplementedError, OverflowError, TypeError)


def read_onnx(path: str | Path, input_shape: Sequence[int] | None = None) -> LayerTable:
    """Layer table (N = 1) of the network in an ONNX file, as deployed in int8.

    Shapes in the table are (height, width, channels). A sequence ``(1, C, W)`` has height 1, a
    vector ``(1, C)`` is a 1x1 image.

    Args:
        path: a float or int8-quantised network (QDQ or QOperator format) with one input.
        input_shape: shape of the input in the file's order of axes, with or without batch, such
            as ``(3, 96, 96)``; needed if the file leaves it open.

    Raises:
        ValueError: if the file is no complete ONNX file, has more than one input, a batch other
            than 1 or open sizes, or holds an operator that is not supported. The message names
            the file, the cause, the node if there is one, and the remedy.
        OSError: if the file cannot be read.
    """
    # Late, because onnx takes a moment to import.
    from mcu_nas_moo.networks.onnx.graph import load_onnx

    path = Path(path)
    try:
        graph = load_onnx(path)
        _refuse_unsupported(graph)
        graph.infer_shapes(input_shape)
        network = Network(graph)
        for node in graph.nodes:
            try:
                HANDLERS[node.op](network, node)
            except _DAMAGE as error:
                raise ValueError(
                    f"{node} lacks inputs or attributes, or is out of order"
                ) from error
        steps, outputs = fuse(network.steps, network.outputs)
        return to_table(steps, graph.input, outputs)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except _DAMAGE as error:
        raise ValueError(f"{path}: damaged, or not valid ONNX ({error})") from error


def _refuse_unsupported(graph: OnnxGraph) -> None:
    for node in graph.nodes:
        if node.op not in HANDLERS:
            hint = f" ({_HINTS[node.op]})" if node.op in _HINTS else ""
            raise ValueError(
                f"operator {node} is not supported{hint}; docs/cost-model.md lists those that are"
            )


class Network:
    """Steps found so far, and under which views the tensors are known."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.graph = graph
        self.steps: list[Step] = []
        self._readers: dict[str, list[OnnxNode]] = {}
        for node in graph.nodes:
            for name in dict.fromkeys(node.inputs):
                self._readers.setdefault(name, []).append(node)
        dims = graph.dims(graph.input)
        self._views = {graph.input: View(graph.input, dims, self.layout_by_readers(graph.input))}

    @property
    def outputs(self) -> list[str]:
        """Tensors that the application reads."""
        outputs = [name for name in self.graph.outputs if not self.graph.is_constant(name)]
        return [self._views[name].tensor for name in outputs]

    def view(self, name: str, layout: Layout | None = None, node: OnnxNode | None = None) -> View:
        """A tensor as ``node`` reads it; a step that transposes it is added if need be."""
        view = self._views[name]
        if layout is None or node is None:
            return view
        renamed = view.renamed(layout)
        if renamed is None:
            tensor = f"{view.tensor}.transposed for {node.name}"
            renamed = View(tensor, view.dims, layout)
            step = Step(
                f"{node.name}.transpose", Op.COPY, [view.tensor], tensor, view.shape, renamed.shape
            )
            self.steps.append(step)
        return renamed

    def activations(self, node: OnnxNode) -> list[View]:
        """All inputs that are not constant."""
        return [
            self._views[name] for name in node.inputs if name and not self.graph.is_constant(name)
        ]

    def constant_dims(self, node: OnnxNode, place: int, what: str) -> tuple[int, ...]:
        """Shape of the input at ``place``, which must be constant."""
        if len(node.inputs) <= place or not self.graph.is_constant(node.inputs[place]):
            raise ValueError(f"{node}: {what} must be constant")
        return self.graph.dims(node.inputs[place])

    def add(
        self,
        node: OnnxNode,
        op: Op,
        views: Sequence[View],
        layout: Layout | None = None,
        output: str | None = None,
        **facts: Any,
    ) -> View:
        """Add a step that writes ``output``, the node's first unless given, in ``layout``."""
        output = output or node.outputs[0]
        first = views[0]
        out = View(output, self.graph.dims(output), layout or first.layout)
        name = node.name if output == node.outputs[0] else output
        inputs = [view.tensor for view in views]
        self.steps.append(Step(name, op, inputs, output, first.shape, out.shape, **facts))
        self._views[output] = out
        return out

    def pass_on(self, node: OnnxNode, view: View, output: str | None = None) -> None:
        """Let an output be the tensor of ``view`` under the shape that the graph gives it."""
        output = output or node.outputs[0]
        dims = self.graph.dims(output)
        if dims == view.dims:
            self._views[output] = view
            return
        same = View(view.tensor, dims, view.layout)
        unclear = min(len(dims), len(view.dims)) < 3 or same.shape.channels != view.shape.channels
        layout = self.layout_by_readers(output, view.layout) if unclear else view.layout
        self._views[output] = same._replace(layout=layout)

    def set_view(self, name: str, view: View) -> None:
        self._views[name] = view

    def layout_by_readers(self, name: str, default: Layout = Layout.CHANNELS_FIRST) -> Layout:
        """Layout that the first reader that cares expects, or ``default`` if none does."""
        return self._expected(name, set()) or default

    def _expected(self, name: str, seen: set[str]) -> Layout | None:
        if name in seen:
            return None
        seen.add(name)
        for node in self._readers.get(name, ()):
            layout = None
            if node.op in READ_CHANNELS_FIRST:
                layout = Layout.CHANNELS_FIRST
            elif node.op == "MatMul":
                layout = Layout.CHANNELS_LAST
            elif node.op == "Transpose":
                layout = self._expected_before(node, seen)
            elif node.op not in FREE or self.graph.dims(node.outputs[0]) == self.graph.dims(name):
                layout = self._expected(node.outputs[0], seen)
            if layout is not None:
                return layout
        return None

    def _expected_before(self, node: OnnxNode, seen: set[str]) -> Layout | None:
        """Layout that makes a transposition free, given what is expected behind it."""
        after = self._expected(node.outputs[0], seen)
        dims = self.graph.dims(node.inputs[0])
        for layout in Layout:
            view = View("", dims, layout).transposed(transposed_order(node, len(dims)))
            if view is not None and after in (None, view.layout):
                return layout
        return None
