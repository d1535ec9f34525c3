"""Running firmware on images in an emulator, whichever it is."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mcu_nas_moo.common import processes
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap

#: Seconds without a further image after which a run is stopped.
PATIENCE = 300.0
#: Code with which verify_main.c ends after a fault of the processor.
FAULT = 99
_MEANING = {
    2: "the firmware could not open the images",
    3: "the images ended within one; the firmware is of another input size",
    4: "the firmware could not write its outputs",
    5: "the stack of the firmware grew into its data: RAM is too small",
}
_POLL_SECONDS = 0.05


class FirmwareError(Exception):
    """Firmware that did not run to its end: a fault of the processor, an endless loop."""


@dataclass(frozen=True)
class Statistics:
    """What ``verify_main.c`` says about a run; its ``struct statistics``."""

    first_ticks: int
    total_ticks: int
    most_ticks: int
    images: int
    input_size: int
    output_size: int
    stack_bytes: int
    stack_room: int
    calibration_instructions: int
    calibration_ticks: int
    wraps: int

    @classmethod
    def parse(cls, content: bytes) -> Statistics:
        """Read ``stats.bin``.

        Raises:
            InputError: if it was not written by this version of ``verify_main.c``.
        """
        layout = struct.Struct("<3Q10I")
        if len(content) != layout.size or content[24:28] != b"MNV1":
            raise InputError(
                "the firmware was built by another version of this program; "
                "build it again with `mcu-nas firmware`"
            )
        values = layout.unpack(content)
        return cls(*values[:3], *values[4:12])


@dataclass(frozen=True, eq=False)
class EmulatedRun:
    """Outputs of firmware and what was measured on the way.

    Attributes:
        outputs: int8 ``(N, classes)``.
        statistics: of the firmware itself.
        instructions: executed by ``mcu_nas_run`` for the first image; within
            ``instruction_resolution``.
        mean_instructions: per image, over all images; ``None`` if only the first was counted.
        seconds: of the whole run, on the host.
    """

    outputs: npt.NDArray[np.int8]
    statistics: Statistics
    instructions: int
    instruction_resolution: int
    mean_instructions: float | None
    seconds: float


class Emulator(Protocol):
    """What runs firmware."""

    @property
    def title(self) -> str:
        """Name and version."""
        ...

    @property
    def emulated_core(self) -> str:
        """The core that it really emulates, which may stand in for another one."""
        ...

    @property
    def uses_board(self) -> bool:
        """Whether firmware is linked for the addresses of a board, not for those of the chip."""
        ...

    def run(
        self,
        elf: Path,
        memory: MemoryMap,
        images: npt.NDArray[np.uint8],
        classes: int,
        advance: Callable[[int], object] = lambda count: None,
        patience: float = PATIENCE,
    ) -> EmulatedRun:
        """Run ``elf``, which holds ``verify_main.c``, on images.

        Args:
            elf: linked for ``memory``.
            images: rows of RGB, uint8 ``(N, height, width, channels)``.
            classes: outputs per image.
            advance: is told how many more images are done.
            patience: seconds to wait for an image.

        Raises:
            FirmwareError: if the firmware faults, hangs, or says that something is wrong.
            InputError: if the emulator is missing or does not take the firmware.
        """
        ...


@dataclass(frozen=True, eq=False)
class Ended:
    """A program in an emulator that ended by itself, and the files that it left."""

    code: int
    messages: str
    outputs: bytes
    statistics: bytes
    files: dict[str, bytes]
    seconds: float


def run_in_folder(
    command: list[str],
    images: npt.NDArray[np.uint8],
    classes: int,
    advance: Callable[[int], object],
    patience: float,
) -> Ended:
    """Run an emulator in a folder with the images as ``in.bin``.

    Args:
        classes: bytes per image in ``out.bin``, which tell the progress.

    Raises:
        FirmwareError: if no image was finished for ``patience`` seconds.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mcu-nas-") as name:
        folder = Path(name)
        (folder / "in.bin").write_bytes(np.ascontiguousarray(images).tobytes())
        out = folder / "out.bin"
        with (folder / "messages").open("wb") as messages:
            process = processes.start(
                command,
                cwd=folder,
                # The same modules are found from the other folder.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
            )
            try:
                done, last = 0, start
                while process.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_POLL_SECONDS)
                    now = out.stat().st_size // classes if out.exists() else 0
                    if now > done:
                        advance(now - done)
                        done, last = now, time.monotonic()
                    elif time.monotonic() - last > patience:
                        raise FirmwareError(
                            f"the firmware did not finish image {done + 1} of {len(images)} "
                            f"within {patience:g} s"
                        )
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return Ended(
        code=process.returncode,
        messages=files["messages"].decode(errors="replace").strip(),
        outputs=files.get("out.bin", b""),
        statistics=files.get("stats.bin", b""),
        files=files,
        seconds=time.monotonic() - start,
    )


def check(
    ended: Ended, memory: MemoryMap, images: int, classes: int
) -> tuple[npt.NDArray[np.int8], Statistics]:
    """Outputs ``(N, classes)`` and statistics of a run that went well.

    Raises:
        FirmwareError: if it did not.
    """
    if ended.code == FAULT:
        raise FirmwareError(f"the firmware faulted: {_fault(ended.messages, memory)}")
    if ended.code in _MEANING:
        raise FirmwareError(_MEANING[ended.code])
    if ended.code != 0:
        reason = " ".join(ended.messages.split())[-300:] or "it printed nothing"
        raise FirmwareError(f"the emulator ended with code {ended.code}: {reason}")
    statistics = Statistics.parse(ended.statistics)
    if (statistics.images, statistics.output_size) != (images, classes):
        raise FirmwareError(
            f"the firmware gave {statistics.output_size} outputs for {statistics.images} images, "
            f"expected {classes} for {images}"
        )
    return np.frombuffer(ended.outputs, dtype=np.int8).reshape(images, classes), statistics


def _fault(messages: str, memory: MemoryMap) -> str:
    """What the program said about its fault, with the place of the address in words."""
    lines = [line for line in messages.splitlines() if line.startswith("fault ")]
    if not lines:
        return messages or "it printed nothing"
    line = lines[-1].removeprefix("fault ")
    fields = dict(field.partition("=")[::2] for field in line.split() if "=" in field)
    address = int(fields.get("address", "0"), 16)
    return f"{line}, {place(address, memory)}" if address else line


def place(address: int, memory: MemoryMap) -> str:
    """Where ``address`` lies, in words."""
    for name, origin, size in (
        ("Flash", memory.flash_origin, memory.flash_bytes),
        ("RAM", memory.ram_origin, memory.ram_bytes),
    ):
        if origin <= address < origin + size:
            return f"in {name}"
        if origin + size <= address < origin + 2 * size:
            return f"{address - origin - size:,} bytes behind the end of {name}"
        if origin - size <= address < origin:
            return f"{origin - address:,} bytes before the start of {name}"
    return "neither in Flash nor in RAM"
