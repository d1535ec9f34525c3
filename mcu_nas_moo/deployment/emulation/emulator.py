"""Running firmware on images in an emulator, whichever it is."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from mcu_nas_moo.common import processes
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.emulation.unicorn_core import FAULT, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap

#: Seconds without a further image after which a run is stopped.
PATIENCE = 300.0
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


class Instructions(NamedTuple):
    """Instructions that ``mcu_nas_run`` executed.

    Attributes:
        first: for the first image, within ``resolution``.
        mean: per image, over all images; ``None`` if only the first was counted.
    """

    first: int
    resolution: int
    mean: float | None


@dataclass(frozen=True, eq=False)
class EmulatedRun:
    """Outputs of firmware and what was measured on the way.

    Attributes:
        outputs: int8 ``(N, classes)``.
        seconds: of the whole run, on the host.
    """

    outputs: npt.NDArray[np.int8]
    statistics: Statistics
    instructions: Instructions
    seconds: float


class Emulator(ABC):
    """What runs firmware."""

    #: Whether firmware is linked for the addresses of a board, not for those of the chip.
    uses_board: ClassVar[bool]

    @property
    @abstractmethod
    def title(self) -> str:
        """Name and version."""

    @property
    @abstractmethod
    def emulated_core(self) -> str:
        """The core that it really emulates, which may stand in for another one."""

    @abstractmethod
    def command(self, elf: Path, memory: MemoryMap) -> list[str]:
        """Command that runs ``elf``, an absolute path, in a folder with ``in.bin``."""

    @abstractmethod
    def instructions(self, statistics: Statistics, files: dict[str, bytes]) -> Instructions:
        """What was counted; ``files`` are those that the run left in its folder.

        Raises:
            InputError: if the emulator does not count as expected.
        """

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
        start = time.monotonic()
        command = self.command(elf.resolve(), memory)
        code, files = _run_in_folder(command, images, classes, advance, patience)
        _check_end(code, files["messages"].decode(errors="replace").strip(), memory)
        statistics = Statistics.parse(files.get("stats.bin", b""))
        if (statistics.images, statistics.output_size) != (len(images), classes):
            raise FirmwareError(
                f"the firmware gave {statistics.output_size} outputs for {statistics.images} "
                f"images, expected {classes} for {len(images)}"
            )
        outputs = np.frombuffer(files.get("out.bin", b""), dtype=np.int8)
        return EmulatedRun(
            outputs.reshape(len(images), classes),
            statistics,
            self.instructions(statistics, files),
            time.monotonic() - start,
        )


def _run_in_folder(
    command: list[str],
    images: npt.NDArray[np.uint8],
    classes: int,
    advance: Callable[[int], object],
    patience: float,
) -> tuple[int, dict[str, bytes]]:
    """Run an emulator in a folder with the images as ``in.bin``; how it ended, and its files.

    ``out.bin``, with a byte per class and image, tells the progress.
    """
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
                done, last = 0, time.monotonic()
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
        return process.returncode, {path.name: path.read_bytes() for path in folder.iterdir()}


def _check_end(code: int, messages: str, memory: MemoryMap) -> None:
    """Raise the error for a program in an emulator that did not end well, by its exit code."""
    if code == FAULT:
        raise FirmwareError(f"the firmware faulted: {_fault(messages, memory)}")
    if code == REFUSED:
        raise InputError(messages)
    if code in _MEANING:
        raise FirmwareError(_MEANING[code])
    if code != 0:
        reason = " ".join(messages.split())[-300:] or "it printed nothing"
        raise FirmwareError(f"the emulator ended with code {code}: {reason}")


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
