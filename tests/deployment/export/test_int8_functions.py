"""Networks of all operators in int8: nothing stays float, and nothing is lost."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

from mcu_nas_moo.deployment.export.quantise import quantise
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.table_builder import TableBuilder
from mcu_nas_moo.networks.torch_module import SubnetModule

FUNCTIONS = ["relu", "relu6", "hard_swish", "hard_sigmoid", "sigmoid", "tanh", "gelu"]


def both(net, images=24, seed=0):
    """Float and int8 outputs of a network with random weights, and the int8 network."""
    torch.manual_seed(seed)
    module = SubnetModule(net.table().layers()).eval()
    first = module.layers[0]
    rng = np.random.default_rng(seed)
    shape = (images, first.in_channels, *first.in_size)
    inputs = 3 * rng.standard_normal(shape, dtype=np.float32)
    model = quantise(to_onnx(module), inputs)
    run = onnxruntime.InferenceSession(model.SerializeToString()).run
    with torch.no_grad():
        expected = module(torch.from_numpy(inputs)).numpy()
    found = np.concatenate([run(None, {"image": image[None]})[0] for image in inputs])
    return expected, found, model


def step_of(model):
    """What one step of the int8 output stands for."""
    values = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    return float(values[model.graph.node[-1].input[1]])


def float_tensors(model):
    """Tensors within a network that are no int8, those inside of functions aside."""
    inferred = onnx.shape_inference.infer_shapes(model)
    kinds = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}
    found = []
    for node in model.graph.node:
        inside = node.op_type == "DequantizeLinear" or node.output[0].endswith(".float_output")
        if not inside and kinds.get(node.output[0], TensorProto.INT8) == TensorProto.FLOAT:
            found.append(node.name)
    return found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_within_a_step_or_two(function):
    net = TableBuilder(3, 6, 6)
    net.add(function, 0)
    expected, found, model = both(net)
    values = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    read = float(values[model.graph.node[0].input[1]])
    # Rounding of what is read, where functions are at most half as steep again, and of the result;
    # gelu is computed in five operators.
    written = (5 if function == "gelu" else 1) * step_of(model)
    assert np.abs(found - expected).max() <= 0.75 * read + 0.5 * written + 1e-5
    assert found.std() > 0.5 * expected.std()
    assert not float_tensors(model)


def everything():
    net = TableBuilder(3, 16, 16)
    x = net.add("conv", 0, channels=8, kernel=3, stride=2, activation="relu6")
    x = net.squeeze_and_excite(net.add("hard_swish", x), 4)
    pools = [net.add("pool", x, kernel=3, kind=kind) for kind in ("max", "average")]
    x = net.add("concat", *pools, x)
    x = net.add("conv", x, channels=8, kernel=3, dilation=2, groups=2, activation="relu")
    x = net.add("resize", net.add("resize", x, mode="bilinear"), mode="nearest")
    x = net.add("pool", net.add("pad", x, border=2), kernel=2, stride=2, padding="valid")
    x = net.add("add", net.add("conv", x, channels=8), net.add("mul", x, x))
    net.add("softmax", net.add("dense", net.add("global_pool", x), channels=5))
    return net


def test_all_operators_together():
    expected, found, model = both(everything())
    assert not float_tensors(model)
    operators = {node.op_type for node in model.graph.node}
    assert operators >= {"QLinearConcat", "QLinearMul", "QLinearAveragePool", "QLinearSoftmax"}
    assert operators >= {"MaxPool", "Resize", "Pad", "HardSwish", "HardSigmoid"}
    assert np.abs(found - expected).max() < 3 / 256


@pytest.mark.parametrize("first", ["max", "pad", "resize", "global_pool"])
def test_what_waits_for_an_int8_input_gets_one(first):
    net = TableBuilder(3, 8, 8)
    facts = {"max": {"kernel": 3, "kind": "max"}, "resize": {"factor": 2}}
    net.add({"max": "pool"}.get(first, first), 0, **facts.get(first, {}))
    expected, found, model = both(net)
    assert not float_tensors(model)
    assert np.abs(found - expected).max() <= 1.5 * step_of(model)


def branches():
    """A clamp whose input has another reader, too."""
    net = TableBuilder(3, 8, 8)
    x = net.add("conv", 0, channels=4, kernel=3)
    net.add("concat", x, net.add("relu", x))
    return net


def after_a_pool():
    """A clamp behind what hands its values on."""
    net = TableBuilder(3, 8, 8)
    net.add("relu6", net.add("pool", 0, kernel=3, kind="max"))
    return net


@pytest.mark.parametrize("network", [branches, after_a_pool], ids=lambda made: made.__name__)
def test_clamps_are_never_lost(network):
    expected, found, model = both(network())
    assert (expected < 0).any() == (found < -step_of(model)).any()
    assert np.abs(found - expected).max() <= 4 * step_of(model)


def test_the_registry_of_onnxruntime_is_left_as_it_was():
    from onnxruntime.quantization.registry import QLinearOpsRegistry

    before = dict(QLinearOpsRegistry)
    both(branches())
    assert before == QLinearOpsRegistry
