"""Subnet modules agree with their layer table in shapes, MACs and parameter counts."""

import torch
from torch import nn

from mcu_nas_moo.networks.torch_module import SubnetModule


def run_with_hooks(module, image):
    """MACs as torch sees them: output positions times multiplications per position."""
    macs = []

    def count(layer, _, output):
        per_output = layer.weight[0].numel()
        macs.append(output.numel() * per_output)

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    return module(image), sum(macs)


def test_macs_parameters_and_output_shape(space, rng):
    X = space.sample(12, rng)
    table = space.network(X)
    for row in range(len(X)):
        module = SubnetModule(table.layers(row)).eval()
        resolution = int(table.in_height[row, 0])
        logits, macs = run_with_hooks(module, torch.zeros(1, 3, resolution, resolution))
        assert logits.shape == (1, space.spec.classes)
        assert macs == table.macs[row].sum()
        weights = [p.numel() for name, p in module.named_parameters() if "norm" not in name]
        classifier_bias = space.spec.classes
        assert sum(weights) - classifier_bias == table.weights[row].sum()
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        folded_biases = sum(norm.num_features for norm in norms) + classifier_bias
        assert folded_biases == table.biases[row].sum()


def test_shortcut_is_added(rng):
    """With all weights zero, only shortcuts carry the first block's output on."""
    from mcu_nas_moo.spaces import load_space

    space = load_space("mbconv-stage")
    layers = space.network(space.largest).layers()
    module = SubnetModule(layers).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        for layer in layers:
            if ".block2.project" in layer.name and layer.name.startswith("stage1"):
                part = module.module_of(layer)
                part.norm.weight.zero_()
                part.norm.bias.zero_()
        without = SubnetModule([layer for layer in layers if "stage1.block2" not in layer.name])
    # Cut the silenced block out by hand: its readers read what the block read.
    first = next(layer for layer in layers if layer.name == "stage1.block1.project").output
    last = next(layer for layer in layers if layer.name == "stage1.block2.add").output
    rewired = [
        layer._replace(inputs=tuple(first if t == last else t for t in layer.inputs))
        for layer in without.layers
    ]
    without = SubnetModule(rewired).eval()
    without.load_state_dict(module.state_dict(), strict=False)
    torch.testing.assert_close(module(image), without(image))
