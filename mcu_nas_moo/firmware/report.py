"""What is known about a firmware folder, as its ``report.json`` says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.files import write_atomically
from mcu_nas_moo.firmware.memory_map import MemoryMap
from mcu_nas_moo.yaml_files import Facts, read_values, validate

if TYPE_CHECKING:
    from pathlib import Path

REPORT = "report.json"


class ToolchainFacts(Facts):
    """Compiler, its version, and the flags of the core."""

    name: str
    version: str
    flags: tuple[str, ...]


class FirmwareReport(Facts):
    """Facts of a firmware.

    Args:
        subnet: its name.
        space, genotype: which network it is.
        model_sha256: of the int8 ONNX file that it was made from.
        weights: ``retrained`` or ``shared``.
        profile: name of the profile.
        core, chip: of its device.
        generator: what wrote the C code, with its version.
        toolchain: what compiled it.
        chip_map: addresses that ``firmware.elf`` and ``emulation/chip.elf`` are linked at.
        board: QEMU's name of the board that ``emulation/board.elf`` is linked for, if any.
        board_map: its addresses.
        arena_bytes: the block that holds all activations.
        arena_bound_bytes: what no placement of the same tensors can go below.
        peak_layer: layer during which the arena is fullest.
        macs: multiply-accumulates of one inference.
        flash_bytes: of ``firmware.elf``: vectors, code, constants, and the image of ``.data``.
        ram_bytes: of it: ``.data`` and ``.bss``, the arena included, without the stack.
        flash_of_weights: part of the Flash that holds weights, biases and quantisation parameters.
        limits: of the profile, by metric.
        predicted: what the cost model of the profile says, by metric. Its runtime is another one.
        predicted_for: that runtime.
        seconds: that generating and building took.
    """

    subnet: str
    space: str
    genotype: tuple[int, ...]
    model_sha256: str
    weights: str
    profile: str
    core: str
    chip: str
    generator: str
    toolchain: ToolchainFacts
    chip_map: MemoryMap
    board: str | None = None
    board_map: MemoryMap | None = None
    arena_bytes: int
    arena_bound_bytes: int
    peak_layer: str
    macs: int
    flash_bytes: int
    ram_bytes: int
    flash_of_weights: int
    limits: dict[str, float]
    predicted: dict[str, float]
    predicted_for: str
    seconds: float


def read_report(folder: Path) -> FirmwareReport:
    """The report of a firmware folder.

    Raises:
        ValueError: if there is none, or it is damaged; the message names the remedy.
    """
    path = folder / REPORT
    if not path.is_file():
        raise ValueError(f"no firmware in {folder}; `mcu-nas firmware` builds it")
    # JSON is YAML as well.
    return validate(FirmwareReport, read_values(path, str(path)), str(path))


def write_report(report: FirmwareReport, folder: Path) -> None:
    """Write the report of a firmware folder."""
    text = report.model_dump_json(indent=2, exclude_none=True) + "\n"
    write_atomically(folder / REPORT, lambda partial: partial.write_text(text, encoding="utf-8"))
