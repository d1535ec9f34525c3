"""What an emulated run shows about firmware: outputs, memory and instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.yaml_files import Facts
from mcu_nas_moo.deployment.emulation.emulator import FirmwareError
from mcu_nas_moo.deployment.firmware.elf import read_firmware_image
from mcu_nas_moo.deployment.firmware.firmware_report import (
    FirmwareFacts,
    FirmwareReport,
    check_files,
    read_report,
)
from mcu_nas_moo.deployment.firmware.package import BOARD_IMAGE, CHIP_IMAGE, IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from mcu_nas_moo.data.images import Images
    from mcu_nas_moo.deployment.emulation.emulator import EmulatedRun, Emulator
    from mcu_nas_moo.deployment.export.int8_model import Int8Model
    from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap
    from mcu_nas_moo.hardware.profile import Profile

#: What no emulator of instructions tells.
NOT_MEASURED = ("clock cycles, milliseconds and energy", "Flash and RAM of other runtimes")


class Difference(Facts):
    """The first output that is not what the reference computes.

    Args:
        image: number of the image, from 0 on.
        output: number of the output, from 0 on.
        got, expected: int8 values of the firmware and of the reference.
    """

    image: int
    output: int
    class_name: str
    got: int
    expected: int


class OutputComparison(Facts):
    """Outputs of the firmware against those of the reference.

    Args:
        values: outputs that were compared.
        different_images, different_values: how many are not equal.
        first: the first difference, ``None`` if all values are equal.
        accuracy, reference_accuracy: share of the images whose highest output is their class.
    """

    values: int
    different_images: int
    different_values: int
    first: Difference | None
    accuracy: float
    reference_accuracy: float

    @property
    def equal(self) -> bool:
        """Whether all values are equal."""
        return self.different_values == 0


class MemoryUse(Facts):
    """Bytes of a memory: in use, allowed by the profile, and foretold by its cost model."""

    used: int
    limit: int
    predicted: int

    @property
    def excess(self) -> int:
        """Bytes beyond the limit; 0 if there are none."""
        return max(0, self.used - self.limit)


class Execution(Facts):
    """What was measured while the firmware ran.

    Args:
        ram: ``.data``, ``.bss`` and the deepest stack.
        stack_bytes: deepest stack, found by painting; start-up and the main program included.
        stack_room: bytes that the linker left for it.
        instructions: of one inference on the first image, exact within
            ``instruction_resolution``.
        mean_instructions: per inference over all images, if all were counted.
        instructions_per_mac: of the first image.
        seconds: of the emulation, on the host.
    """

    outputs: OutputComparison
    ram: MemoryUse
    stack_bytes: int
    stack_room: int
    instructions: int
    instruction_resolution: int
    mean_instructions: float | None
    instructions_per_mac: float
    seconds: float


class Verification(FirmwareFacts):
    """The report of an emulated run; what it says holds for this toolchain and these flags.

    Args:
        firmware_sha256: of ``firmware.elf``.
        emulator: name and version of what ran it.
        reference: what computed the expected outputs.
        flash: vectors, code, constants and the image of ``.data``.
        static_ram_bytes: ``.data`` and ``.bss``.
        fault: why the firmware did not run to its end, ``None`` if it did.
        execution: ``None`` if it did not.
        not_measured: what the report says nothing about.
    """

    firmware_sha256: str
    images: int
    emulator: str
    emulated_core: str
    reference: str
    flash: MemoryUse
    static_ram_bytes: int
    fault: str | None = None
    execution: Execution | None = None
    not_measured: tuple[str, ...] = NOT_MEASURED

    @property
    def problems(self) -> list[str]:
        """What is wrong with the firmware, a line each; none if it is verified."""
        problems = []
        if self.fault is not None:
            problems.append(self.fault)
        if self.flash.excess:
            problems.append(f"Flash exceeds the profile's limit by {self.flash.excess:,} bytes")
        if self.execution is None:
            return problems
        if self.execution.ram.excess:
            problems.append(
                f"RAM exceeds the profile's limit by {self.execution.ram.excess:,} bytes"
            )
        outputs = self.execution.outputs
        if outputs.first is not None:
            first = outputs.first
            problems.append(
                f"outputs differ from {self.reference} on {outputs.different_images:,} of "
                f"{self.images:,} images ({outputs.different_values:,} of {outputs.values:,} "
                f"values); first on image {first.image}: output {first.output} "
                f"({first.class_name}) is {first.got}, expected {first.expected}"
            )
        return problems

    def save(self, path: Path) -> None:
        """Write the report as JSON."""
        write_text_atomically(path, self.model_dump_json(indent=2) + "\n")


def compare_outputs(
    got: npt.NDArray[np.int8],
    expected: npt.NDArray[np.int8],
    targets: npt.NDArray[np.int64],
    class_names: tuple[str, ...],
) -> OutputComparison:
    """Compare outputs ``(N, classes)``; ``targets`` are class numbers ``(N,)``.

    Of several highest outputs the first one counts, in the firmware as in the reference.
    """
    different = got != expected
    first = None
    if different.any():
        image, output = (int(index) for index in np.argwhere(different)[0])
        first = Difference(
            image=image,
            output=output,
            class_name=class_names[output],
            got=int(got[image, output]),
            expected=int(expected[image, output]),
        )
    return OutputComparison(
        values=got.size,
        different_images=int(different.any(axis=1).sum()),
        different_values=int(different.sum()),
        first=first,
        accuracy=float((got.argmax(axis=1) == targets).mean()),
        reference_accuracy=float((expected.argmax(axis=1) == targets).mean()),
    )


def check_firmware(folder: Path, model: Int8Model, profile: Profile) -> FirmwareReport:
    """The report of a firmware folder, once it is clear that model and profile belong to it.

    Raises:
        InputError: if the folder is incomplete or was made from something else.
    """
    report = read_report(folder)
    rebuild = "build it again with `mcu-nas firmware`"
    if report.model_sha256 != model.sha256:
        raise InputError(
            f"the firmware in {folder} was made from another int8.onnx than the one that is "
            f"exported now; {rebuild}"
        )
    built_for = (report.profile, report.core, report.chip)
    if built_for != (profile.name, profile.device.core, profile.device.chip):
        raise InputError(
            f"the firmware in {folder} was built for {', '.join(built_for)}, not for "
            f"{profile.name}, {profile.device.core}, {profile.device.chip}; {rebuild}"
        )
    check_files(report, folder)
    return report


def verify(
    folder: Path,
    model: Int8Model,
    profile: Profile,
    images: Images,
    emulator: Emulator,
    advance: Callable[[int], object] = lambda count: None,
) -> Verification:
    """Run firmware on images in an emulator and compare it with its int8 ONNX model.

    Args:
        folder: of the firmware, see ``build_firmware``.
        model: that it was made from; onnxruntime computes the expected outputs.
        profile: that it was built for; its limits hold.
        advance: is told how many more images are done.

    Raises:
        InputError: if folder, model and profile do not belong together, or files are damaged.
    """
    from mcu_nas_moo.data.preprocessing import pixels_at

    report = check_firmware(folder, model, profile)
    image = read_firmware_image(folder / IMAGE)
    pixels = pixels_at(images, model.input_shape[1])

    def memory_use(used: int, metric: str) -> MemoryUse:
        limit, predicted = getattr(profile.limits, metric), report.predicted[metric]
        return MemoryUse(used=used, limit=round(limit * 1024), predicted=round(predicted * 1024))

    fault, execution = None, None
    try:
        run = run_firmware(folder, report, emulator, pixels, len(model.class_names), advance)
    except FirmwareError as error:
        fault = str(error)
    else:
        expected = model.run(model.preprocessing(pixels))
        targets = images.targets.numpy()
        execution = Execution(
            outputs=compare_outputs(run.outputs, expected, targets, model.class_names),
            ram=memory_use(image.ram_bytes + run.statistics.stack_bytes, "sram_kib"),
            stack_bytes=run.statistics.stack_bytes,
            stack_room=run.statistics.stack_room,
            instructions=run.instructions.first,
            instruction_resolution=run.instructions.resolution,
            mean_instructions=run.instructions.mean,
            instructions_per_mac=run.instructions.first / report.macs,
            seconds=round(run.seconds, 1),
        )
    return Verification(
        **report.model_dump(include=set(FirmwareFacts.model_fields)),
        firmware_sha256=report.files[IMAGE],
        images=len(images),
        emulator=emulator.title,
        emulated_core=emulator.emulated_core,
        reference=f"onnxruntime {require('onnxruntime', 'export').__version__}",
        flash=memory_use(image.flash_bytes, "flash_kib"),
        static_ram_bytes=image.ram_bytes,
        fault=fault,
        execution=execution,
    )


def run_firmware(
    folder: Path,
    report: FirmwareReport,
    emulator: Emulator,
    pixels: npt.NDArray[np.uint8],
    classes: int,
    advance: Callable[[int], object] = lambda count: None,
) -> EmulatedRun:
    """Run the image that is linked for the emulator's addresses.

    Args:
        folder, report: of the firmware.
        pixels: uint8 ``(N, channels, height, width)``.
        classes: outputs per image.
        advance: is told how many more images are done.

    Raises:
        InputError: if there is no image for the emulator, or the emulator is missing.
        FirmwareError: if the firmware does not run to its end.
    """
    memory: MemoryMap | None
    name, memory = CHIP_IMAGE, report.chip_map
    if emulator.uses_board:
        name, memory = BOARD_IMAGE, report.board_map
    if memory is None:
        raise InputError(
            f"the firmware in {folder} has no image for a board; build it again with "
            "`mcu-nas firmware`"
        )
    read_firmware_image(folder / name)  # a damaged one is better found by its reader
    rows = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))  # as cameras deliver: rows of RGB
    return emulator.run(folder / name, memory, rows, classes, advance)
