"""Working sets: by hand for small networks, and against a layer-by-layer simulation."""

from __future__ import annotations

import numpy as np
import pytest
from plain_memory import simulate

from mcu_nas_moo.costs import load_runtime
from mcu_nas_moo.costs.memory import working_set
from mcu_nas_moo.costs.runtime import MemoryRule
from mcu_nas_moo.networks.table import LayerTable, Op, Slot, Topology
from mcu_nas_moo.spaces import load_space

NOTHING = ()
TINY = (Op.DEPTHWISE, Op.ADD)
ANY = tuple(Op)


def rule(in_place=NOTHING, padding=False):
    return MemoryRule(
        in_place=in_place,
        explicit_padding=padding,
        scale=1,
        fixed_kib=0,
        kib_per_layer=0,
        kib_per_channel=0,
        source="test",
        fits=(),
    )


def table(slots, shapes, kernel, active=None, stride=None):
    """One network; ``shapes[t]`` is (channels, height, width) of tensor t."""
    channels, height, width = np.array(shapes).T
    first = [slot.inputs[0] for slot in slots]
    n = len(slots)
    row = lambda values: np.array(values, dtype=np.int64)[None]  # noqa: E731
    return LayerTable(
        Topology(tuple(slots)),
        np.array([active or [True] * n]),
        row(channels[first]),
        row(channels[1:]),
        row(kernel),
        row(kernel),
        row(stride or [1] * n),
        row(stride or [1] * n),
        row(height[first]),
        row(width[first]),
        row(height[1:]),
        row(width[1:]),
    )


@pytest.fixture
def residual():
    """Input 4x4x2 = 32; expand to 6 channels = 96; depthwise 3x3; project to 2; add the input."""
    slots = [
        Slot("expand", Op.CONV, (0,)),
        Slot("depthwise", Op.DEPTHWISE, (1,)),
        Slot("project", Op.CONV, (2,)),
        Slot("add", Op.ADD, (0, 3)),
    ]
    shapes = [(2, 4, 4), (6, 4, 4), (6, 4, 4), (2, 4, 4), (2, 4, 4)]
    return table(slots, shapes, kernel=[1, 3, 1, 1])


@pytest.mark.parametrize(
    ("memory_rule", "expected"),
    [
        # The shortcut (32) lies in memory throughout.
        (rule(), [32 + 96, 32 + 96 + 96, 32 + 96 + 32, 32 + 32 + 32]),
        # Depthwise over its input, add over one of its inputs.
        (rule(TINY), [32 + 96, 32 + 96, 32 + 96 + 32, 32 + 32]),
        # Also the projection over a part of its input; the expansion must keep the shortcut.
        (rule(ANY), [32 + 96, 32 + 96, 32 + 96, 32 + 32]),
        # Depthwise reads a 6x6 copy: 6 * 6 * 6 = 216 beside the larger of input and output.
        (rule(padding=True), [32 + 96, 32 + 216 + 96, 32 + 96 + 32, 32 + 32 + 32]),
    ],
    ids=["nothing in place", "depthwise and add", "any output", "padding"],
)
def test_residual_block_by_hand(residual, memory_rule, expected):
    assert working_set(residual, memory_rule).tolist() == [expected]


def test_strided_depthwise_by_hand():
    """Stem 3x3 of an 8x8x3 image to 4 channels, depthwise 5x5 with stride 2, pool, dense."""
    slots = [
        Slot("stem", Op.CONV, (0,)),
        Slot("depthwise", Op.DEPTHWISE, (1,)),
        Slot("pool", Op.GLOBAL_POOL, (2,)),
        Slot("classifier", Op.DENSE, (3,)),
    ]
    shapes = [(3, 8, 8), (4, 8, 8), (4, 4, 4), (4, 1, 1), (10, 1, 1)]
    network = table(slots, shapes, kernel=[3, 5, 1, 1], stride=[1, 2, 1, 1])
    assert working_set(network, rule()).tolist() == [[192 + 256, 256 + 64, 64 + 4, 4 + 10]]
    assert working_set(network, rule(TINY)).tolist() == [[192 + 256, 256, 64 + 4, 4 + 10]]
    assert working_set(network, rule(ANY)).tolist() == [[256, 256, 64, 10]]
    # Copies of 3 * 10 * 10 and 4 * 12 * 12; the network input dies when it has been copied.
    padded = [[300 + 256, 576 + 256, 64 + 4, 4 + 10]]
    assert working_set(network, rule(padding=True)).tolist() == padded


def test_padding_keeps_an_input_that_is_read_later():
    slots = [Slot("conv", Op.CONV, (0,)), Slot("add", Op.ADD, (0, 1))]
    network = table(slots, [(1, 4, 4)] * 3, kernel=[3, 1])
    assert working_set(network, rule(padding=True)).tolist() == [[16 + 36 + 16, 48]]


def test_layers_left_out_count_for_nothing(residual):
    slots = residual.topology.slots
    shapes = [(2, 4, 4), (6, 4, 4), (6, 4, 4), (2, 4, 4), (2, 4, 4)]
    more = [Slot("last", Op.CONV, (4,))]
    active = [False] * 4 + [True]
    network = table([*slots, *more], [*shapes, (3, 4, 4)], [1, 3, 1, 1, 1], active)
    assert working_set(network, rule()).tolist() == [[0, 0, 0, 0, 32 + 48]]


@pytest.mark.parametrize("space_name", ["mbconv-stage", "mbconv-block"])
@pytest.mark.parametrize(
    "runtime", ["stm32cube-ai-7.3", "stm32cube-ai-10", "tflm-cmsis-nn", "tinyengine"]
)
def test_equals_a_simulation_of_each_network(space_name, runtime):
    space = load_space(space_name)
    memory_rule = load_runtime(runtime).memory
    networks = space.network(space.sample(200, np.random.default_rng(3)))
    batch = working_set(networks, memory_rule)
    for row in range(len(networks)):
        expected = simulate(networks.layers(row), memory_rule)
        assert batch[row, networks.active[row]].tolist() == expected
        assert not batch[row, ~networks.active[row]].any()
