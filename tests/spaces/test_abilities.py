"""What spaces are asked for, what they lack, and layers that do not fit together."""

from __future__ import annotations

import numpy as np
import pytest
from small_space import small_space

from mcu_nas_moo import FunctionEvaluator, Gene, InputError, SearchSpace, Task, load_space
from mcu_nas_moo.contracts.network_io import InputSpec, OutputSpec
from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.layer_table import LayerTable
from mcu_nas_moo.networks.table_builder import TableBuilder
from mcu_nas_moo.spaces.abilities import (
    HasNetworks,
    InParts,
    Nested,
    Splittable,
    check_layers,
    classes_of,
    with_ability,
)

GENES = SearchSpace("plain", [Gene("width", (4, 8))])
LAYERS = [
    Layer("conv", Op.CONV, (0,), 1, "relu", 1, 4, (3, 3), (2, 2), (24, 48), (12, 24)),
    Layer("twin", Op.CONV, (1,), 2, "", 4, 4, (1, 1), (1, 1), (12, 24), (12, 24)),
    Layer("add", Op.ADD, (1, 2), 3, "", 4, 4, (1, 1), (1, 1), (12, 24), (12, 24)),
    Layer("pool", Op.GLOBAL_POOL, (3,), 4, "", 4, 4, (1, 1), (1, 1), (12, 24), (1, 1)),
    Layer("dense", Op.DENSE, (4,), 5, "", 4, 3, (1, 1), (1, 1), (1, 1), (1, 1)),
]


class Written(SearchSpace):
    """One network, whatever the genes."""

    def __init__(self, layers, copies=None):
        super().__init__("written", [Gene("width", (4, 8))])
        self.layers, self.copies = layers, copies
        self.input, self.output = InputSpec(1, 24, 48), OutputSpec(3)

    def network(self, X):
        one = LayerTable.of(self.layers)
        n = len(X) if self.copies is None else self.copies
        arrays = [np.repeat(v, n, axis=0) for k, v in vars(one).items() if k != "topology"]
        return LayerTable(one.topology, *arrays)


def test_abilities_are_those_that_are_there():
    for space in (load_space("mbconv-stage"), small_space("block")):
        for ability in (HasNetworks, InParts, Nested, Splittable):
            assert with_ability(space, ability, "do it") is space
    assert isinstance(Written(LAYERS), HasNetworks)
    assert not isinstance(Written(LAYERS), Nested)


@pytest.mark.parametrize(
    ("space", "ability", "message"),
    [
        (GENES, HasNetworks, "it tells no networks (its class has no method `network`)"),
        (GENES, Nested, "it has no largest and smallest network"),
        (Written(LAYERS), Splittable, "it tells no parts and stages"),
    ],
)
def test_what_is_lacking_is_told_with_what_it_is_needed_for(space, ability, message):
    with pytest.raises(InputError) as refused:
        with_ability(space, ability, "share weights")
    assert str(refused.value).startswith(f"space {space.name!r} cannot share weights: {message}")


def test_classes():
    assert classes_of(load_space("mbconv-stage", 7)) == 7
    with pytest.raises(InputError, match="space 'plain' tells no number of classes"):
        classes_of(GENES)


def test_layers_that_fit_together():
    check_layers(Written(LAYERS), LAYERS)
    flat = [LAYERS[0], LAYERS[4]._replace(inputs=(1,), in_channels=4 * 12 * 24)]
    check_layers(Written(flat), flat)  # a dense layer reads an image as one row
    smaller = [LAYERS[0]._replace(in_size=(12, 48)), *LAYERS[1:]]
    check_layers(Written(smaller), smaller)


def test_branches_that_are_joined_fit_together():
    net = TableBuilder(1, 24, 48)
    x = net.squeeze_and_excite(net.add("conv", 0, channels=4, kernel=3), 2)
    x = net.add("concat", x, net.add("depthwise", x, kernel=3), 0)
    net.add("dense", net.add("global_pool", x), channels=3)
    layers = net.table().layers()
    check_layers(Written(layers), layers)
    astray = [*layers[:-3], layers[-3]._replace(inputs=(6, 99, 0)), *layers[-2:]]
    with pytest.raises(InputError, match="tensor 99 is not written before it"):
        check_layers(Written(astray), astray)


def changed(row, **fields):
    return [*LAYERS[:row], LAYERS[row]._replace(**fields), *LAYERS[row + 1 :]]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (changed(1, in_channels=5), "layer 'twin' reads 5x12x24 .*, but tensor 1 is 4x12x24"),
        (changed(1, in_size=(24, 12)), "layer 'twin' reads 4x24x12 .*, but tensor 1 is 4x12x24"),
        (changed(2, in_channels=8), "layer 'add' reads 8x12x24 .*, but tensor 1 is 4x12x24"),
        (changed(4, in_channels=6), "layer 'dense' reads 6x1x1 .*, but tensor 4 is 4x1x1"),
        (changed(0, in_channels=3), "reads 3x24x48, but `input` of the space is 1x24x48"),
        (changed(0, in_size=(48, 24)), "reads 1x48x24, but `input` of the space is 1x24x48"),
        (changed(4, out_channels=10), "writes 10 numbers, but `output` of the space tells 3 cla"),
    ],
)
def test_layers_that_do_not_are_told_once_costs_are_asked_for(layers, message):
    space = Written(layers)
    error = FunctionEvaluator(lambda space, X: X[:, 0] / 2, ["error"])
    task = Task(space, "cortex-m7", evaluators=[error])
    with pytest.raises(InputError, match=f"the network of space 'written'.*{message}") as refused:
        task.evaluate(np.zeros((3, 1), dtype=int))
    assert "\n" not in str(refused.value)


def test_as_many_networks_as_genotypes():
    error = FunctionEvaluator(lambda space, X: X[:, 0] / 2, ["error"])
    task = Task(Written(LAYERS, copies=1), "cortex-m7", evaluators=[error])
    with pytest.raises(InputError) as refused:
        task.evaluate(np.zeros((3, 1), dtype=int))
    assert str(refused.value) == (
        "space 'written': network(X) returned 1 for 3 genotypes; it must be a LayerTable with a "
        "row for each"
    )
    good = Task(Written(LAYERS), "cortex-m7", evaluators=[error])
    assert good.evaluate(np.zeros((3, 1), dtype=int)).F.shape == (3, 2)
    # By hand: 3x3x1x4 on 12x24, 1x1x4x4 on 12x24, 4x3.
    assert good.metrics(np.zeros((1, 1), dtype=int))["macs_m"].tolist() == [
        (36 * 288 + 16 * 288 + 12) / 1e6
    ]
