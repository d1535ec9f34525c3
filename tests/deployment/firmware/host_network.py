"""Generated C code, compiled for the machine that the tests run on, by clang of ziglang."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

FIRMWARE = Path(str(files("mcu_nas_moo.deployment.firmware")))


def compile_for_host(folder: Path, *sources: Path, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """A shared library of C ``sources``."""
    pytest.importorskip("ziglang")
    library = folder / "library.so"
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O2", "-w"]
    command += ["-ffp-contract=off", f"-I{FIRMWARE}", *flags]
    subprocess.run([*command, *map(str, sources), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


class HostNetwork:
    """Runs a generated network on the machine of the tests."""

    def __init__(self, source, folder: Path) -> None:
        self.source = source
        (folder / "kernels").mkdir(exist_ok=True)
        for name, text in source.kernels.items():
            (folder / "kernels" / name).write_text(text)
        (folder / "code.c").write_text(source.code)
        (folder / "data.c").write_text(source.data)
        (folder / "arena.c").write_text(
            f"#include <stdint.h>\nint8_t mcu_nas_arena[{source.plan.size}];\n"
        )
        self.library = compile_for_host(
            folder, folder / "code.c", folder / "data.c", folder / "arena.c"
        )
        self.arena = np.ctypeslib.as_array(
            (ctypes.c_int8 * source.plan.size).in_dll(self.library, "mcu_nas_arena")
        )

    def run(self, inputs: np.ndarray, classes: int = 10) -> np.ndarray:
        """Outputs for int8 inputs ``(N, channels, height, width)``."""
        begin, end = self.source.input_offset, self.source.output_offset
        outputs = []
        for image in inputs:
            self.arena[begin : begin + image.size] = image.ravel()
            self.library.mcu_nas_model()
            outputs.append(self.arena[end : end + classes].copy())
        return np.array(outputs)
