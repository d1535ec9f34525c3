"""Reading ONNX graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Attributes of a node by name; those that are left out are not there."""
    from onnx import helper

    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def shapes_of(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Shapes of all activations by name."""
    graph = model.graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
