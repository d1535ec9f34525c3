"""The operator table: networks of every operator against torch, ONNX and counting by hand."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks import operators
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.networks.onnx_reader import read_onnx
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.operators import Operator, known_operators, operator_of, register
from mcu_nas_moo.networks.table_builder import TableBuilder
from mcu_nas_moo.networks.torch_module import SubnetModule

FUNCTIONS = ["relu", "relu6", "hard_swish", "hard_sigmoid", "sigmoid", "tanh", "gelu", "softmax"]


def module_of(table, seed=0):
    """A module with norms as after training."""
    torch.manual_seed(seed)
    module = SubnetModule(table.layers()).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d | nn.LayerNorm):
            part.weight.data.uniform_(0.5, 2)
            part.bias.data.normal_(0, 0.5)
        if isinstance(part, nn.BatchNorm2d):
            part.running_var.uniform_(0.5, 2)
            part.running_mean.normal_(0, 0.5)
    return module


def counted_macs(module, image):
    """MACs as torch runs them, products of two activations aside."""
    macs = []

    def count(layer, inputs, output):
        positions = inputs if isinstance(layer, nn.ConvTranspose2d) else [output]
        macs.append(positions[0].numel() * layer.weight[0].numel())

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    module(image)
    return sum(macs)


def check(table, tmp_path, products=0, layers=True):
    """Shapes, MACs and figures agree between table, torch and ONNX."""
    module = module_of(table)
    first, last = module.layers[0], module.layers[-1]
    image = torch.randn(2, first.in_channels, *first.in_size, generator=torch.Generator())
    with torch.no_grad():
        expected = module(image)
        assert expected.shape[1] == last.out_channels
        assert tuple(expected.shape[2:] or (1, 1)) == last.out_size
        assert counted_macs(module, image[:1]) + products == table.macs.sum()
    model = to_onnx(module)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {"image": image.numpy()})
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4 * np.abs(expected).max())
    onnx.save(model, tmp_path / "n.onnx")
    read = read_onnx(tmp_path / "n.onnx")
    assert read.macs.sum() == table.macs.sum()
    assert read.weights.sum() == table.weights.sum()
    assert read.biases.sum() == table.biases.sum()
    if layers:
        assert [layer.op for layer in read.layers()] == [layer.op for layer in table.layers()]
        np.testing.assert_array_equal(read.tensor_elements, table.tensor_elements)
    return read


@pytest.mark.parametrize(
    "facts",
    [
        {"kernel": 3, "stride": 2, "activation": "relu"},
        {"kernel": (1, 5), "activation": "relu6"},
        {"kernel": 3, "dilation": 2},
        {"kernel": 3, "padding": "valid"},
        {"kernel": 3, "groups": 2},
        {"kernel": (3, 5), "stride": (2, 1), "dilation": 2, "groups": 2},
    ],
    ids=str,
)
def test_convolutions(facts, tmp_path):
    net = TableBuilder(4, 13, 11)
    net.add("dense", net.add("conv", 0, channels=8, **facts), channels=3)
    check(net.table(), tmp_path)


def test_one_dimension(tmp_path):
    net = TableBuilder(5, 1, 40)
    x = net.add("conv", 0, channels=8, kernel=(1, 7), stride=(1, 2), activation="relu")
    x = net.separable(x, 6, (1, 3), activation="relu")
    net.add("dense", net.add("global_pool", x), channels=4)
    table = net.table()
    assert table.macs.tolist() == [[5 * 8 * 7 * 20, 8 * 3 * 20, 8 * 6 * 20, 0, 24]]
    check(table, tmp_path)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (4, 2), (3, 2), (3, 1), (5, 3)])
def test_transposed_convolutions(kernel, stride, tmp_path):
    net = TableBuilder(4, 5, 7)
    x = net.add("transposed_conv", 0, channels=6, kernel=kernel, stride=stride, groups=2)
    assert [size.tolist() for size in net.shape(x)] == [[6], [5 * stride], [7 * stride]]
    table = net.table()
    assert table.macs.sum() == 5 * 7 * 4 * 3 * kernel**2
    check(table, tmp_path)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, "same"), (2, 2, "valid")])
def test_pools(kind, kernel, stride, padding, tmp_path):
    net = TableBuilder(3, 9, 8)
    net.add("pool", 0, kernel=kernel, stride=stride, kind=kind, padding=padding)
    check(net.table(), tmp_path)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions(function, tmp_path):
    net = TableBuilder(3, 6, 5)
    x = net.add("pad", net.add("resize", 0, factor=2, mode="nearest"), border=2)
    net.add(function, x)
    read = check(net.table(), tmp_path, layers=function not in ("gelu", "relu6"))
    assert operator_of(read.layers()[-1].op).kernel_kind == "elementwise"


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resizing(mode, tmp_path):
    net = TableBuilder(3, 6, 5)
    net.add("resize", 0, factor=3, mode=mode)
    check(net.table(), tmp_path)


def test_branches_joined(tmp_path):
    net = TableBuilder(4, 8, 8)
    a = net.add("conv", 0, channels=4, kernel=3)
    b = net.add("concat", a, net.add("pool", 0, kernel=3), 0)
    assert net.shape(b).channels.tolist() == [12]
    c = net.add("add", a, net.add("mul", a, 0), activation="relu")
    net.add("concat", b, c)
    check(net.table(), tmp_path)


def test_squeeze_and_excite_by_hand(tmp_path):
    net = TableBuilder(4, 8, 8)
    x = net.add("conv", 0, channels=12, kernel=3)
    net.squeeze_and_excite(x, 3)
    table = net.table()
    assert table.macs.sum() == 4 * 12 * 9 * 64 + 12 * 3 + 3 * 12
    check(table, tmp_path)


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_by_hand(heads, tmp_path):
    tokens, features = 9, 8
    net = TableBuilder(features, 1, tokens)
    x = net.add("layer_norm", 0)
    x = net.add("add", 0, net.attention(x, heads))
    table = net.table()
    products = 2 * tokens**2 * features
    assert table.macs.sum() == 4 * tokens * features**2 + products
    assert table.weights.sum() == 4 * features**2 + features
    check(table, tmp_path, products, layers=False)


def test_attention_equals_that_of_torch():
    tokens, features, heads = 7, 12, 3
    net = TableBuilder(features, 1, tokens)
    net.attention(0, heads)
    module = module_of(net.table())
    theirs = nn.MultiheadAttention(features, heads, batch_first=True).eval()
    from mcu_nas_moo.networks.torch_layers import folded

    matrices = [folded(module.module_of(layer)) for layer in module.layers if layer.op == Op.CONV]
    with torch.no_grad():
        q, k, v, out = (weight[:, :, 0, 0] for weight, _ in matrices)
        theirs.in_proj_weight.copy_(torch.cat([q, k, v]))
        theirs.in_proj_bias.copy_(torch.cat([bias for _, bias in matrices[:3]]))
        theirs.out_proj.weight.copy_(out)
        theirs.out_proj.bias.copy_(matrices[3][1])
        x = torch.randn(2, tokens, features)
        expected, _ = theirs(x, x, x)
        found = module(x.transpose(1, 2)[:, :, None])
    torch.testing.assert_close(found[:, :, 0].transpose(1, 2), expected)


def test_every_operator_is_exported_or_says_that_it_is_not():
    """Those of files alone have no definition that could run."""
    silent = {op.name for op in known_operators() if type(op).write is Operator.write}
    assert silent == {Op.ELEMENTWISE, Op.COPY}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_many_networks_equal_one_after_the_other(data):
    """One table of N networks tells the same of each as N tables."""
    n = 3

    def numbers(*options):
        return np.array(data.draw(st.lists(st.sampled_from(options), min_size=n, max_size=n)))

    channels, kernel, stride = numbers(4, 8, 16), numbers(1, 3, 5), numbers(1, 2)
    size, left_in = numbers(9, 12), numbers(True, False)

    def build(rows):
        net = TableBuilder(3, size[rows], size[rows], len(rows))
        x = net.add("conv", 0, channels=channels[rows], kernel=kernel[rows], stride=stride[rows])
        y = net.add("depthwise", x, kernel=kernel[rows], active=left_in[rows])
        z = net.squeeze_and_excite(y, channels[rows] // 4)
        z = net.add("pool", net.add("add", y, z), kernel=kernel[rows])
        net.add("dense", net.add("concat", z, z), channels=5)
        return net.table()

    together = build(np.arange(n))
    for row in range(n):
        assert together.layers(row) == build(np.array([row])).layers()


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda net: net.add("convolve", 0), "unknown operator 'convolve'"),
        (lambda net: net.add("conv", 0), r"layer 1 \(conv\): conv needs a number of output"),
        (lambda net: net.add("conv", 0, channels=4, dilute=2), "no attribute 'dilute'; it has dil"),
        (lambda net: net.add("conv", 0, channels=4, padding="wide"), "padding must be one of same"),
        (lambda net: net.add("conv", 0, channels=4, kernel=9, padding="valid"), "larger than the"),
        (lambda net: net.add("add", 0), "add reads two tensors or more, got 1"),
        (lambda net: net.add("relu", 0, 0), "relu reads one tensor, got 2"),
        (lambda net: net.add("add", 0, net.add("pool", 0, stride=2)), "different shapes"),
        (lambda net: net.add("concat", 0, net.add("pool", 0, stride=2)), "different sizes"),
        (lambda net: net.add("pool", 0, stride=2, active=False), "changes the shape"),
        (lambda net: net.add("resize", 0, factor=0.5), "whole factor"),
        (lambda net: net.attention(0, 2), "multiple of 2"),
        (lambda net: net.table(), "without layers"),
    ],
)
def test_what_does_not_fit_is_told(add, message):
    with pytest.raises(InputError, match=message):
        add(TableBuilder(3, 8, 8))


class Doubled(Operator):
    """An operator of one's own."""

    name = "doubled"
    elementwise = True

    def forward(self, layer, *inputs):
        return 2 * inputs[0]

    def write(self, layer, graph):
        graph.node("Add", [*graph.inputs, *graph.inputs], graph.output, layer.name)


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(operators, "_KNOWN", dict(operators._KNOWN))
    register(Doubled())


@pytest.mark.usefixtures("registered")
def test_an_own_operator_goes_through_everything(tmp_path):
    net = TableBuilder(3, 4, 4)
    net.add("doubled", net.add("conv", 0, channels=4))
    check(net.table(), tmp_path, layers=False)


@pytest.mark.usefixtures("registered")
def test_names_are_given_once():
    class Other(Doubled):
        pass

    register(Doubled())  # the same again, as when a module is imported anew
    with pytest.raises(InputError, match=r"'doubled' is known already, from .*Doubled"):
        register(Other())
    with pytest.raises(InputError, match="an object of a subclass of Operator"):
        register(Doubled)
