"""Networks of many operators: from torch to C on the host, and as firmware on emulated cores."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from operator_networks import OURS, Builder, by_onnxruntime, compile_all, random_bytes
from tiny_firmware import CHIP

from mcu_nas_moo.deployment.emulation.emulators import Unicorn
from mcu_nas_moo.deployment.export import int8_model
from mcu_nas_moo.deployment.export.quantise import quantise
from mcu_nas_moo.deployment.firmware.c_source import generate_c
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.networks.table_builder import TableBuilder
from mcu_nas_moo.networks.torch_module import SubnetModule

FUNCTIONS = ["relu", "relu6", "hard_swish", "hard_sigmoid", "sigmoid", "tanh", "gelu"]


def quantised(net, seed=0):
    """The inner int8 network of layers with random weights."""
    table = net.table()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = SubnetModule(table.layers()).eval()
    first, last = module.layers[0], module.layers[-1]
    shape = (24, first.in_channels, *first.in_size)
    images = 3 * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    model = quantise(to_onnx(module), images)
    subnet = SimpleNamespace(layers=lambda: module.layers, classes=last.out_channels)
    int8_model._strip(model, SimpleNamespace(subnet=subnet))
    int8_model._add_shapes(model)
    return model


def many_operators(seed):
    rng = np.random.default_rng(seed)
    net = TableBuilder(3, *rng.integers(9, 18, 2).tolist())
    function = FUNCTIONS[seed % len(FUNCTIONS)]
    x = net.add("conv", 0, channels=8, kernel=3, stride=2)
    x = net.squeeze_and_excite(net.add(function, x), 4)
    x = net.add("concat", *(net.add("pool", x, kernel=3, kind=k) for k in ("max", "average")), x)
    x = net.add(function, net.add("depthwise", x, kernel=3))
    x = net.add("conv", x, channels=8, kernel=3, dilation=2, groups=2)
    x = net.add("resize", net.add("resize", x, mode="bilinear"), mode="nearest")
    x = net.add("pool", net.add("pad", x, border=2), kernel=2, stride=2, padding="valid")
    x = net.add("add", net.add("conv", x, channels=8), net.add("mul", x, x))
    net.add("dense", net.add("global_pool", x), channels=5)
    return net


def test_networks_from_torch_compute_what_onnxruntime_does(tmp_path):
    models = [quantised(many_operators(seed), seed) for seed in range(12)]
    seen = 0
    for seed, (model, run) in enumerate(zip(models, compile_all(models, tmp_path), strict=True)):
        rng = np.random.default_rng(seed)
        for _ in range(10):
            inputs = random_bytes(model, rng)
            expected = by_onnxruntime(model, inputs)
            np.testing.assert_array_equal(run(inputs), expected, f"network {seed}")
            seen += len(np.unique(expected))
    assert seen > 200


SIDE = 9
HEADER = f"""
#include <stdint.h>
#define MCU_NAS_INPUT_HEIGHT {SIDE}
#define MCU_NAS_INPUT_WIDTH {SIDE}
#define MCU_NAS_INPUT_CHANNELS 3
#define MCU_NAS_INPUT_SIZE {SIDE * SIDE * 3}
#define MCU_NAS_OUTPUT_SIZE OUTPUTS
void mcu_nas_init(void);
void mcu_nas_set_row(int y, const uint8_t *rgb);
const int8_t *mcu_nas_run(void);
"""
WRAPPER = """
#include "mcu_nas.h"
int8_t mcu_nas_arena[ARENA];
void mcu_nas_model(void);
void mcu_nas_init(void) {}
void mcu_nas_set_row(int y, const uint8_t *rgb) {
    for (int x = 0; x < MCU_NAS_INPUT_WIDTH; x++)
        for (int c = 0; c < 3; c++)
            mcu_nas_arena[INPUT + (c * MCU_NAS_INPUT_HEIGHT + y) * MCU_NAS_INPUT_WIDTH + x] =
                (int8_t)(rgb[3 * x + c] - 128);
}
const int8_t *mcu_nas_run(void) { mcu_nas_model(); return mcu_nas_arena + OUTPUT; }
"""


def without_weights():
    """Every operator but convolutions and dense layers, one after the other."""
    b = Builder()

    def scale(value, zero_point):
        return b.constant(np.float32(value)), b.constant(np.int8(zero_point))

    x, s, t = b.input((1, 3, SIDE, SIDE)), scale(0.03, 3), scale(0.017, -100)
    share = scale(1 / 256, -128)
    value = b.node("DequantizeLinear", [x, *s])
    x = b.node("QuantizeLinear", [b.node("HardSwish", [value]), *t])
    mean_scale = scale(0.02, -120)
    mean = b.node("QLinearGlobalAveragePool", [x, *t, *mean_scale], OURS)
    x = b.node("QLinearMul", [x, *t, mean, *mean_scale, *s], OURS)
    x = b.node("QLinearAdd", [x, *s, mean, *mean_scale, *t], OURS)
    window = {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [1, 1]}
    highest = b.node("MaxPool", [x], **window)
    average = b.node("QLinearAveragePool", [x, *t, *s], OURS, **window, count_include_pad=1)
    x = b.node("QLinearConcat", [*t, highest, *t, average, *s], OURS, axis=1)
    sizes = b.constant(np.array([1, 6, 13, 12], np.int64))
    x = b.node("Resize", [x, "", "", sizes], mode="linear")
    scales = b.constant(np.array([1, 1, 0.5, 1.5], np.float32))
    x = b.node("Resize", [x, "", scales], mode="nearest")
    pads = b.constant(np.array([0, 0, 1, 0, 0, 0, 2, 1], np.int64))
    x = b.node("Pad", [x, pads, b.constant(np.int8(-5))])
    starts, ends, axes = (b.constant(np.array([i], np.int64)) for i in (1, 3, 1))
    x = b.node("Slice", [x, starts, ends, axes])
    b.node("Flatten", [b.node("QLinearSigmoid", [x, *t, *share], OURS)])
    return b.model()


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33"])
def test_every_operator_on_emulated_cores(core, toolchain, tmp_path):
    pytest.importorskip("unicorn")
    model = without_weights()
    source = generate_c(model)
    outputs = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    (tmp_path / "kernels").mkdir()
    for name, text in source.kernels.items():
        (tmp_path / "kernels" / name).write_text(text)
    facts = {"ARENA": source.plan.size, "OUTPUT": source.output_offset}
    lines = "".join(f"#define {k} {v}\n" for k, v in (facts | {"OUTPUTS": outputs}).items())
    given = f"#define INPUT {source.input_offset}\n"
    (tmp_path / "mcu_nas.h").write_text(f"#define OUTPUTS {outputs}\n" + HEADER)
    (tmp_path / "mcu_nas.c").write_text(lines + given + WRAPPER)
    (tmp_path / "code.c").write_text(source.code)
    (tmp_path / "data.c").write_text(source.data)
    (tmp_path / "memory.ld").write_text(CHIP.linker_script())
    shipped = Path(str(files("mcu_nas_moo.deployment.firmware") / "sources"))
    own = [tmp_path / name for name in ("mcu_nas.c", "code.c", "data.c")]
    sources = [*own, *(shipped / f"{name}.c" for name in ("verify_main", "startup", "memory"))]
    objects = toolchain.compile(core, sources, [tmp_path], tmp_path)
    image = tmp_path / "firmware.elf"
    toolchain.link(core, list(objects.values()), tmp_path / "memory.ld", image)
    pixels = np.random.default_rng(1).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)
    found = Unicorn(core).run(image, CHIP, pixels, outputs).outputs
    inputs = (pixels.astype(int) - 128).astype(np.int8).transpose(0, 3, 1, 2)
    expected = [by_onnxruntime(model, {"x": one[None]})[0] for one in inputs]
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 20
