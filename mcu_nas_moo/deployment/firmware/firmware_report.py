"""What is known about a firmware folder, as its ``report.json`` says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import checksum, write_text_atomically
from mcu_nas_moo.common.yaml_files import Facts, read_values, validate
from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap

if TYPE_CHECKING:
    from pathlib import Path

REPORT = "report.json"
#: Files that users may change as they like: the example, the build files, and the report itself.
_FREE = {"main.c", "CMakeLists.txt", "toolchain.cmake", REPORT}


class ToolchainFacts(Facts):
    """Compiler, its version, and the flags of the core."""

    name: str
    version: str
    flags: tuple[str, ...]


class FirmwareFacts(Facts):
    """What a firmware is of and for.

    Args:
        subnet: name of the network.
        model_sha256: of the int8 ONNX file that it was made from.
        profile, core, chip: name of the profile, and what its device has.
        generator: what wrote the C code, with its version.
        arena_bytes: the block that holds all activations.
        predicted_for: runtime whose costs the cost model of the profile foretells, another one.
    """

    subnet: str
    model_sha256: str
    profile: str
    core: str
    chip: str
    generator: str
    toolchain: ToolchainFacts
    arena_bytes: int
    predicted_for: str


class FirmwareReport(FirmwareFacts):
    """Facts of a firmware.

    Args:
        weights: ``retrained`` or ``shared``.
        chip_map: addresses that ``firmware.elf`` and ``emulation/chip.elf`` are linked at.
        board: QEMU's name of the board that ``emulation/board.elf`` is linked for, if any.
        arena_bound_bytes: what no placement of the same tensors can go below.
        peak_layer: layer during which the arena is fullest.
        macs: multiply-accumulates of one inference.
        flash_bytes: of ``firmware.elf``: vectors, code, constants, and the image of ``.data``.
        ram_bytes: of it: ``.data`` and ``.bss``, the arena included, without the stack.
        flash_of_weights: part of the Flash that holds weights, biases and quantisation parameters.
        predicted: what the cost model of the profile says, by metric.
        files: SHA-256 of what the images were made from and of the images, by path.
        seconds: that generating and building took.
    """

    space: str
    genotype: tuple[int, ...]
    weights: str
    chip_map: MemoryMap
    board: str | None = None
    board_map: MemoryMap | None = None
    arena_bound_bytes: int
    peak_layer: str
    macs: int
    flash_bytes: int
    ram_bytes: int
    flash_of_weights: int
    limits: dict[str, float]
    predicted: dict[str, float]
    files: dict[str, str]
    seconds: float


def file_sums(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a firmware folder that are not meant to be changed, by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in paths}
    return {name: checksum(path) for name, path in names.items() if name not in _FREE}


def check_files(report: FirmwareReport, folder: Path) -> None:
    """Raise an InputError if a file of the folder is no longer the one that was built."""
    now = file_sums(folder)
    for name, known in report.files.items():
        if now.get(name) != known:
            what = "was changed" if name in now else "is missing"
            raise InputError(
                f"{folder / name} {what} since the firmware was built; build it again with "
                "`mcu-nas firmware`"
            )


def read_report(folder: Path) -> FirmwareReport:
    """The report of a firmware folder.

    Raises:
        InputError: if there is none, or it is damaged; the message names the remedy.
    """
    path = folder / REPORT
    if not path.is_file():
        raise InputError(f"no firmware in {folder}; `mcu-nas firmware` builds it")
    try:
        # JSON is YAML as well.
        return validate(FirmwareReport, read_values(path, str(path)), str(path))
    except ValueError as error:
        raise InputError(f"{error}; build it again with `mcu-nas firmware`") from None


def write_report(report: FirmwareReport, folder: Path) -> None:
    """Write the report of a firmware folder."""
    text = report.model_dump_json(indent=2, exclude_none=True) + "\n"
    write_text_atomically(folder / REPORT, text)
