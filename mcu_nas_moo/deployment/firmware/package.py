"""The output folder of a firmware: sources, build files, images and the report."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require
from mcu_nas_moo.common.text import c_string
from mcu_nas_moo.deployment.firmware.c_source import KERNELS, MODEL, CSource, generate_c
from mcu_nas_moo.deployment.firmware.c_writer import ARENA
from mcu_nas_moo.deployment.firmware.elf import read_firmware_image
from mcu_nas_moo.deployment.firmware.firmware_report import (
    REPORT,
    FirmwareReport,
    ToolchainFacts,
    file_sums,
    write_report,
)
from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap, board_of, memory_map
from mcu_nas_moo.deployment.firmware.toolchain import SIMD_CORES, DoesNotFitError, Toolchain
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.spaces.abilities import HasNetworks, with_ability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcu_nas_moo.deployment.export.int8_model import Int8Model
    from mcu_nas_moo.hardware.profile import Profile

IMAGE = "firmware.elf"
EMULATION = "emulation"
#: Images that emulators run: linked for the chip, and for a board of QEMU.
CHIP_IMAGE, BOARD_IMAGE = f"{EMULATION}/chip.elf", f"{EMULATION}/board.elf"
#: Files of this package that go into the folder as they are.
_SOURCES = ("startup.c", "memory.c", "main.c")
#: What every image is linked of, beside its main program.
LIBRARY_SOURCES = ("mcu_nas.c", f"{MODEL}.c", f"{MODEL}_data.c", "startup.c", "memory.c")


@dataclass(frozen=True)
class FirmwareRequest:
    """What a firmware is made of.

    Attributes:
        map_file: address map of a chip that is not known, see :func:`memory_map`.
    """

    model: Int8Model
    profile: Profile
    toolchain: Toolchain
    map_file: Path | None = None


def build_firmware(
    request: FirmwareRequest, folder: Path, say: Callable[[str], object] = lambda _: None
) -> FirmwareReport:
    """Make the folder of a firmware; an older one is replaced once the new one is complete.

    ``say`` is told what happens next.

    Raises:
        DoesNotFitError: if the image is larger than Flash or RAM of the chip; it names the layer
            at the memory's peak. The folder is left as it was then, as after any error.
        InputError: for a network, chip or core that cannot be served, or a missing tool.
    """
    started = time.perf_counter()
    device = request.profile.device
    request.toolchain.flags(device.core)  # an unknown core should not wait for the code
    chip_map = memory_map(device, request.map_file)
    _check_place(folder)
    with _temporary_folder_beside(folder) as temporary:
        made = temporary / folder.name
        simd = request.toolchain.has_simd(device.core)
        if device.core in SIMD_CORES and not simd:
            say(f"{request.toolchain.name} has no DSP extension for {device.core}: slower kernels")
        say("generating C")
        source = generate_c(request.model.model, simd)
        write_sources(source, chip_map, request, made)
        say("compiling and linking")
        try:
            board, board_map = _build(request, chip_map, made)
        except DoesNotFitError as error:
            raise _explained(error, source, request) from None
        report = _report(request, source, chip_map, board, board_map, made, started)
        write_report(report, made)
        _replace(made, folder)
    return report


@contextmanager
def _temporary_folder_beside(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder``; folders that were made for it go again if empty."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
            yield Path(name)
    finally:
        for parent in missing:
            with suppress(OSError):  # not empty
                parent.rmdir()


def write_sources(
    source: CSource, chip_map: MemoryMap, request: FirmwareRequest, folder: Path
) -> None:
    """Write everything that a firmware is built from to a folder that does not exist yet.

    Raises:
        InputError: if jinja2 is not installed.
    """
    (folder / EMULATION).mkdir(parents=True)
    (folder / KERNELS).mkdir()
    shipped = files("mcu_nas_moo.deployment.firmware")
    for name in _SOURCES:
        (folder / name).write_text((shipped / "sources" / name).read_text("utf-8"), "utf-8")
    for name, text in source.kernels.items():
        (folder / KERNELS / name).write_text(text, "utf-8")
    harness = (shipped / "sources" / "verify_main.c").read_text("utf-8")
    (folder / EMULATION / "verify_main.c").write_text(harness, "utf-8")
    facts = _template_facts(source, request)
    jinja2 = require("jinja2", "firmware")
    environment = jinja2.Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    for name in ("mcu_nas.h", "mcu_nas.c", "CMakeLists.txt", "toolchain.cmake"):
        template = environment.from_string(
            (shipped / "templates" / f"{name}.j2").read_text("utf-8")
        )
        (folder / name).write_text(template.render(facts), "utf-8")
    (folder / f"{MODEL}.c").write_text(source.code, "utf-8")
    (folder / f"{MODEL}_data.c").write_text(source.data, "utf-8")
    (folder / "chip.ld").write_text(chip_map.linker_script(), "utf-8")


def _template_facts(source: CSource, request: FirmwareRequest) -> dict[str, Any]:
    model = request.model
    channels, height, width = model.input_shape
    preprocessing = model.preprocessing
    rows = []
    for row in preprocessing.table:
        numbers = [f"{value:4d}," for value in row]
        rows.append("\n".join("       " + "".join(numbers[i : i + 16]) for i in range(0, 256, 16)))
    return {
        "name": model.subnet.name,
        "arena": ARENA,
        "model": MODEL,
        "arena_bytes": source.plan.size,
        "input_offset": source.input_offset,
        "output_offset": source.output_offset,
        "channels": channels,
        "height": height,
        "width": width,
        "classes": [c_string(name) for name in model.class_names],
        "input_scale": repr(float(preprocessing.scale)),
        "input_zero_point": preprocessing.zero_point,
        "mean": ", ".join(f"{value!r}f" for value in preprocessing.mean),
        "std": ", ".join(f"{value!r}f" for value in preprocessing.std),
        "output_scale": repr(float(model.output_scale)),
        "output_zero_point": model.output_zero_point,
        "table": rows,
        "core": request.profile.device.core,
        "chip": request.profile.device.chip,
        "toolchain": request.toolchain.name,
        "gcc_flags": Toolchain("gcc", (), "").flags(request.profile.device.core),
    }


def _build(
    request: FirmwareRequest, chip_map: MemoryMap, folder: Path
) -> tuple[str | None, MemoryMap | None]:
    """Compile once, link for the chip and for QEMU's board; name and map of that board."""
    core, toolchain = request.profile.device.core, request.toolchain
    sources = [folder / name for name in (*LIBRARY_SOURCES, "main.c")]
    sources.append(folder / EMULATION / "verify_main.c")
    with tempfile.TemporaryDirectory() as objects_folder:
        objects = toolchain.compile(core, sources, [folder], Path(objects_folder))
        main, harness = objects.pop("main"), objects.pop("verify_main")
        common = list(objects.values())
        toolchain.link(core, [*common, main], folder / "chip.ld", folder / IMAGE)
        toolchain.link(core, [*common, harness], folder / "chip.ld", folder / CHIP_IMAGE)
        board = board_of(core)
        if board is None:
            return None, None
        board_map = board.memory_map(chip_map)
        script = folder / EMULATION / "board.ld"
        script.write_text(board_map.linker_script(), "utf-8")
        try:
            toolchain.link(core, [*common, harness], script, folder / BOARD_IMAGE)
        except DoesNotFitError:  # it fits the chip, which has more memory than the board
            script.unlink()
            return None, None
        return board.machine, board_map


def _explained(
    error: DoesNotFitError, source: CSource, request: FirmwareRequest
) -> DoesNotFitError:
    chip = request.profile.device.chip
    parts = []
    for memory, count in error.excess.items():
        text = f"its {'Flash' if memory == 'FLASH' else memory} by {count:,} bytes"
        if memory == "RAM":
            text += (
                f" (the arena has {source.plan.size:,} bytes; it is fullest in layer "
                f"{source.peak_layer})"
            )
        parts.append(text)
    explained = DoesNotFitError(error.excess)
    explained.args = (
        f"{request.model.subnet.name} does not fit {chip}: the image exceeds {' and '.join(parts)}",
    )
    return explained


def _report(
    request: FirmwareRequest,
    source: CSource,
    chip_map: MemoryMap,
    board: str | None,
    board_map: MemoryMap | None,
    folder: Path,
    started: float,
) -> FirmwareReport:
    model, profile, toolchain = request.model, request.profile, request.toolchain
    space = with_ability(model.subnet.search_space(), HasNetworks, "be built")
    table = space.network(model.subnet.genotype)
    costs = CostModel.of(profile).evaluate(table)._asdict()
    image = read_firmware_image(folder / IMAGE)
    return FirmwareReport(
        subnet=model.subnet.name,
        space=model.subnet.space,
        genotype=tuple(int(index) for index in model.subnet.genotype[0]),
        model_sha256=model.sha256,
        weights=model.weights,
        profile=profile.name,
        core=profile.device.core,
        chip=profile.device.chip,
        generator=f"mcu-nas-moo {version('mcu-nas-moo')}",
        toolchain=ToolchainFacts(
            name=toolchain.name,
            version=toolchain.version,
            flags=toolchain.flags(profile.device.core),
        ),
        chip_map=chip_map,
        board=board,
        board_map=board_map,
        arena_bytes=source.plan.size,
        arena_bound_bytes=source.plan.bound,
        peak_layer=source.peak_layer,
        macs=int(table.macs.sum()),
        flash_bytes=image.flash_bytes,
        ram_bytes=image.ram_bytes,
        flash_of_weights=sum(
            size for name, size in image.sizes.items() if name.startswith("weight")
        ),
        limits=profile.limits.model_dump(),
        predicted={name: float(values[0]) for name, values in costs.items()},
        predicted_for=profile.runtime,
        files=file_sums(folder),
        seconds=round(time.perf_counter() - started, 1),
    )


def _check_place(folder: Path) -> None:
    """Raise an InputError if ``folder`` is something else than a firmware folder."""
    if folder.is_dir():
        if (folder / REPORT).is_file() or not any(folder.iterdir()):
            return
    elif not folder.exists():
        return
    raise InputError(f"{folder} is there and is no firmware folder; move it away")


def _replace(made: Path, folder: Path) -> None:
    """Put the complete folder ``made`` where ``folder`` is or will be."""
    if not folder.exists():
        made.rename(folder)
        return
    old = made.with_name(f"{made.name}.old")  # goes with the temporary folder
    folder.rename(old)
    try:
        made.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
