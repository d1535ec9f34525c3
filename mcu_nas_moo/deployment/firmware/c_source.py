"""C code of an int8 network: a sequence of calls of kernels, and their constants.

All activations lie in one static arena, at places that are planned before. Kernels that are not
used are not part of the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.firmware.arena import ArenaPlan, plan_arena, tensor_blocks
from mcu_nas_moo.deployment.firmware.c_writer import ARENA, NodeWriter
from mcu_nas_moo.deployment.firmware.kernels.register import check_kernels, kernel_of
from mcu_nas_moo.deployment.firmware.lowering import lower
from mcu_nas_moo.deployment.firmware.network import read_network

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import onnx

    from mcu_nas_moo.deployment.firmware.network import Node

#: Name of the generated function, and start of the names of its files.
MODEL = "mcu_nas_model"
#: Folder of the kernels beside the code.
KERNELS = "kernels"
#: What all kernels include.
_SHARED = "kernel.h"


@dataclass(frozen=True)
class CSource:
    """Generated C.

    Attributes:
        code: the function :data:`MODEL`, which runs the network on the arena.
        data: weights, quantisation parameters and tables.
        kernels: C code of the kernels, by the name of the file in the folder :data:`KERNELS`.
        plan: where each activation lies in the arena.
        input_offset: of the network's input in the arena, in bytes.
        output_offset: of its output.
        peak_layer: layer during which most memory is in use.
    """

    code: str
    data: str
    kernels: dict[str, str]
    plan: ArenaPlan
    input_offset: int
    output_offset: int
    peak_layer: str


def generate_c(model: onnx.ModelProto, simd: bool = True) -> CSource:
    """C code of ``model``, the inner part of an int8 network, see :class:`Int8Model`.

    Args:
        simd: with room in the arena for kernels that use the DSP extension; the code runs with it
            and without.

    Raises:
        InputError: if the network has a layer that no kernel computes, or a name that would end a
            comment of the code.
    """
    network = read_network(lower(model))
    check_kernels(network.nodes)
    _check_names(network.nodes)
    plan = plan_arena(tensor_blocks(network, simd))
    writers = [NodeWriter(number, node, plan) for number, node in enumerate(network.nodes)]
    calls = [
        kernel_of(node).code(node, writer)
        for node, writer in zip(network.nodes, writers, strict=True)
    ]
    kernels = _kernels(network.nodes)
    includes = [f'#include "{KERNELS}/{name}"' for name in kernels]
    instances = dict.fromkeys(line for writer in writers for line in writer.instances)
    body = [
        f"    /* {_comment(node)} */\n    {call}".rstrip()
        for node, call in zip(network.nodes, calls, strict=True)
    ]
    declarations = [line for writer in writers for line in writer.declarations]
    code = [
        *includes,
        "",
        *([*instances, ""] if instances else []),
        f"extern int8_t {ARENA}[];",
        *declarations,
        "",
        f"void {MODEL}(void) {{",
        *body,
        "}",
    ]
    definitions = [text for writer in writers for text in writer.definitions]
    return CSource(
        code="\n".join(code) + "\n",
        data="\n".join(["#include <stdint.h>", "", *definitions]) + "\n",
        kernels=kernels,
        plan=plan,
        input_offset=plan.offsets[network.inputs[0]],
        output_offset=plan.offsets[network.output],
        peak_layer=network.nodes[plan.peak].name.removesuffix("_quant"),
    )


def _check_names(nodes: Iterable[Node]) -> None:
    """Raise an InputError for a name that a comment cannot hold."""
    for node in nodes:
        for name in (node.name, *node.inputs, node.output):
            if not f"{name} ".isprintable() or "*/" in name:
                raise InputError(f"C code cannot hold the name {name!a} of the int8 network")


def _comment(node: Node) -> str:
    shapes = [node.shapes[name] for name in node.tensors]
    inputs = ", ".join(" x ".join(map(str, shape[1:])) for shape in shapes)
    output = " x ".join(map(str, node.output_shape[1:]))
    return f"{node.name}: {node.operator}, {inputs} to {output}"


def _kernels(nodes: Iterable[Node]) -> dict[str, str]:
    """Texts of the kernels that are used, by file name.

    Raises:
        InputError: if two files have one name, or one cannot be read.
    """
    shared = files("mcu_nas_moo.deployment.firmware.kernels") / _SHARED
    texts = {_SHARED: shared.read_text("utf-8")}
    places: dict[str, Path] = {}
    for node in nodes:
        for path in kernel_of(node).sources:
            if path.name == _SHARED or places.setdefault(path.name, path) != path:
                raise InputError(f"two kernels have a file {path.name}; rename {path}")
            try:
                texts[path.name] = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(
                    f"cannot read {path}, the C code of {node.operator} ({error})"
                ) from None
    return texts
