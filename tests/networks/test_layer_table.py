"""Layer tables against plain Python on single layers and against torch."""

import numpy as np
import pytest

from mcu_nas_moo.networks.layer import Op, Slot
from mcu_nas_moo.networks.layer_table import LayerTable, Topology


def plain_macs(layer):
    height, width = layer.out_size
    if layer.op == Op.CONV:
        return layer.kernel[0] ** 2 * layer.in_channels * layer.out_channels * height * width
    if layer.op == Op.DEPTHWISE:
        return layer.kernel[0] ** 2 * layer.out_channels * height * width
    return layer.in_channels * layer.out_channels if layer.op == Op.DENSE else 0


def plain_parameters(layer):
    if layer.op == Op.DENSE:
        return layer.in_channels * layer.out_channels + layer.out_channels
    if layer.op in (Op.CONV, Op.DEPTHWISE):
        groups = layer.in_channels if layer.op == Op.DEPTHWISE else 1
        return layer.kernel[0] ** 2 * layer.in_channels // groups * layer.out_channels + (
            layer.out_channels
        )
    return 0


def test_quantities_equal_a_plain_sum_over_layers(space, rng):
    X = space.sample(200, rng)
    table = space.network(X)
    for row in range(len(X)):
        layers = table.layers(row)
        assert table.macs[row].sum() == sum(map(plain_macs, layers))
        assert (table.weights + table.biases)[row].sum() == sum(map(plain_parameters, layers))
        assert table.out_elements[row].sum() == sum(
            layer.out_channels * layer.out_size[0] * layer.out_size[1] for layer in layers
        )


def test_layers_fit_together(space, rng):
    """Each layer reads what an earlier one wrote, in the same shape."""
    table = space.network(space.sample(100, rng))
    for row in range(len(table)):
        resolution = int(table.in_height[row, 0])
        shapes = {0: (3, (resolution, resolution))}
        for layer in table.layers(row):
            for tensor in layer.inputs:
                assert shapes[tensor] == (layer.in_channels, layer.in_size)
            shapes[layer.output] = (layer.out_channels, layer.out_size)


def test_one_network_is_a_table_of_one(space, rng):
    X = space.sample(20, rng)
    together = space.network(X)
    for row, x in enumerate(X):
        assert space.network(x[None]).layers() == together.layers(row)


@pytest.fixture
def diamond():
    """conv -> conv -> add with the first conv -> dense; the second conv can be left out."""
    return Topology(
        (
            Slot("a", Op.CONV, (0,), activation="relu"),
            Slot("b", Op.CONV, (1,)),
            Slot("c", Op.ADD, (1, 2)),
            Slot("d", Op.DENSE, (3,)),
        )
    )


def test_liveness_by_hand(diamond):
    np.testing.assert_array_equal(diamond.last_use, [0, 2, 2, 3, 4])
    expected = [
        [1, 0, 0, 0],  # input: read by a
        [1, 1, 1, 0],  # a: read by b and c
        [0, 1, 1, 0],  # b: read by c
        [0, 0, 1, 1],  # c: read by d
        [0, 0, 0, 1],  # d: the output
    ]
    np.testing.assert_array_equal(diamond.live, np.array(expected, dtype=bool))


def test_left_out_slots_pass_their_input_on(diamond):
    ones = np.ones((1, 4), dtype=np.int64)
    active = np.array([[True, False, False, True]])
    table = LayerTable(diamond, active, *[ones] * 10)
    a, d = table.layers()
    assert (a.name, a.inputs, a.output) == ("a", (0,), 1)
    assert (d.name, d.inputs, d.output) == ("d", (1,), 4)
    assert table.macs.tolist() == [[1, 0, 0, 1]]
    assert table.biases.tolist() == [[1, 0, 0, 1]]
