"""Small ONNX files, written in few words."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def node(op, inputs, outputs, name="", domain="", **attributes):
    """A node; ``inputs`` and ``outputs`` are names with spaces between them, ``_`` is none."""
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(op, names, outputs.split(), name, domain=domain, **attributes)


def constant(name, value):
    """An initialiser of given shape (a tuple) or value (an array)."""
    array = np.zeros(value, np.float32) if isinstance(value, tuple) else np.asarray(value)
    return numpy_helper.from_array(array, name)


def model(nodes, inputs, constants, outputs=None, opset=17):
    """A model; the outputs are those of the last node unless given."""
    outputs = outputs or list(nodes[-1].output[:1])
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [constant(name, value) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets)


def save(path, nodes, x=(1, 3, 8, 8), constants=None, **facts):
    """Write a model with one input, ``x``."""
    onnx.save(model(nodes, {"x": x}, constants or {}, **facts), path)
    return path


CONV = node("Conv", "x w b", "c", "conv", pads=[1, 1, 1, 1])
WEIGHTS = {"w": (4, 3, 3, 3), "b": (4,)}
SAME = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


def pads(*before_and_after):
    """Constant of a Pad node, named ``p``."""
    return {"p": np.array(before_and_after, np.int64)}


def ops(layers):
    return [layer.op for layer in layers]


def summary(layer):
    """What a layer does to which shapes, (height, width, channels)."""
    return (
        layer.op,
        (*layer.in_size, layer.in_channels),
        (*layer.out_size, layer.out_channels),
        layer.kernel,
        layer.stride,
    )


def mobilenet_v1(width=0.25, size=96, classes=2):
    """MobileNetV1 (Howard et al. 2017, Table 1) and, apart from it, its MACs and parameters."""
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]
    blocks += [(1024, 2), (1024, 1)]
    channels, macs, parameters = int(32 * width), 0, 0
    nodes, constants, source = [], {}, "x"

    def conv(weights, stride, group):
        nonlocal source, size, macs, parameters
        name = f"n{len(nodes)}"
        border = weights[2] // 2
        constants[f"{name}.w"] = weights
        nodes.append(
            node(
                *("Conv", f"{source} {name}.w", name, name),
                pads=[border] * 4,
                strides=[stride, stride],
                group=group,
            )
        )
        for part in "stmv":
            constants[f"{name}.{part}"] = weights[:1]
        norm = " ".join(f"{name}.{part}" for part in "stmv")
        nodes.append(node("BatchNormalization", f"{name} {norm}", f"{name}.n"))
        nodes.append(node("Relu", f"{name}.n", f"{name}.r"))
        source = f"{name}.r"
        size = (size + stride - 1) // stride
        macs += int(np.prod(weights)) * size**2
        parameters += int(np.prod(weights)) + weights[0]

    conv((channels, 3, 3, 3), 2, 1)
    for out, stride in blocks:
        conv((channels, 1, 3, 3), stride, channels)
        conv((int(out * width), channels, 1, 1), 1, 1)
        channels = int(out * width)
    constants |= {"fc": (classes, channels), "fb": (classes,)}
    nodes += [
        node("GlobalAveragePool", source, "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f fc fb", "y", "fc", transB=1),
    ]
    return nodes, constants, macs + channels * classes, parameters + channels * classes + classes
