"""Inference runtimes: how they lay out memory, what they add to it, and how fast they are.

A runtime is data. Its coefficients stand in ``runtimes/<name>.yaml`` together with the facts they
come from and how well they fit them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from mcu_nas_moo.networks.table import Op  # noqa: TC001 - pydantic reads it
from mcu_nas_moo.yaml_files import Facts, load_named, names

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

Coefficient = Annotated[float, Field(ge=0, strict=True)]


class Fit(Facts):
    """How well a group of coefficients agrees with published measurements.

    Args:
        quantity: what was measured.
        rows: which rows of which table.
        n_rows: how many.
        n_coefficients: how many coefficients were free in the fit; 0 if all were given.
        mape_percent: mean absolute error relative to the measured value, on those very rows.
        worst_percent: the largest of these errors.
    """

    quantity: str
    rows: str
    n_rows: Annotated[int, Field(gt=0)]
    n_coefficients: Annotated[int, Field(ge=0)]
    mape_percent: Coefficient
    worst_percent: Coefficient


class MemoryRule(Facts):
    """SRAM: a multiple of the peak of live tensors, and what the runtime adds.

    Args:
        in_place: kinds of layers whose output may lie on top of an input that dies with them.
        explicit_padding: a convolution wider than 1 reads a padded copy of its input.
        scale: factor on the peak.
        fixed_kib: added once.
        kib_per_layer: added for each layer.
        kib_per_channel: added for each output channel of a layer with weights.
        source: where rule and coefficients come from.
        fits: agreement with measurements.
    """

    in_place: tuple[Op, ...]
    explicit_padding: bool = False
    scale: Annotated[float, Field(ge=0.5, le=2)]
    fixed_kib: Coefficient
    kib_per_layer: Coefficient
    kib_per_channel: Coefficient
    source: str
    fits: tuple[Fit, ...]

    @model_validator(mode="after")
    def _one_rule_per_input(self) -> MemoryRule:
        if self.explicit_padding and self.in_place:
            raise ValueError(
                "explicit_padding and in_place exclude each other: "
                "a padded copy takes the place of the input that would be overwritten"
            )
        return self


class FlashRule(Facts):
    """Flash: parameters, what the runtime stores beside them, and code.

    Args:
        bytes_per_weight: of an int8 network, 1.
        bytes_per_bias: 4; one bias per output channel of each layer with weights.
        kib_per_channel: scales and other tables for each such channel.
        kib_per_layer: code and descriptors for each layer.
        fixed_kib: code of the runtime and its kernels.
        source: where the coefficients come from.
        fits: agreement with measurements.
    """

    bytes_per_weight: Coefficient
    bytes_per_bias: Coefficient
    kib_per_channel: Coefficient
    kib_per_layer: Coefficient
    fixed_kib: Coefficient
    source: str
    fits: tuple[Fit, ...]


class CyclesPerMac(Facts):
    """Cycles per multiply-accumulate by kind of layer; pointwise convolutions count as conv."""

    conv: Coefficient
    depthwise: Coefficient
    dense: Coefficient


class LatencyRule(Facts):
    """Latency: cycles on the reference core, linear in MACs and output elements.

    Args:
        reference_core: the core that the coefficients hold for; devices scale from it.
        cycles_per_mac: by kind of layer.
        cycles_per_output_element: for each element that any layer writes.
        source: where the coefficients come from.
        fits: agreement with measurements.
    """

    reference_core: Literal["cortex-m7"]
    cycles_per_mac: CyclesPerMac
    cycles_per_output_element: Coefficient
    source: str
    fits: tuple[Fit, ...]


class Runtime(Facts):
    """An inference runtime for int8 networks."""

    description: str
    memory: MemoryRule
    flash: FlashRule
    latency: LatencyRule


def _folder() -> Traversable:
    return files("mcu_nas_moo.costs") / "runtimes"


def list_runtimes() -> list[str]:
    """Names of the runtimes that the package ships."""
    return names(_folder())


@cache
def load_runtime(name: str) -> Runtime:
    """The shipped runtime of that name.

    Raises:
        ValueError: if there is none; the message lists those there are.
    """
    return load_named(Runtime, "runtime", name, _folder())
