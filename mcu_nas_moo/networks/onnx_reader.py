"""Layer tables of ONNX files: the layers that a runtime for microcontrollers would run in int8.

Float and quantised files are read alike. What such a runtime does not run on its own is fused into
its neighbour (batch norm, ReLU, padding, constant arithmetic after a convolution) or costs nothing
(reshaping, quantising); see ``fusion`` and
``layout``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import DamagedFileError, InputError
from mcu_nas_moo.common.files import reason_of
from mcu_nas_moo.networks.onnx.network import Network
from mcu_nas_moo.networks.onnx_fusion import fuse, to_table
from mcu_nas_moo.networks.operators import onnx_readers

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mcu_nas_moo.networks.layer_table import LayerTable
    from mcu_nas_moo.networks.onnx.graph import OnnxGraph

_HINTS = {
    "GRU": "recurrent layers are not modelled",
    "If": "export the network without control flow",
    "LSTM": "recurrent layers are not modelled",
    "Loop": "export the network without control flow",
    "RNN": "recurrent layers are not modelled",
    "Scan": "export the network without control flow",
}


def read_onnx(path: str | Path, input_shape: Sequence[int] | None = None) -> LayerTable:
    """Layer table (N = 1) of the network in an ONNX file, as deployed in int8.

    Shapes in the table are (height, width, channels). A sequence ``(1, C, W)`` has height 1, a
    vector ``(1, C)`` is a 1x1 image.

    Args:
        path: a float or int8-quantised network (QDQ or QOperator format) with one input.
        input_shape: shape of the input in the file's order of axes, with or without batch, such
            as ``(3, 96, 96)``; needed if the file leaves it open.

    Raises:
        InputError: if the file is no complete ONNX file, has more than one input, a batch other
            than 1 or open sizes, or holds an operator that is not supported. The message names
            the file, the cause, the node if there is one, and the remedy.
        OSError: if the file cannot be read.
    """
    # Late, because onnx takes a moment to import.
    from mcu_nas_moo.networks.onnx.graph import load_onnx

    path = Path(path)
    try:
        graph = load_onnx(path)
        readers = onnx_readers()
        _refuse_unsupported(graph, readers)
        graph.infer_shapes(input_shape)
        network = Network(graph)
        for node in graph.nodes:
            try:
                readers[node.op](network, node)
            except InputError:
                raise
            except Exception as error:  # onnx and numpy raise many kinds
                raise InputError(
                    f"{node} lacks inputs or attributes, or is out of order"
                ) from error
        steps, outputs = fuse(network.steps, network.outputs)
        return to_table(steps, graph.input, outputs)
    except OSError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        problem = f"damaged, or not valid ONNX ({reason_of(error)})"
        raise DamagedFileError(f"{path}: {problem}") from error


def _refuse_unsupported(graph: OnnxGraph, known: Collection[str]) -> None:
    for node in graph.nodes:
        if node.op not in known:
            hint = f" ({_HINTS[node.op]})" if node.op in _HINTS else ""
            raise InputError(
                f"operator {node} is not supported{hint}; docs/cost-model.md lists those that are"
            )
