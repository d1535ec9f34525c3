"""What is fitted for each shipped runtime, and what is given: the rules behind the coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcu_nas_moo.networks.layer_table import Op


@dataclass(frozen=True)
class MemoryRecipe:
    """How the SRAM of a runtime is fitted.

    Attributes:
        rule: fields of ``MemoryRule`` that are given.
        free: coefficients of the rule to fit: of ``scale``, ``fixed_kib``, ``kib_per_channel``,
            ``kib_per_weighted_layer``, ``kib_per_other_layer``.
        by_parts: the sources print activations and the runtime's own RAM apart, so ``scale`` is
            fitted to the former and all others to the latter.
        source: where the rule comes from.
    """

    rule: dict[str, Any]
    free: tuple[str, ...]
    by_parts: bool
    source: str


@dataclass(frozen=True)
class FlashRecipe:
    """How the Flash beside weights and biases is fitted.

    Attributes:
        free: of ``fixed_kib``, ``kib_per_kind``, ``kib_per_layer`` and ``kib_per_channel``.
        source: where the rule comes from.
    """

    free: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class LatencyRecipe:
    """How the cycles of a runtime are fitted.

    Attributes:
        free: units of work, as in ``Cycles``, whose cost is
            fitted. Units joined by ``+`` cost the same.
        given: cycles of other units; those named nowhere cost nothing.
        board: the board that the coefficients hold for.
        shared_with: other runtimes whose rows tell the cost of each unit, too: the same kernels up
            to a factor. Only rows on ``board`` count in the errors.
        source: why these units.
    """

    free: tuple[str, ...]
    given: dict[str, float]
    board: str
    source: str
    shared_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How a runtime file is made from the shipped measurements.

    Attributes:
        runtime: name of the runtime, and of its file.
        measured_as: what the rows of the tables call it in their column ``runtime``.
        description: for the runtime file.
        rows: which rows they are, in words, for the runtime file.
        memory, flash, latency: how each quantity is fitted.
    """

    runtime: str
    measured_as: str
    description: str
    rows: str
    memory: MemoryRecipe
    flash: FlashRecipe
    latency: LatencyRecipe


_ELEMENTWISE = (Op.CONV, Op.DEPTHWISE, Op.DENSE, Op.ADD, Op.POOL, Op.GLOBAL_POOL, Op.ELEMENTWISE)
_ST_PLANNER = {
    "padded_copy": "in_place",
    "trailing_rows": 3,
    "im2col": True,
    "fused_pooling": True,
    "scale": 1.0,
}
_ST_VERSIONS = ("7.3.0", "8.1.0", "9.1.0", "10.0.0")
_ST_MEMORY_SOURCE = (
    "Activations: the output lies on top of an input that dies; a convolution pads in place and "
    "its output follows three rows behind, plus the scratch buffers that the tool declares in "
    "generated code; a pool without padding is fused into its convolution. The form of this was "
    "chosen with the rows in view, no coefficient of it is fitted; it gives nearly half of the "
    "published figures of version 7.3.0 to the last digit. "
)
_ST_ROWS = "ST model zoo (stm32_modelzoo.csv), int8, without the quantities in left_out"
_RAM_OF_LAYERS = ("fixed_kib", "kib_per_weighted_layer", "kib_per_other_layer")


def _stm32(
    runtime: str, version: str, in_place: tuple[Op, ...], memory: tuple[str, ...], note: str
) -> Recipe:
    return Recipe(
        runtime=runtime,
        measured_as=f"stm32cube-ai-{version}",
        description=f"STM32Cube.AI (X-CUBE-AI) {version}, as used in the ST model zoo",
        rows=_ST_ROWS,
        memory=MemoryRecipe(
            rule={"in_place": in_place, **_ST_PLANNER},
            free=(*memory, *_RAM_OF_LAYERS),
            by_parts=True,
            source=_ST_MEMORY_SOURCE + note,
        ),
        flash=FlashRecipe(
            free=("fixed_kib", "kib_per_kind", "kib_per_layer", "kib_per_channel"),
            source=(
                "Weights and biases are exact; fitted are the runtime, the kernel of each kind of "
                "layer, linked once, descriptors of layers, and scales of channels."
            ),
        ),
        latency=LatencyRecipe(
            free=(
                "conv_mac",
                "depthwise_mac",
                "dense_mac",
                "idle_mac",
                "input_element",
                "elementwise_element",
                "layer",
            ),
            given={},
            board="STM32H747I-DISCO",
            shared_with=tuple(
                f"stm32cube-ai-{other}" for other in _ST_VERSIONS if other != version
            ),
            source=(
                "Least squares of the logarithm over the versions 7.3.0 to 10.0.0 on several "
                "boards, which share the cycles of each unit up to a factor for version and board. "
                "One network of MLPerf Tiny tells the cost of dense layers; those of 1,000 outputs "
                "were measured at 4 to 8 cycles per weight, more than this gives."
            ),
        ),
    )


RECIPES: tuple[Recipe, ...] = (
    _stm32(
        "stm32cube-ai-7.3",
        "7.3.0",
        (*_ELEMENTWISE, Op.MUL),
        (),
        "Runtime RAM: fitted by layers. This version prints many footprints rounded to KiB.",
    ),
    _stm32(
        "stm32cube-ai-10",
        "10.0.0",
        _ELEMENTWISE,
        ("scale",),
        "Version 10 no longer multiplies in place. Its planner is not recovered: on STM32U585 it "
        "agrees with the rule, on STM32H747 it takes 4 to 71 KiB more, most for MobileNetV1; the "
        "factor is the middle of that. Runtime RAM: fitted by layers.",
    ),
    Recipe(
        runtime="tflm-cmsis-nn",
        measured_as="tflm-cmsis-nn",
        description="TensorFlow Lite for Microcontrollers with the kernels of CMSIS-NN (011bf32)",
        rows="TinyEngine's comparison on STM32H743 (mcunet.csv), networks whose layers are known",
        memory=MemoryRecipe(
            rule={"in_place": (), "padded_copy": "apart", "scale": 1.0},
            free=("kib_per_channel",),
            by_parts=False,
            source=(
                "Peak of live tensors with nothing in place, where a convolution that pads reads a "
                "padded copy of its input; per channel, scales, descriptors and scratch. Whole "
                "firmware."
            ),
        ),
        flash=FlashRecipe(
            free=("kib_per_channel", "fixed_kib"),
            source="Weights and biases are exact; the rest is fitted. Whole firmware.",
        ),
        latency=LatencyRecipe(
            free=("depthwise_mac", "input_element"),
            given={"conv_mac": 0.9, "dense_mac": 5.0},
            board="STM32H743",
            source=(
                "Convolutions as under STM32Cube.AI, whose rows tell them apart from other work, "
                "which these five cannot; dense layers at 5 cycles per weight, which suits their "
                "1,000 outputs. The clock of the board is not published; 480 MHz is assumed."
            ),
        ),
    ),
    Recipe(
        runtime="tinyengine",
        measured_as="tinyengine",
        description="TinyEngine of MCUNet (0363956), code generated for one network",
        rows="TinyEngine's comparison on STM32H743 (mcunet.csv), networks whose layers are known",
        memory=MemoryRecipe(
            rule={"in_place": (Op.DEPTHWISE, Op.ADD)},
            free=("scale", "fixed_kib"),
            by_parts=False,
            source=(
                "Peak of live tensors with depthwise convolutions and adds in place. Whole "
                "firmware."
            ),
        ),
        flash=FlashRecipe(
            free=("fixed_kib",),
            source=(
                "Weights and biases are exact. The rest of the firmware is 26 to 99 KiB in these "
                "rows, for reasons not known; neither channels nor layers explain it."
            ),
        ),
        latency=LatencyRecipe(
            free=("conv_mac+depthwise_mac+dense_mac", "input_element"),
            given={},
            board="STM32H743",
            source=(
                "Kernels are generated for each layer, so that all multiply-accumulates cost the "
                "same. The clock of the board is not published; 480 MHz is assumed."
            ),
        ),
    ),
)
