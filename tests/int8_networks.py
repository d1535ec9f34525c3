"""Small int8 networks for tests: shapes of the shipped spaces, random weights."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from mcu_nas_moo.data.preprocessing import normalise
from mcu_nas_moo.deployment.export.int8_model import Description, Int8Model, read_int8_model
from mcu_nas_moo.deployment.export.int8_model import write_int8_model as write
from mcu_nas_moo.deployment.export.quantise import quantise
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.torch_module import SubnetModule
from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.spaces.subnet_file import SubnetFile

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

MEAN, STD = (120.0, 118.0, 109.0), (62.0, 61.0, 66.0)
CLASSES = tuple(f"class {number}" for number in range(10))


def subnet_of(space: str, seed: int | str) -> SubnetFile:
    """A random subnet, or the ``smallest`` or ``largest`` one."""
    search_space = load_space(space)
    if isinstance(seed, str):
        X = getattr(search_space, seed)
    else:
        X = search_space.sample(1, np.random.default_rng(seed))
    genes = dict(search_space.decode(X)[0].values)
    return SubnetFile(name=f"{space}-{seed}", space=space, genes=genes)


@cache
def quantised(space: str, seed: int | str) -> tuple[SubnetFile, onnx.ModelProto]:
    """A subnet and its int8 network, calibrated on noise."""
    subnet = subnet_of(space, seed)
    layers = subnet.layers()
    # Neither torch's global generator nor other tests should notice.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = SubnetModule(layers)
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = None
                torch.nn.init.uniform_(part.weight, 0.5, 1.5)
                torch.nn.init.uniform_(part.bias, -0.5, 0.5)
        pixels = np.random.default_rng(0).integers(
            0, 256, (32, 3, *layers[0].in_size), dtype=np.uint8
        )
        images = normalise(pixels, MEAN, STD)
        with torch.no_grad():
            module.train()(torch.from_numpy(images))
    return subnet, quantise(to_onnx(module.eval()), images)


def write_int8_model(folder: Path, space: str = "mbconv-stage", seed: int | str = 0) -> Path:
    """Write a subnet's int8 ONNX file."""
    subnet, model = quantised(space, seed)
    path = folder / "int8.onnx"
    description = Description(subnet=subnet, mean=MEAN, std=STD, classes=CLASSES, weights="shared")
    write(model, description, path)
    return path


def int8_model(folder: Path, space: str = "mbconv-stage", seed: int | str = 0) -> Int8Model:
    """A subnet's int8 model, as it is read from its file."""
    return read_int8_model(write_int8_model(folder, space, seed))


def random_inputs(model: Int8Model, count: int, seed: int = 0) -> np.ndarray:
    """Noise over the whole range of int8."""
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (count, *model.input_shape)).astype(np.int8)
