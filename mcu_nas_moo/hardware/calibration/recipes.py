"""What is fitted for each shipped runtime, and what is given: the rules behind the coefficients."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from mcu_nas_moo.common.yaml_files import Facts, read_values, validate


class MemoryRecipe(Facts):
    """How the SRAM of a runtime is fitted.

    Args:
        rule: fields of ``MemoryRule`` that are given.
        free: coefficients of the rule to fit: of ``scale``, ``fixed_kib``, ``kib_per_channel``,
            ``kib_per_weighted_layer``, ``kib_per_other_layer``.
        by_parts: the sources print activations and the runtime's own RAM apart, so ``scale`` is
            fitted to the former and all others to the latter.
    """

    rule: dict[str, Any]
    free: tuple[str, ...]
    by_parts: bool = False
    source: str


class FlashRecipe(Facts):
    """How the Flash beside weights and biases is fitted.

    Args:
        free: of ``fixed_kib``, ``kib_per_kind``, ``kib_per_layer`` and ``kib_per_channel``.
    """

    free: tuple[str, ...]
    source: str


class LatencyRecipe(Facts):
    """How the cycles of a runtime are fitted.

    Args:
        free: units of work, as in ``Cycles``, whose cost is fitted. Those joined by ``+`` cost
            the same.
        given: cycles of other units; those named nowhere cost nothing.
        board: the board that the coefficients hold for.
        shared_with: other runtimes whose rows tell the cost of each unit, too: the same kernels up
            to a factor. Only rows on ``board`` count in the errors.
        source: why these units.
    """

    free: tuple[str, ...]
    given: dict[str, float]
    board: str
    shared_with: tuple[str, ...] = ()
    source: str


class Recipe(Facts):
    """How a runtime file is made from the shipped measurements.

    Args:
        runtime: name of the runtime, and of its file.
        measured_as: what the rows of the tables call it in their column ``runtime``.
        description: for the runtime file.
        rows: which rows they are, in words, for the runtime file.
    """

    runtime: str
    measured_as: str
    description: str
    rows: str
    memory: MemoryRecipe
    flash: FlashRecipe
    latency: LatencyRecipe


_VALUES = read_values(files("mcu_nas_moo.hardware.calibration") / "recipes.yaml", "recipes.yaml")
RECIPES: tuple[Recipe, ...] = tuple(
    validate(Recipe, {"runtime": name, **recipe}, f"recipes.yaml: {name}")
    for name, recipe in _VALUES.items()
)
