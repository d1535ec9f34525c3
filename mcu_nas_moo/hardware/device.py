"""Devices: boards, their chips, and how fast and power-hungry their cores are."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from mcu_nas_moo.common.yaml_files import Facts, Name, load_named, names

#: A number above 0; strict, so that ``yes`` does not count as 1.
Positive = Annotated[float, Field(gt=0, strict=True)]


class Figure(Facts):
    """A physical figure with where it comes from.

    Args:
        value: in the unit that the field's name gives.
        basis: ``measured`` on this very board, ``scaled`` from another board with the same core,
            ``estimated`` from a maker's figure or from measurements that compare unlike things, or
            ``given`` by a user without a source.
        source: the publication, row or calculation behind it. Those of the shipped devices are
            derived in ``benchmarks/core_factors.py``.
    """

    value: Positive
    basis: Literal["measured", "scaled", "estimated", "given"]
    source: str


def _figure(value: Any) -> Any:
    """Let a plain number stand for a figure without a source."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"value": value, "basis": "given", "source": "given without a source"}
    return value


SourcedFigure = Annotated[Figure, BeforeValidator(_figure)]


class Device(Facts):
    """A board with one microcontroller.

    Args:
        chip: part number of the microcontroller.
        clock_mhz: clock of the core at which latency and power hold.
        sram_kib: SRAM of the chip that can hold data, over all its blocks; backup memory and memory
            coupled to the core are left out, unless the latter continues the SRAM's addresses.
        cycles_factor: clock cycles that the core needs for the work of one cycle of the Cortex-M7
            that the runtimes are fitted on.
        active_power_mw: power while a network runs.
        memory_source: where the memory sizes stand.
    """

    board: Name
    chip: Name
    core: Literal[
        "cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "cortex-m85"
    ]
    clock_mhz: Positive
    flash_kib: Positive
    sram_kib: Positive
    cycles_factor: SourcedFigure
    active_power_mw: SourcedFigure
    memory_source: str = "given without a source"


_SHIPPED = files("mcu_nas_moo.hardware") / "devices"


def list_devices() -> list[str]:
    """Names of the devices that the package ships."""
    return names(_SHIPPED)


@cache
def load_device(name: str) -> Device:
    """The shipped device of that name.

    Raises:
        InputError: if there is none; the message lists those there are.
    """
    return load_named(Device, "device", name, _SHIPPED)


def device_table() -> str:
    """The shipped devices with the basis and source of each figure, as a table in Markdown."""
    rows = [
        "device | chip | core | MHz | Flash, KiB | SRAM, KiB | cycles per M7 cycle | power, mW "
        "| sources",
        " | ".join(["---"] * 9),
    ]
    for name in list_devices():
        facts = load_device(name)
        factor, power = facts.cycles_factor, facts.active_power_mw
        rows.append(
            f"`{name}` | {facts.chip} | {facts.core} | {facts.clock_mhz:g} | {facts.flash_kib:g} "
            f"| {facts.sram_kib:g} | {factor.value:g} ({factor.basis}) "
            f"| {power.value:g} ({power.basis}) | Memory: {facts.memory_source.rstrip('.')}. "
            f"Cycles: {factor.source.rstrip('.')}. Power: {power.source.rstrip('.')}."
        )
    return "".join(f"| {row} |\n" for row in rows)
