"""Shared weights: slices, the subnet taken out, recalibration, one training step."""

import numpy as np
import torch
import torch.nn.functional as F

from mcu_nas_moo.data.images import Images, Normalisation, resize
from mcu_nas_moo.networks.layer import Op
from mcu_nas_moo.training.supernet.supernet import Supernet, accuracy, recalibrate
from mcu_nas_moo.training.supernet.trainer import TrainingSettings, sandwich_step

PLAIN = Normalisation((0.0,) * 3, (1.0,) * 3)


def make_supernet(space, seed=0):
    torch.manual_seed(seed)
    supernet = Supernet(space.network(space.largest).layers())
    with torch.no_grad():  # zero-initialised scales would hide whole blocks
        for scale in supernet.scales.values():
            scale.uniform_(0.5, 1.5)
    return supernet


def test_subnet_answers_as_the_supernet_does_with_its_layers(tiny_space, rng):
    supernet = make_supernet(tiny_space)
    images = torch.randn(6, 3, 32, 32)
    X = tiny_space.sample(10, rng)
    table = tiny_space.network(X)
    for row in range(len(X)):
        layers = table.layers(row)
        module = supernet.subnet(layers).train()  # batch statistics, as in the supernet
        ours = module(resize(images, layers[0].in_size[0]))
        torch.testing.assert_close(ours, supernet(images, layers), atol=1e-4, rtol=1e-4)


def test_kernels_are_first_channels_and_centre(tiny_space):
    supernet = make_supernet(tiny_space)
    smallest = tiny_space.network(tiny_space.smallest).layers()
    depthwise = next(layer for layer in smallest if layer.op == Op.DEPTHWISE)
    shared = supernet.kernels[depthwise.name.replace(".", "_")]
    assert shared.shape[-1] == 5
    assert torch.equal(supernet.kernel_of(depthwise), shared[:4, :, 1:4, 1:4])


def test_recalibrated_statistics_are_those_of_the_images(tiny_space):
    supernet = make_supernet(tiny_space)
    layers = tiny_space.network(tiny_space.largest).layers()
    module = supernet.subnet(layers)
    pixels = torch.randint(0, 256, (512, 3, 32, 32), dtype=torch.uint8)
    recalibrate(module, Images(pixels, torch.zeros(512, dtype=torch.int64)), PLAIN)
    stem = module.module_of(layers[0])
    out = F.conv2d(pixels.float(), stem.conv.weight, padding=1)
    torch.testing.assert_close(stem.norm.running_mean, out.mean((0, 2, 3)), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(stem.norm.running_var, out.var((0, 2, 3)), rtol=1e-2, atol=1e-2)


def test_accuracy_counts_right_answers(tiny_space):
    layers = tiny_space.network(tiny_space.smallest).layers()
    module = make_supernet(tiny_space).subnet(layers).eval()
    with torch.no_grad():
        dense = module.module_of(layers[-1])
        dense.weight.zero_()
        dense.bias.copy_(torch.tensor([0.0, 1.0]))  # always says class 1
    images = Images(torch.zeros(300, 3, 32, 32, dtype=torch.uint8), torch.arange(300) % 3 % 2)
    assert accuracy(module, images, PLAIN) == np.mean(np.arange(300) % 3 % 2 == 1)


def test_sandwich_gradient_is_the_sum_over_subnets(tiny_space, rng):
    supernet = make_supernet(tiny_space)
    images, targets = torch.randn(8, 3, 32, 32), torch.arange(8) % 2
    largest = tiny_space.network(tiny_space.largest).layers()
    smallest = tiny_space.network(tiny_space.smallest).layers()
    settings = TrainingSettings(label_smoothing=0.0)
    sandwich_step(supernet, images, targets, [largest, smallest], settings)
    found = {name: p.grad.clone() for name, p in supernet.named_parameters()}

    supernet.zero_grad()
    teacher = supernet(images, largest)
    student = supernet(images, smallest)
    distillation = -(teacher.detach().softmax(1) * student.log_softmax(1)).sum(1).mean()
    (F.nll_loss(teacher.log_softmax(1), targets) + distillation).backward()
    for name, parameter in supernet.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-5, rtol=1e-4)
