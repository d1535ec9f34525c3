"""C code of an int8 network: emx-onnx-cgen's, with own convolutions and one planned arena.

emx-onnx-cgen writes the weights, the sequence of layers and every layer that is not a convolution.
Convolutions are those of ``sources/kernels.h``, put in through the generator's template of
QLinearConv; and the buffers of the generated function become places in one static arena.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.extras import require
from mcu_nas_moo.firmware.arena import ArenaPlan, Tensor, plan_arena

if TYPE_CHECKING:
    import onnx

#: Name of the generated function, and start of the names of its files.
MODEL = "mcu_nas_model"
#: The static array that holds all activations.
ARENA = "mcu_nas_arena"
_TEMPLATE = "qlinear_conv_op.c.j2"


@dataclass(frozen=True)
class CSource:
    """Generated C.

    Attributes:
        code: layers and the function :data:`MODEL`, which runs them.
        data: weights and quantisation parameters.
        plan: where each activation lies in the arena.
        input_offset: of the network's input in the arena, in bytes.
        output_offset: of its output.
        peak_layer: layer during which most memory is in use.
        generator: name and version of the code generator.
    """

    code: str
    data: str
    plan: ArenaPlan
    input_offset: int
    output_offset: int
    peak_layer: str
    generator: str


def generate_c(model: onnx.ModelProto) -> CSource:
    """C code of ``model``, the inner part of an int8 network, see :class:`Int8Model`.

    Raises:
        ValueError: if emx-onnx-cgen is not installed, or the network has a layer that it, or the
            kernels here, do not know.
    """
    emx = require("emx_onnx_cgen", "firmware")
    version: str = require("emx_onnx_cgen._version", "firmware").__version__
    _check(model)
    blocks = tensor_blocks(model)
    plan = plan_arena(blocks)
    with tempfile.TemporaryDirectory() as folder:
        templates = Path(folder)
        shutil.copytree(Path(str(emx.__file__)).parent / "templates", templates, dirs_exist_ok=True)
        with as_file(files("mcu_nas_moo.firmware") / "templates" / _TEMPLATE) as own:
            shutil.copy(own, templates / _TEMPLATE)
        options = require("emx_onnx_cgen.compiler", "firmware").CompilerOptions(
            template_dir=templates,
            model_name=MODEL,
            restrict_arrays=False,  # layers that work in place have one address for two arrays
            large_temp_threshold_bytes=0,
            large_weight_threshold=0,
        )
        try:
            code, data = emx.Compiler(options).compile_with_data_file(model)
        except (emx.CodegenError, emx.UnsupportedOpError, emx.ShapeInferenceError) as error:
            raise ValueError(
                f"emx-onnx-cgen {version} cannot compile the network: {error}"
            ) from error
    graph = model.graph
    return CSource(
        _with_arena(code, model, plan),
        _compact(data),
        plan,
        plan.offsets[graph.input[0].name],
        plan.offsets[graph.output[0].name],
        graph.node[plan.peak].name.removesuffix("_quant"),
        f"emx-onnx-cgen {version}",
    )


def tensor_blocks(model: onnx.ModelProto) -> list[list[Tensor]]:
    """Tensors of a network by lifetime; those of one list start at the same address.

    Steps are the nodes. The input is there before the first, the output after the last. Depthwise
    convolutions, additions and reshapes write over an input that nothing reads after them;
    depthwise convolutions also need room for one padded plane.
    """
    graph = model.graph
    sizes = _tensor_sizes(model)
    last = {name: step for step, node in enumerate(graph.node) for name in node.input}
    last[graph.output[0].name] = len(graph.node)
    blocks = {graph.input[0].name: [_tensor(graph.input[0].name, sizes, -1, last)]}
    block_of = {graph.input[0].name: graph.input[0].name}
    for step, node in enumerate(graph.node):
        output = node.output[0]
        tensor = _tensor(output, sizes, step, last)
        block_of[output] = output
        for name in _replaceable_inputs(model, node):
            if last[name] == step and sizes[output] <= sizes[name]:
                block_of[output] = block_of[name]
                break
        blocks.setdefault(block_of[output], []).append(tensor)
        scratch = _scratch_size(model, node)
        if scratch:
            name = scratch_name(step, node.name)
            blocks[name] = [Tensor(name, scratch, step, step)]
    return list(blocks.values())


def scratch_name(step: int, node: str) -> str:
    """What the C code calls the scratch memory of a node."""
    return f"node{step}_{re.sub(r'[^0-9A-Za-z]', '_', node)}_scratch"


def _tensor(name: str, sizes: dict[str, int], first: int, last: dict[str, int]) -> Tensor:
    return Tensor(name, sizes[name], first, last.get(name, first))


def _replaceable_inputs(model: onnx.ModelProto, node: onnx.NodeProto) -> list[str]:
    """Inputs that the output of ``node`` may overwrite."""
    if node.op_type in ("Flatten", "Reshape"):
        return [node.input[0]]
    if node.op_type == "QLinearAdd":
        return [node.input[0], node.input[3]]
    if node.op_type == "QLinearConv" and _attributes(node).get("group", 1) > 1:
        return [node.input[0]]
    return []


def _scratch_size(model: onnx.ModelProto, node: onnx.NodeProto) -> int:
    """Bytes of the padded plane of a depthwise convolution; 0 for other nodes."""
    attributes = _attributes(node)
    if node.op_type != "QLinearConv" or attributes.get("group", 1) == 1:
        return 0
    height, width = _shapes(model)[node.input[0]][2:]
    border: int = 2 * attributes["pads"][0]
    return (height + border) * (width + border)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    from onnx import helper

    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    graph = model.graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def _tensor_sizes(model: onnx.ModelProto) -> dict[str, int]:
    """Bytes of every activation; all are int8."""
    return {name: int(np.prod(shape)) for name, shape in _shapes(model).items()}


def _check(model: onnx.ModelProto) -> None:
    """Raise a ValueError for what the kernels do not compute."""
    from onnx import numpy_helper

    constants = {item.name: item for item in model.graph.initializer}
    shapes = _shapes(model)
    for node in model.graph.node:
        for name in node.output:
            if name not in shapes:
                raise ValueError(f"the int8 network does not tell the shape of tensor {name!r}")
        if node.op_type != "QLinearConv":
            continue
        attributes = _attributes(node)
        height, width = attributes["kernel_shape"]
        groups, channels = attributes.get("group", 1), shapes[node.input[0]][1]
        problem = None
        if height != width or len(set(attributes.get("strides", [1]))) != 1:
            problem = "kernel and stride are not square"
        elif len(set(attributes["pads"])) != 1:
            problem = "it pads the sides differently"
        elif set(attributes.get("dilations", [1])) != {1}:
            problem = "it is dilated"
        elif groups not in (1, channels) or (groups > 1 and shapes[node.output[0]][1] != channels):
            problem = f"it has {groups} groups for {channels} channels"
        elif numpy_helper.to_array(constants[node.input[5]]).any():
            problem = "its weights have a zero point"
        elif len(node.input) < 9:
            problem = "it has no bias"
        if problem:
            raise ValueError(f"convolution {node.name!r} cannot become firmware: {problem}")


def _with_arena(code: str, model: onnx.ModelProto, plan: ArenaPlan) -> str:
    """Put the kernels before the layers, and every buffer of the model's function in the arena."""
    head, layers, body = _parts(code)
    offset = dict(plan.offsets)
    places = {re.sub(r"[^0-9A-Za-z]", "_", name): name for name in offset}

    def place(match: re.Match[str]) -> str:
        buffer, first, rest = match.group("buffer", "first", "rest")
        tensor = places.get(re.sub(r"^tmp\d+_", "", buffer))
        if tensor is None or first != "1":
            raise ValueError(f"emx-onnx-cgen made a buffer {buffer!r} that is not in the plan")
        at = offset[tensor]
        return f"    int8_t (*const {buffer}){rest} = (void *)({ARENA} + {at});"

    body, count = re.subn(
        r"^    int8_t (?P<buffer>tmp\w+)\[(?P<first>\d+)\](?P<rest>[\[\]\d]+);$",
        place,
        body,
        flags=re.MULTILINE,
    )
    expected = len(model.graph.node) - 1
    if count != expected:
        raise ValueError(f"emx-onnx-cgen made {count} buffers instead of {expected}")
    depthwise = sorted(
        {
            (attributes["kernel_shape"][0], attributes.get("strides", [1])[0])
            for node in model.graph.node
            if node.op_type == "QLinearConv"
            for attributes in [_attributes(node)]
            if attributes.get("group", 1) > 1
        }
    )
    lines = [
        '#include "kernels.h"',
        "",
        *(f"MCU_NAS_DEPTHWISE({kernel}, {stride})" for kernel, stride in depthwise),
        "",
        f"extern int8_t {ARENA}[];",
        *(
            f"#define {name} ({ARENA} + {at})"
            for name, at in sorted(offset.items())
            if name.endswith("_scratch")
        ),
        "",
    ]
    return head + "\n".join(lines) + layers + body


def _parts(code: str) -> tuple[str, str, str]:
    """The code up to the first layer, the layers, and the function that calls them."""
    first = code.find("/*\n * Node 0:")
    last = code.find(f"void {MODEL}(", first)
    if first < 0 or last < 0:
        raise ValueError(
            "emx-onnx-cgen's output has another form than expected; use its version "
            "in constraints.txt"
        )
    return code[:first], code[first:last], code[last:]


def _compact(data: str) -> str:
    """Several numbers on each line, where the generator writes one."""
    import textwrap

    lines: list[str] = []
    for part in re.split(r"(?<=;)\n", data):
        if "= {" in part and len(part) > 400:
            start = part.index("= {")
            lead, values = part[:start], re.sub(r"\s+", "", part[start:])
            values = re.sub(r",(?=[}])", "", values).replace(",", ", ").replace("={", "= {\n", 1)
            head, _, numbers = values.partition("\n")
            lines.append(lead + head + "\n" + "\n".join(textwrap.wrap(numbers, 98)))
        else:
            lines.append(part)
    return "\n".join(lines)
