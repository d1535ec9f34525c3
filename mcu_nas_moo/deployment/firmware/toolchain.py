"""Cross compilers for Cortex-M: Arm's GNU toolchain, or the clang of the package ziglang."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcu_nas_moo.common import processes
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.extras import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GCC = "arm-none-eabi-gcc"
#: Cores that code can be made for, with the flags that name them: of gcc, and of zig's clang.
#: Only single-precision FPUs are used, which all chips of a core have that has one.
CORES = {
    "cortex-m0plus": (
        ("-mcpu=cortex-m0plus", "-mfloat-abi=soft"),
        ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
    ),
    "cortex-m4": (
        ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
        ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp"),
    ),
    "cortex-m7": (
        ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
        ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16sp"),
    ),
    "cortex-m33": (
        ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
        ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m33+dsp+fp_armv8d16sp"),
    ),
    "cortex-m55": (
        # Without its vector extension: sums of floats in another order would be other numbers.
        ("-mcpu=cortex-m55+nomve", "-mfloat-abi=hard"),
        ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m55-mve+fp_armv8d16sp"),
    ),
}
#: Cores whose chips have the DSP extension: two products of int16 in one instruction.
SIMD_CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
#: For both compilers. Products and sums of floats stay apart, as onnxruntime computes them.
_FLAGS = (
    *("-std=c11", "-O3", "-fwrapv", "-ffp-contract=off", "-ffreestanding"),
    *("-ffunction-sections", "-fdata-sections", "-mthumb", "-g0"),
)


class CompilerError(RuntimeError):
    """A compiler refused code that this program wrote, or is not complete."""


class DoesNotFitError(InputError):
    """The image is larger than a memory of the chip.

    Attributes:
        excess: bytes that are too many, by memory (``FLASH``, ``RAM``).
    """

    def __init__(self, excess: Mapping[str, int]) -> None:
        self.excess = dict(excess)
        text = " and ".join(f"{memory} by {count:,} bytes" for memory, count in self.excess.items())
        super().__init__(f"the image exceeds {text}")


@dataclass(frozen=True)
class Toolchain:
    """A compiler and what it calls the cores.

    Attributes:
        name: ``gcc`` or ``zig``.
    """

    name: str
    command: tuple[str, ...]
    version: str

    def flags(self, core: str) -> tuple[str, ...]:
        """Flags that compile for a core.

        Raises:
            InputError: if no code can be made for that core.
        """
        if core not in CORES:
            raise InputError(f"no code can be made for {core}; only for {', '.join(CORES)}")
        of_gcc, of_zig = CORES[core]
        if self.name == "gcc":
            return (*of_gcc, *_FLAGS)
        return (*of_zig, *_FLAGS, "-fno-sanitize=all", "-fomit-frame-pointer")

    def has_simd(self, core: str) -> bool:
        """Whether code for a core uses the DSP extension."""
        with tempfile.TemporaryDirectory() as folder:
            macros = Path(folder, "macros")
            self._run([*self.flags(core), "-dM", "-E", "-x", "c", os.devnull, "-o", str(macros)])
            return "__ARM_FEATURE_SIMD32" in macros.read_text()

    def compile(
        self, core: str, sources: Sequence[Path], include: Sequence[Path], folder: Path
    ) -> dict[str, Path]:
        """Object files of ``sources`` in ``folder``, by the name of the source without ending."""
        folders = [f"-I{path}" for path in include]
        objects = {source.stem: folder / f"{source.stem}.o" for source in sources}

        def one(source: Path) -> None:
            output = str(objects[source.stem])
            self._run([*self.flags(core), *folders, "-c", str(source), "-o", output])

        with ThreadPoolExecutor() as pool:
            list(pool.map(one, sources))
        return objects

    def link(self, core: str, objects: Sequence[Path], script: Path, output: Path) -> None:
        """Link an image.

        Raises:
            DoesNotFitError: if it is larger than the memories of the linker script.
        """
        libraries = ["-lgcc"] if self.name == "gcc" else ["-rtlib=compiler-rt"]
        try:
            self._run(
                [
                    *self.flags(core),
                    *("-nostdlib", "-nostartfiles", "-Wl,--gc-sections", "-Wl,-e,Reset_Handler"),
                    *("-T", str(script)),
                    *map(str, objects),
                    *libraries,
                    *("-o", str(output)),
                ]
            )
        except CompilerError as error:
            excess = overflow(str(error))
            if excess:
                raise DoesNotFitError(excess) from None
            raise

    def _run(self, arguments: Sequence[str]) -> None:
        code, complaints = processes.run([*self.command, *arguments])
        if code:
            raise CompilerError(f"{self.name} {self.version}: {complaints.strip()}")


def overflow(messages: str) -> dict[str, int]:
    """Bytes too many by memory, from what GNU ld or lld say."""
    excess: dict[str, int] = {}
    for memory, count in re.findall(
        r"region [`'](\w+)'(?: overflowed by|: overflowed by) (\d+) bytes", messages
    ):
        excess[memory] = max(excess.get(memory, 0), int(count))
    return excess


def find_toolchain(name: str = "auto") -> Toolchain:
    """The toolchain ``gcc`` or ``zig``; with ``auto`` gcc if it is installed, else zig.

    Raises:
        InputError: if it is not installed; the message is the command that installs it.
    """
    if name not in ("auto", "gcc", "zig"):
        raise InputError(f"unknown toolchain {name!r}; choose one of auto, gcc, zig")
    if name in ("auto", "gcc"):
        command = shutil.which(GCC)
        if command:
            return Toolchain("gcc", (command,), _version([command, "-dumpfullversion"]))
        if name == "gcc":
            raise InputError(
                f"{GCC} is not installed; install it with: apt-get install gcc-arm-none-eabi"
            )
    require("ziglang", "firmware")
    command_of_zig = (sys.executable, "-m", "ziglang")
    return Toolchain("zig", (*command_of_zig, "cc"), _version([*command_of_zig, "version"]))


def _version(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(f"{' '.join(command)} does not run ({error}); install it again") from None
    return done.stdout.strip()
