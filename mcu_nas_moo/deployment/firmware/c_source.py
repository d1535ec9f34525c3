"""C code of an int8 network: emx-onnx-cgen's, with own kernels and one planned arena.

emx-onnx-cgen writes the weights, the sequence of layers, and pooling. Convolutions, dense layers
and additions are those of ``kernels/``, put in through the generator's templates; and the
buffers of the generated function become places in one static arena.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import textwrap
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require
from mcu_nas_moo.deployment.firmware.arena import ArenaPlan, plan_arena, tensor_blocks
from mcu_nas_moo.deployment.firmware.onnx_graphs import attributes_of
from mcu_nas_moo.deployment.firmware.supported import check_supported

if TYPE_CHECKING:
    import onnx

#: Name of the generated function, and start of the names of its files.
MODEL = "mcu_nas_model"
#: The static array that holds all activations.
ARENA = "mcu_nas_arena"
#: Templates of the generator that ours replace.
_TEMPLATES = ("qgemm_op.c.j2", "qlinear_add_op.c.j2", "qlinear_conv_op.c.j2")


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
        InputError: if emx-onnx-cgen is not installed, or the network has a layer that it, or the
            kernels here, do not know, or a name that would end a comment of the code.
    """
    emx = require("emx_onnx_cgen", "firmware")
    version: str = require("emx_onnx_cgen._version", "firmware").__version__
    check_supported(model)
    _check_names(model)
    blocks = tensor_blocks(model)
    plan = plan_arena(blocks)
    with tempfile.TemporaryDirectory() as folder:
        templates = Path(folder)
        shutil.copytree(Path(str(emx.__file__)).parent / "templates", templates, dirs_exist_ok=True)
        replacements = files("mcu_nas_moo.deployment.firmware") / "templates"
        for name in _TEMPLATES:
            (templates / name).write_text((replacements / name).read_text("utf-8"), "utf-8")
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
            raise InputError(
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


def _check_names(model: onnx.ModelProto) -> None:
    """Raise an InputError for a name that the generator's comments cannot hold."""
    for node in model.graph.node:
        for name in (node.name, *node.input, *node.output):
            if not f"{name} ".isprintable() or "*/" in name:
                raise InputError(f"C code cannot hold the name {name!a} of the int8 network")


def _with_arena(code: str, model: onnx.ModelProto, plan: ArenaPlan) -> str:
    """Put the kernels before the layers, and every buffer of the model's function in the arena."""
    head, layers, body = _parts(code)
    weights = {item.name: item.dims for item in model.graph.initializer}
    offsets = plan.offsets
    places = {re.sub(r"[^0-9A-Za-z]", "_", name): name for name in offsets}
    if len(places) < len(offsets):
        raise InputError("two tensors of the int8 network have the same name in C; rename one")

    def place(match: re.Match[str]) -> str:
        buffer, first, rest = match.group("buffer", "first", "rest")
        tensor = places.get(re.sub(r"^tmp\d+_", "", buffer))
        if tensor is None or first != "1":
            raise InputError(f"emx-onnx-cgen made a buffer {buffer!r} that is not in the plan")
        at = offsets[tensor]
        return f"    int8_t (*const {buffer}){rest} = (void *)({ARENA} + {at});"

    body, count = re.subn(
        r"^    int8_t (?P<buffer>tmp\w+)\[(?P<first>\d+)\](?P<rest>[\[\]\d]+);$",
        place,
        body,
        flags=re.MULTILINE,
    )
    expected = len(model.graph.node) - 1
    if count != expected:
        raise InputError(f"emx-onnx-cgen made {count} buffers instead of {expected}")
    depthwise = sorted(
        {
            (shape[2], attributes.get("strides", [1])[0])
            for node in model.graph.node
            if node.op_type == "QLinearConv"
            for attributes in [attributes_of(node)]
            if attributes.get("group", 1) > 1
            for shape in [weights[node.input[3]]]
        }
    )
    lines = [
        '#include "kernels/convolution.h"',
        '#include "kernels/add.h"',
        "",
        *(f"MCU_NAS_DEPTHWISE({kernel}, {stride})" for kernel, stride in depthwise),
        "",
        f"extern int8_t {ARENA}[];",
        *(
            f"#define {name} ({ARENA} + {at})"
            for name, at in sorted(offsets.items())
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
        raise InputError(
            "emx-onnx-cgen's output has another form than expected; use its version "
            "in constraints.txt"
        )
    return code[:first], code[first:last], code[last:]


def _compact(data: str) -> str:
    """Several numbers on each line, where the generator writes one."""
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
