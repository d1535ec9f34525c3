"""Working sets: by hand, against a plain simulation, and against what X-CUBE-AI publishes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_memory import last_reads, simulate, sizes
from random_networks import memory_rule, memory_rules, networks

from mcu_nas_moo.hardware import list_runtimes, load_runtime
from mcu_nas_moo.hardware.calibration.measurements import shipped_networks
from mcu_nas_moo.hardware.cost_model.tensor_memory import working_set
from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.layer_table import LayerTable

RUNTIMES = ("stm32cube-ai-7.3", "stm32cube-ai-10", "tflm-cmsis-nn", "tinyengine")
shipped_rules = st.sampled_from(RUNTIMES).map(lambda name: load_runtime(name).memory)


def layer(op, inputs, output, before, after, kernel=1, stride=1, groups=1):
    """A layer on square images; ``before`` and ``after`` are (size, channels)."""
    return Layer(
        f"{op}{output}",
        op,
        inputs if isinstance(inputs, tuple) else (inputs,),
        output,
        False,
        before[1],
        after[1],
        (kernel, kernel),
        (stride, stride),
        (before[0], before[0]),
        (after[0], after[0]),
        groups,
    )


def bytes_under(name_or_rule, *layers, outputs=()):
    rule = load_runtime(name_or_rule).memory if isinstance(name_or_rule, str) else name_or_rule
    return working_set(LayerTable.of(layers, outputs), rule)[0].tolist()


def by_runtime(seven, ten, tflm, tinyengine):
    return pytest.mark.parametrize(
        ("runtime", "expected"), list(zip(RUNTIMES, (seven, ten, tflm, tinyengine), strict=True))
    )


def test_all_shipped_runtimes_are_tested():
    assert set(RUNTIMES) == set(list_runtimes())


# The shortcut of 4 * 4 * 10 = 160 bytes lies in memory throughout; the expansion has 192.
@by_runtime(
    # Depthwise on its 6 * 6 * 12 = 432 copy, the output three rows of 48 behind: 432 + 144. The
    # projection lies on its input, the sum on one of its inputs.
    seven=[160 + 192, 160 + 576, 160 + 192, 160 + 160],
    ten=[160 + 192, 160 + 576, 160 + 192, 160 + 160],
    # Input and copy, then copy and output: 192 + 432 both times; nothing in place.
    tflm=[160 + 192, 160 + 624, 160 + 192 + 160, 160 + 160 + 160],
    # Depthwise and sum in place.
    tinyengine=[160 + 192, 160 + 192, 160 + 192 + 160, 160 + 160],
)
def test_residual_block(runtime, expected):
    block = [
        layer(Op.CONV, 0, 1, (4, 10), (4, 12)),
        layer(Op.DEPTHWISE, 1, 2, (4, 12), (4, 12), 3),
        layer(Op.CONV, 2, 3, (4, 12), (4, 10)),
        layer(Op.ADD, (0, 3), 4, (4, 10), (4, 10)),
    ]
    assert bytes_under(runtime, *block) == expected


# 8 * 8 * 4 = 256 bytes to 4 * 4 * 4 = 64. Windows reach over 3 * 2 + 5 = 11 rows, so the padded
# copy has 11 * 11 * 4 = 484 bytes.
@by_runtime(
    # Three rows of 16 behind: 484 + 48, less than 484 + 64.
    seven=[532],
    ten=[532],
    # Input and copy together: 256 + 484.
    tflm=[740],
    # On top of its input.
    tinyengine=[256],
)
def test_strided_depthwise(runtime, expected):
    assert bytes_under(runtime, layer(Op.DEPTHWISE, 0, 1, (8, 4), (4, 4), 5, 2)) == expected


# 16 * 16 * 3 = 768 bytes to 8 * 8 * 16 = 1024. Windows have 27 elements: scratch of
# 4 * 27 + 16 * (2 * 27 + 14) = 1196.
@by_runtime(
    # Padded to 867; three rows of 128 behind the output: 1024 + 384, less than side by side.
    seven=[1408 + 1196],
    ten=[1408 + 1196],
    # Windows reach over 7 * 2 + 3 = 17 rows: a copy of 17 * 17 * 3 = 867 beside the output.
    tflm=[867 + 1024],
    tinyengine=[768 + 1024],
)
def test_strided_padded_convolution_of_an_image(runtime, expected):
    assert bytes_under(runtime, layer(Op.CONV, 0, 1, (16, 3), (8, 16), 3, 2)) == expected


# 16 * 16 * 9 = 2304 bytes to 1024; the copy has 17 * 17 * 9 = 2601. Windows have 81 elements:
# scratch of 4 * 81 + 16 * (2 * 81 + 14) = 3140.
@by_runtime(
    # Three rows of 128 behind: 2601 + 384.
    seven=[2985 + 3140],
    ten=[2985 + 3140],
    tflm=[2304 + 2601],
    tinyengine=[2304 + 1024],
)
def test_strided_padded_convolution(runtime, expected):
    assert bytes_under(runtime, layer(Op.CONV, 0, 1, (16, 9), (8, 16), 3, 2)) == expected


# 160 bytes in and out, a copy of 6 * 6 * 10 = 360; scratch 4 * 90 + 10 * (2 * 90 + 14) = 2300.
@by_runtime(
    # The input is needed for the sum, so the copy lies beside it.
    seven=[160 + 360 + 160 + 2300, 320],
    ten=[160 + 360 + 160 + 2300, 320],
    tflm=[160 + 360 + 160, 480],
    tinyengine=[160 + 160, 320],
)
def test_padding_keeps_an_input_that_is_read_later(runtime, expected):
    conv = layer(Op.CONV, 0, 1, (4, 10), (4, 10), 3)
    assert bytes_under(runtime, conv, layer(Op.ADD, (0, 1), 2, (4, 10), (4, 10))) == expected


# An explicit pad of 160 bytes to 6 * 6 * 10 = 360, and a convolution inside it to 4 * 4 * 5 = 80;
# scratch 4 * 90 + 5 * (2 * 90 + 14) = 1330.
@by_runtime(
    # Three rows of 20 behind, without padding: 360 + 60, less than 360 + 80.
    seven=[160 + 360, 420 + 1330],
    ten=[160 + 360, 420 + 1330],
    tflm=[160 + 360, 360 + 80],
    tinyengine=[160 + 360, 360 + 80],
)
def test_explicit_pad(runtime, expected):
    pad = layer(Op.PAD, 0, 1, (4, 10), (6, 10))
    assert bytes_under(runtime, pad, layer(Op.CONV, 1, 2, (6, 10), (4, 5), 3)) == expected


# Two branches of 80 and 48 bytes read 144 bytes; joined they have 128. No runtime here joins in
# place. When the second branch runs, its input dies.
@by_runtime(
    seven=[144 + 80, 80 + 144, 80 + 48 + 128],
    ten=[144 + 80, 80 + 144, 80 + 48 + 128],
    tflm=[144 + 80, 80 + 144 + 48, 80 + 48 + 128],
    tinyengine=[144 + 80, 80 + 144 + 48, 80 + 48 + 128],
)
def test_concat(runtime, expected):
    branches = [layer(Op.CONV, 0, 1, (4, 9), (4, 5)), layer(Op.CONV, 0, 2, (4, 9), (4, 3))]
    assert bytes_under(runtime, *branches, layer(Op.CONCAT, (1, 2), 3, (4, 5), (4, 8))) == expected


# 6 * 6 * 16 = 576 bytes, scaled by channel; the excitation has 16, 4 and 16.
@by_runtime(
    # Dense layers on top of their inputs, the product on top of the image.
    seven=[576 + 16, 576 + 16, 576 + 16, 576 + 16],
    # Version 10 does not multiply in place.
    ten=[576 + 16, 576 + 16, 576 + 16, 576 + 16 + 576],
    tflm=[576 + 16, 576 + 16 + 4, 576 + 4 + 16, 576 + 16 + 576],
    tinyengine=[576 + 16, 576 + 16 + 4, 576 + 4 + 16, 576 + 16 + 576],
)
def test_squeeze_and_excitation(runtime, expected):
    block = [
        layer(Op.GLOBAL_POOL, 0, 1, (6, 16), (1, 16)),
        layer(Op.DENSE, 1, 2, (1, 16), (1, 4)),
        layer(Op.DENSE, 2, 3, (1, 4), (1, 16)),
        layer(Op.MUL, (0, 3), 4, (6, 16), (6, 16)),
    ]
    assert bytes_under(runtime, *block) == expected


def test_products_lie_on_the_larger_input_that_dies():
    """576 bytes of an image and 16 of the excitation in either order."""
    for inputs in ((0, 1), (1, 0)):
        pool = layer(Op.GLOBAL_POOL, 0, 1, (6, 16), (1, 16))
        before = (6, 16) if inputs[0] == 0 else (1, 16)
        mul = layer(Op.MUL, inputs, 2, before, (6, 16))
        assert bytes_under("stm32cube-ai-7.3", pool, mul) == [576 + 16, 576 + 16]
        # The application reads the excitation, too: the product lies on the image all the same.
        both = bytes_under("stm32cube-ai-7.3", pool, mul, outputs=(1, 2))
        assert both == [576 + 16, 576 + 16]


# 192 bytes, a convolution without padding to 6 * 6 * 4 = 144, a pool to 3 * 3 * 4 = 36. Scratch
# 4 * 27 + 4 * (2 * 27 + 14) = 380.
@by_runtime(
    # One operation: image, two rows of 24, output, scratch.
    seven=[192 + 48 + 36 + 380] * 2,
    ten=[192 + 48 + 36 + 380] * 2,
    tflm=[192 + 144, 144 + 36],
    tinyengine=[192 + 144, 144 + 36],
)
def test_pool_without_padding(runtime, expected):
    conv = layer(Op.CONV, 0, 1, (8, 3), (6, 4), 3)
    assert bytes_under(runtime, conv, layer(Op.POOL, 1, 2, (6, 4), (3, 4), 2, 2)) == expected


# The same with a pool of 3, whose windows reach over 2 * 2 + 3 = 7 of 6 rows: not fused.
@by_runtime(
    # Three rows of 24 behind: 192 + 72. The pool lies on its input.
    seven=[264 + 380, 144],
    ten=[264 + 380, 144],
    tflm=[192 + 144, 144 + 36],
    tinyengine=[192 + 144, 144 + 36],
)
def test_pool_with_padding(runtime, expected):
    conv = layer(Op.CONV, 0, 1, (8, 3), (6, 4), 3)
    assert bytes_under(runtime, conv, layer(Op.POOL, 1, 2, (6, 4), (3, 4), 3, 2)) == expected


def test_pool_is_not_fused_when_the_application_reads_the_convolution():
    conv = layer(Op.CONV, 0, 1, (8, 3), (6, 4), 3)
    pool = layer(Op.POOL, 1, 2, (6, 4), (3, 4), 2, 2)
    # As without a pool, and then the convolution's output stays: 144 + 36.
    assert bytes_under("stm32cube-ai-7.3", conv, pool, outputs=(1, 2)) == [264 + 380, 180]


def test_outputs_stay_in_memory():
    """Two heads of 5 and 7 bytes on 16 bytes: the first outlives the second."""
    heads = [layer(Op.DENSE, 0, 1, (1, 16), (1, 5)), layer(Op.DENSE, 0, 2, (1, 16), (1, 7))]
    assert bytes_under("tflm-cmsis-nn", *heads, outputs=(1, 2)) == [16 + 5, 16 + 5 + 7]
    # A head that nobody reads is gone at once.
    assert bytes_under("tflm-cmsis-nn", *heads) == [16 + 5, 16 + 7]
    # In place where the input dies with the second head.
    assert bytes_under("stm32cube-ai-7.3", *heads, outputs=(1, 2)) == [16 + 5, 16 + 5]


@pytest.mark.parametrize(
    ("channels", "filters", "declared"),
    [(1, 16, 548), (1, 8, 292), (3, 8, 652), (3, 16, 1196), (16, 32, 6144), (32, 64, 7168)],
)
def test_scratch_of_3x3_convolutions_as_declared_in_generated_code(channels, filters, declared):
    """The first and the fifth stand in the C code of st_mnist_v1_28_tfs."""
    conv = layer(Op.CONV, 0, 1, (14, channels), (14, filters), 3)
    with_scratch, without = (
        bytes_under(memory_rule(padded_copy="in_place", im2col=im2col), conv)
        for im2col in (True, False)
    )
    assert with_scratch[0] - without[0] == declared


@pytest.mark.parametrize(
    ("network", "activations_kib"),
    [
        ("mobilenetv1_a025_224x3_5", 202.14),
        ("mobilenetv1_a050_224x3_5", 404.28),
        ("mobilenetv1_a025_96x1_5", 38.64),
        ("squeezenet_v10_128_v100", 450.00),
        ("squeezenet_v11_128_v100", 240.25),
        ("squeezenet_v11_224_v100", 756.25),
        ("mlperf_ic", 55.28),
        ("st_yolo_lc_v1_192", 157.44),
        ("st_yolo_lc_v1_224", 210.69),
        ("st_yolo_lc_v1_256", 271.94),
    ],
)
def test_activations_that_version_7_3_prints(network, activations_kib):
    peak = working_set(shipped_networks()[network], load_runtime("stm32cube-ai-7.3").memory).max()
    assert peak / 1024 == pytest.approx(activations_kib, abs=0.1)


def test_activations_that_version_7_3_prints_rounded():
    table = shipped_networks()["fdmobilenet_025_224_tfs"]
    peak = working_set(table, load_runtime("stm32cube-ai-7.3").memory).max()
    assert round(peak / 1024) == 152


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_subnets_equal_a_simulation_of_each(space, runtime):
    rule = load_runtime(runtime).memory
    subnets = space.network(space.sample(150, np.random.default_rng(3)))
    batch = working_set(subnets, rule)
    for row in range(len(subnets)):
        expected = simulate(subnets.layers(row), rule)
        assert batch[row, subnets.active[row]].tolist() == expected
        assert not batch[row, ~subnets.active[row]].any()


def follows_convolution(layers, kernel):
    return any(
        conv.op == Op.CONV and pool.op == Op.POOL and (conv.kernel == (1, 1)) == (kernel == 1)
        for conv, pool in itertools.pairwise(layers)
    )


@settings(max_examples=400)
@given(networks(), memory_rules | shipped_rules)
def test_any_network_equals_a_simulation_of_it(network, rule):
    layers, outputs = network
    assert bytes_under(rule, *layers, outputs=outputs) == simulate(layers, rule, outputs)


@settings(max_examples=200)
@given(networks(), shipped_rules)
def test_no_layer_needs_less_than_what_lives_before_and_after_it(network, rule):
    layers, outputs = network
    last, size = last_reads(layers, outputs), sizes(layers)
    born = {0: -1} | {layer.output: step for step, layer in enumerate(layers)}
    fused = {
        conv.output
        for conv, pool in itertools.pairwise(layers)
        if rule.fused_pooling and conv.op == Op.CONV and pool.op == Op.POOL
    }
    exist = [t for t in size if t not in fused]
    needed = bytes_under(rule, *layers, outputs=outputs)
    for step, current in enumerate(layers):
        before = [t for t in exist if born[t] < step <= last.get(t, -1)]
        after = [t for t in exist if born[t] <= step < last.get(t, -1)]
        kept = [t for t in before if last[t] > step or current.op not in (*rule.in_place, Op.CONV)]
        assert needed[step] >= sum(size[t] for t in before)
        assert needed[step] >= sum(size[t] for t in after)
        if current.op not in (Op.CONV, Op.DEPTHWISE) and current.output not in fused:
            assert needed[step] >= sum(size[t] for t in kept) + size[current.output]


def test_unrolled_windows_need_scratch_however_a_layer_pads():
    """Wherever padded copies lie."""
    conv = layer(Op.CONV, 0, 1, (14, 1), (14, 16), 3)
    for padded in ("none", "apart"):
        with_scratch, without = (
            bytes_under(memory_rule(padded_copy=padded, im2col=im2col), conv)
            for im2col in (True, False)
        )
        assert with_scratch[0] - without[0] == 548


def test_fused_pooling_needs_scratch_only_where_windows_are_unrolled():
    """A fused pool adds none of its own."""
    conv = layer(Op.CONV, 0, 1, (8, 3), (6, 4), 3)
    pool = layer(Op.POOL, 1, 2, (6, 4), (3, 4), 2, 2)
    rule = memory_rule(padded_copy="in_place", fused_pooling=True)
    assert bytes_under(rule, conv, pool) == [192 + 48 + 36] * 2


def test_pointwise_convolutions_have_no_scratch_before_a_pool_either():
    """As they have none alone."""
    conv = layer(Op.CONV, 0, 1, (6, 10), (6, 4))
    pool = layer(Op.POOL, 1, 2, (6, 4), (3, 4), 2, 2)
    # 6 * 6 * 10 = 360, two rows of 24, 36.
    assert bytes_under("stm32cube-ai-7.3", conv, pool) == [360 + 48 + 36] * 2


def test_depthwise_without_padding_is_in_place_where_the_rule_says_so():
    depthwise = layer(Op.DEPTHWISE, 0, 1, (6, 10), (4, 10), 3)
    # Three rows of 40 behind, as with padding.
    assert bytes_under("stm32cube-ai-7.3", depthwise) == [360 + 120]
