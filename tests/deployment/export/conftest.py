"""A small trained subnet with two classes, and what it exports to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_supernet import images, small_space, subnet, supernet

from mcu_nas_moo.data.images import Images, Normalisation
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.torch_module import SubnetModule
from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.spaces.subnet_file import SubnetFile
from mcu_nas_moo.training.subnet.weights import RetrainedSubnet
from mcu_nas_moo.training.supernet.supernet import recalibrate

__all__ = ["images", "small_space", "subnet", "supernet"]


@pytest.fixture(scope="session")
def retrained():
    """A subnet with a stride of 2 and shortcuts; its weights are random, its statistics set."""
    pytest.importorskip("onnxruntime")
    space = load_space("mbconv-stage")
    genotype = space.smallest
    deep = [n for n, gene in enumerate(space.genes) if gene.name == "stage2_depth"]
    genotype[0, deep] += 1
    genes = dict(space.decode(genotype)[0].values)
    subnet = SubnetFile(name="small", space=space.name, genes=genes, classes=2)
    torch.manual_seed(0)
    module = SubnetModule(subnet.layers())
    for parameter in module.parameters():
        if parameter.ndim == 1:
            torch.nn.init.uniform_(parameter, 0.3, 1.2)
    normalise = Normalisation((120.0, 110.5, 100.25), (60.0, 55.5, 50.25))
    pixels = torch.from_numpy(patterns(256, module.layers[0].in_size[0]))
    recalibrate(module, Images(pixels, torch.zeros(len(pixels))), normalise)
    with torch.no_grad():
        # Logits of both signs, so that both classes occur.
        module.module_of(module.layers[-1]).bias -= module(normalise(pixels)).mean(0)
    return RetrainedSubnet(subnet, module, normalise, ("blue", "red"), None, {"epochs": 1})


def patterns(count, resolution):
    """Images of few random patches, which differ more than noise does: uint8 ``(N, 3, r, r)``."""
    rng = np.random.default_rng(1)
    side = resolution // 2
    patches = rng.integers(0, 256, (count, 3, 2, 2))
    return np.kron(patches, np.ones((side, side))).astype(np.uint8)


@pytest.fixture(scope="session")
def pixels(retrained):
    """Images at the resolution of the network, uint8 ``(N, 3, r, r)``."""
    return patterns(48, retrained.module.layers[0].in_size[0])


@pytest.fixture(scope="session")
def inputs(retrained, pixels):
    """What the float network sees of them."""
    return retrained.normalise(torch.from_numpy(pixels)).contiguous().numpy()


@pytest.fixture(scope="session")
def float_model(retrained):
    return to_onnx(retrained.module)


@pytest.fixture(scope="session")
def quantised(float_model, inputs):
    from mcu_nas_moo.deployment.export.quantise import quantise

    return quantise(float_model, inputs)


@pytest.fixture(scope="session")
def description(retrained):
    from mcu_nas_moo.deployment.export.int8_model import Description

    return Description(
        subnet=retrained.subnet,
        mean=retrained.normalise.mean,
        std=retrained.normalise.std,
        classes=retrained.class_names,
        weights="retrained",
    )


@pytest.fixture(scope="session")
def int8_file(quantised, description, tmp_path_factory):
    from mcu_nas_moo.deployment.export.int8_model import write_int8_model

    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    write_int8_model(quantised, description, path)
    return path


@pytest.fixture(scope="session")
def values():
    """Initialisers of a model as arrays, by name."""
    from onnx import numpy_helper

    return lambda model: {
        tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
    }
