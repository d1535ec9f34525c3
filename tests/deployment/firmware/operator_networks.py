"""Networks of a few int8 operators: built, run by onnxruntime, and many compiled at once."""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING

import numpy as np
import onnx
from host_network import compile_for_host
from onnx import TensorProto, helper, numpy_helper

from mcu_nas_moo.deployment.export.int8_model import session
from mcu_nas_moo.deployment.firmware.c_source import generate_c

if TYPE_CHECKING:
    from pathlib import Path

OURS = "com.microsoft"


class Builder:
    """An int8 network under construction; every tensor is known by its name."""

    def __init__(self) -> None:
        self.nodes, self.constants, self.inputs = [], {}, {}

    def input(self, shape, name="x"):
        """An input; returns its name."""
        self.inputs[name] = tuple(shape)
        return name

    def constant(self, value):
        """A constant; returns its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def scaled(self, rng, low=0.01, high=0.1):
        """A random scale and zero point; returns their names."""
        scale = self.constant(np.float32(rng.uniform(low, high)))
        return scale, self.constant(np.int8(rng.integers(-128, 128)))

    def node(self, operator, inputs, domain="", **attributes):
        """One operator; returns the name of its output."""
        output = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, inputs, [output], f"{operator} {output}", domain=domain)
        )
        self.nodes[-1].attribute.extend(
            helper.make_attribute(name, value) for name, value in attributes.items()
        )
        return output

    def model(self) -> onnx.ModelProto:
        """The network, whose output is that of the last node, with the shapes of all tensors."""
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT8, shape)
            for name, shape in self.inputs.items()
        ]
        names = [node.output[0] for node in self.nodes]
        graph = helper.make_graph(
            self.nodes,
            "operators",
            inputs,
            [onnx.ValueInfoProto(name=name) for name in names],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        domains = [helper.make_opsetid("", 20), helper.make_opsetid(OURS, 1)]
        model = helper.make_model(graph, ir_version=9, opset_imports=domains)
        zeros = {name: np.zeros(shape, np.int8) for name, shape in self.inputs.items()}
        values = session(model).run(names, zeros)
        described = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in zip(names, values, strict=True)
        ]
        del graph.output[:]
        model.graph.CopyFrom(graph)
        del model.graph.output[:]
        model.graph.output.append(described[-1])
        model.graph.value_info.extend(described[:-1])
        return model


def random_bytes(model, rng):
    """Random inputs of a network: noise, or few different numbers, or the extremes."""
    ranges = [(-128, 128), (-128, 128), (-3, 4), (-128, -126), (126, 128)]
    low, high = ranges[rng.integers(len(ranges))]
    return {
        item.name: rng.integers(
            low, high, [d.dim_value for d in item.type.tensor_type.shape.dim]
        ).astype(np.int8)
        for item in model.graph.input
    }


def by_onnxruntime(model, inputs):
    """Output of a network."""
    return session(model).run(None, inputs)[0]


def compile_all(models, folder: Path):
    """A function for each network, from inputs to the output, all compiled as one library."""
    (folder / "kernels").mkdir()
    sources = [generate_c(model) for model in models]
    largest = max(source.plan.size for source in sources)
    parts = ["#include <stdint.h>", f"int8_t mcu_nas_arena[{largest}];"]
    seen: set[str] = set()
    for number, source in enumerate(sources):
        for name, text in source.kernels.items():
            (folder / "kernels" / name).write_text(text)
        code = source.code
        for line in re.findall(r"^MCU_NAS_\w+\(.*\)$", code, flags=re.MULTILINE):
            if line in seen:
                code = code.replace(line, "")
            seen.add(line)
        for text in (source.data, code):
            renamed = re.sub(r"\bweight(\d+)_", rf"network{number}_\1_", text)
            parts.append(renamed.replace("mcu_nas_model", f"network{number}"))
    (folder / "all.c").write_text("\n".join(parts))
    library = compile_for_host(folder, folder / "all.c")
    arena = np.ctypeslib.as_array((ctypes.c_int8 * largest).in_dll(library, "mcu_nas_arena"))

    def runner(number, source, model):
        def run(inputs):
            arena[:] = 77
            for name, values in inputs.items():
                at = source.plan.offsets[name]
                arena[at : at + values.size] = values.ravel()
            getattr(library, f"network{number}")()
            shape = [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
            at = source.output_offset
            return arena[at : at + int(np.prod(shape))].reshape(shape).copy()

        return run

    return [
        runner(number, source, model)
        for number, (source, model) in enumerate(zip(sources, models, strict=True))
    ]
