"""Exported subnets compute what torch computes, and read back as the table they came from."""

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.profile import list_profiles, load_profile
from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.onnx_reader import read_onnx
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.torch_module import SubnetModule


def subnet(space, x, seed=0):
    """Module of a genotype; its batch norms have statistics and parameters as after training."""
    torch.manual_seed(seed)
    module = SubnetModule(space.network(x[None]).layers()).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.weight.data, part.running_var):
                tensor.uniform_(0.5, 2)
            for tensor in (part.bias.data, part.running_mean):
                tensor.normal_(0, 0.5)
    return module


def nameless(table):
    """Layers without names, tensors numbered in the order in which they are written."""
    layers = table.layers()
    number = {0: 0} | {layer.output: place for place, layer in enumerate(layers, start=1)}
    return [
        layer._replace(
            name="", inputs=tuple(map(number.get, layer.inputs)), output=number[layer.output]
        )
        for layer in layers
    ]


def test_same_numbers_as_torch(space, rng):
    for seed, x in enumerate(space.sample(3, rng)):
        module = subnet(space, x, seed)
        height, width = module.layers[0].in_size
        images = torch.rand(2, 3, height, width) * 2 - 1
        with torch.no_grad():
            expected = module(images).numpy()
        (logits,) = ReferenceEvaluator(to_onnx(module)).run(None, {"image": images.numpy()})
        assert logits.shape == expected.shape
        scale = np.abs(expected).max()
        np.testing.assert_allclose(logits, expected, atol=1e-4 * scale)


def there_and_back(space, rng, path):
    """Tables of some genotypes, and of their files."""
    for x in np.concatenate([space.sample(8, rng), space.smallest, space.largest]):
        onnx.save(to_onnx(subnet(space, x)), path)
        yield space.network(x[None]), read_onnx(path)


def test_reads_back_as_the_same_table(space, rng, tmp_path):
    for expected, read in there_and_back(space, rng, tmp_path / "subnet.onnx"):
        assert nameless(read) == nameless(expected)
        assert [layer.name for layer in read.layers()] == [e.name for e in expected.layers()]


def test_costs_what_its_genotype_costs(space, rng, tmp_path):
    models = [CostModel.of(load_profile(name)) for name in list_profiles()]
    for expected, read in there_and_back(space, rng, tmp_path / "subnet.onnx"):
        for model in models:
            for cost, wanted in zip(model.evaluate(read), model.evaluate(expected), strict=True):
                np.testing.assert_allclose(cost, wanted, rtol=1e-12)


def test_the_model_is_float_with_an_open_batch(space):
    model = to_onnx(subnet(space, space.smallest[0]))
    onnx.checker.check_model(model, full_check=True)
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("image", "logits")
    assert image.type.tensor_type.shape.dim[0].dim_param
    assert {node.op_type for node in model.graph.node} <= {
        *("Conv", "Relu", "Add", "GlobalAveragePool", "Flatten", "Gemm")
    }
    assert model.opset_import[0].version == 17
    assert {tensor.data_type for tensor in model.graph.initializer} == {onnx.TensorProto.FLOAT}


def test_the_same_subnet_gives_the_same_bytes(space):
    first, second = (
        to_onnx(subnet(space, space.smallest[0])).SerializeToString() for _ in range(2)
    )
    assert first == second


def test_layers_that_subnets_do_not_have_are_refused():
    copy = Layer("up", Op.COPY, (0,), 1, "", 3, 3, (1, 1), (1, 1), (8, 8), (16, 16))
    with pytest.raises(ValueError, match="'up' of kind 'copy'"):
        to_onnx(SubnetModule([copy]))
