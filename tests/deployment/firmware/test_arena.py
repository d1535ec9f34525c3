from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from int8_networks import int8_model

from mcu_nas_moo.deployment.firmware.arena import Tensor, plan_arena, tensor_blocks
from mcu_nas_moo.deployment.firmware.network import read_network
from mcu_nas_moo.networks.layer import Op


def overlaps(blocks, offsets):
    """Pairs of tensors of different blocks that share memory and time, found byte by byte."""
    tensors = [(row, tensor) for row, block in enumerate(blocks) for tensor in block]
    return [
        (one.name, other.name)
        for (row, one), (column, other) in itertools.combinations(tensors, 2)
        if row != column
        and set(range(one.first, one.last + 1)) & set(range(other.first, other.last + 1))
        and set(range(offsets[one.name], offsets[one.name] + one.size))
        & set(range(offsets[other.name], offsets[other.name] + other.size))
    ]


@st.composite
def blocks_of_tensors(draw):
    blocks = []
    for number in range(draw(st.integers(1, 7))):
        first = draw(st.integers(0, 6))
        block = []
        for part in range(draw(st.integers(1, 2))):
            last = first + draw(st.integers(0, 3))
            block.append(Tensor(f"{number}.{part}", draw(st.integers(1, 30)), first, last))
            first = last
        blocks.append(block)
    return blocks


@given(blocks_of_tensors())
def test_tensors_in_memory_at_the_same_time_never_overlap(blocks):
    plan = plan_arena(blocks)
    assert overlaps(blocks, plan.offsets) == []
    ends = [plan.offsets[t.name] + t.size for block in blocks for t in block]
    assert plan.size == max(ends)
    assert min(plan.offsets.values()) >= 0
    for block in blocks:
        assert len({plan.offsets[tensor.name] for tensor in block}) == 1


@given(blocks_of_tensors())
def test_the_bound_is_the_fullest_step(blocks):
    plan = plan_arena(blocks)
    steps = range(11)
    full = [
        sum(
            max((t.size for t in block if t.first <= step <= t.last), default=0) for block in blocks
        )
        for step in steps
    ]
    assert plan.bound == max(full)
    assert full[plan.peak] == plan.bound
    assert plan.size >= plan.bound


def test_a_chain_alternates_between_two_ends():
    chain = [[Tensor(str(i), size, i, i + 1)] for i, size in enumerate([40, 60, 30, 70, 10])]
    plan = plan_arena(chain)
    assert plan.size == plan.bound == 100


def test_a_smaller_output_that_works_in_place_frees_the_rest():
    # "small" lies at the start of "large", so there is room for "other" behind it.
    blocks = [
        [Tensor("large", 100, 0, 1), Tensor("small", 20, 1, 2)],
        [Tensor("other", 80, 2, 2)],
    ]
    plan = plan_arena(blocks)
    assert plan.size == 100
    assert plan.offsets["other"] >= 20


def test_the_same_blocks_give_the_same_plan():
    rng = np.random.default_rng(0)
    blocks = [
        [Tensor(str(i), int(rng.integers(1, 50)), f, f + int(rng.integers(0, 5)))]
        for i, f in enumerate(rng.integers(0, 12, 15).tolist())
    ]
    assert plan_arena(blocks) == plan_arena(blocks)


def test_no_tensors_are_refused():
    with pytest.raises(ValueError, match="needs no plan"):
        plan_arena([])


def work_bytes(layer, simd):
    """Bytes that a layer works in: the inputs of a plane, or columns of four outputs."""
    if layer.op == Op.DEPTHWISE:
        sizes = zip(layer.out_size, layer.stride, layer.kernel, strict=True)
        return math.prod((n - 1) * stride + k for n, stride, k in sizes)
    if layer.op != Op.CONV:
        return 0
    words = math.ceil(layer.in_channels * layer.kernel[0] * layer.kernel[1] / 4)
    pointwise = layer.kernel == (1, 1)
    if pointwise and math.prod(layer.in_size) > 3:
        return 3 + 32 * words if simd else 0
    return 0 if pointwise and layer.in_size == (1, 1) else 3 + (36 if simd else 20) * words


def simulated_peak(layers, simd):
    """Most bytes in use, told from the layers of a network alone, one layer after the other."""
    sizes = {0: layers[0].in_channels * layers[0].in_size[0] * layers[0].in_size[1]}
    last = {tensor: step for step, layer in enumerate(layers) for tensor in layer.inputs}
    last[layers[-1].output] = len(layers)
    alive, peak = {0}, 0
    for step, layer in enumerate(layers):
        sizes[layer.output] = layer.out_channels * layer.out_size[0] * layer.out_size[1]
        dying = [tensor for tensor in layer.inputs if last[tensor] == step]
        during = sum(sizes[tensor] for tensor in alive)
        in_place = layer.op in (Op.DEPTHWISE, Op.ADD) and bool(dying)
        during += work_bytes(layer, simd)
        peak = max(peak, during if in_place else during + sizes[layer.output])
        alive = (alive - set(dying)) | {layer.output}
    return peak


@pytest.mark.parametrize("space", ["mbconv-stage", "mbconv-block"])
@pytest.mark.parametrize("seed", ["smallest", 0, 1])
@pytest.mark.parametrize("simd", [True, False])
def test_the_arena_of_a_subnet_is_its_peak(space, seed, simd, tmp_path):
    network = int8_model(tmp_path, space, seed)
    blocks = tensor_blocks(read_network(network.model), simd)
    plan = plan_arena(blocks)
    # Pooling to one pixel and flattening it are one layer there and two nodes here.
    assert plan.bound == simulated_peak(network.subnet.layers(), simd)
    assert plan.size <= 1.05 * plan.bound
    assert overlaps(blocks, plan.offsets) == []
