"""The network that is being read: steps found so far, and how its tensors are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx.layout import Layout, View
from mcu_nas_moo.networks.onnx.step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.networks.onnx.graph import OnnxGraph
    from mcu_nas_moo.networks.onnx.nodes import OnnxNode

FREE = frozenset(
    {"Cast", "CastLike", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
)
GLOBAL_POOLS = frozenset({"GlobalAveragePool", "GlobalMaxPool"})
POOLS = frozenset({"AveragePool", "LpPool", "MaxPool"})
# These say where they expect the channels; a tensor of unclear layout is meant as they read it.
READ_CHANNELS_FIRST = (
    POOLS
    | GLOBAL_POOLS
    | {"BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "SpaceToDepth"}
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
            raise InputError(f"{node}: {what} must be constant")
        return self.graph.dims(node.inputs[place])

    def add(
        self,
        node: OnnxNode,
        op: str,
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


def transposed_order(node: OnnxNode, rank: int) -> list[int]:
    """New order of the axes that a Transpose gives; by default the reverse."""
    return list(node.attribute("perm", range(rank)[::-1]))
