"""Instructions per multiply-accumulate of the firmware's kernels, here and in an older commit.

python benchmarks/kernel_instructions.py

Compiles single kernels for each core by gcc and zig, calls them in Unicorn with random numbers, and
writes benchmarks/results/kernel_instructions.md. The older kernels are those of commit e1d74f5.
"""

from __future__ import annotations

import csv
import math
import struct
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import unicorn
from markdown_table import markdown_table
from unicorn import arm_const

from mcu_nas_moo.deployment.emulation.unicorn_core import CORES, instructions_in
from mcu_nas_moo.deployment.firmware.elf import read_firmware_image
from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap
from mcu_nas_moo.deployment.firmware.toolchain import find_toolchain

RESULT = Path(__file__).parent / "results" / "kernel_instructions.md"
FIRMWARE = Path(__file__).parents[1] / "mcu_nas_moo" / "deployment" / "firmware"
PUBLISHED = Path(__file__).parents[1] / "mcu_nas_moo/hardware/calibration/published"
BEFORE = "e1d74f5:mcu_nas_moo/deployment/firmware/sources"
PROFILED = ("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33")
MEMORY = MemoryMap(
    flash_origin=0x08000000, flash_bytes=1 << 20, ram_origin=0x20000000, ram_bytes=1 << 22
)
DEPTHWISE = [(3, 1), (3, 2), (5, 1), (5, 2)]
OLD = '#include "kernels.h"\n' + "".join(f"MCU_NAS_DEPTHWISE({k}, {s})\n" for k, s in DEPTHWISE)
NEW = '#include "kernels/depthwise.h"\n' + "".join(
    f"MCU_NAS_DEPTHWISE({k}, {k}, {s})\n" for k, s in DEPTHWISE
)
#: Functions without which nothing can be linked.
REST = """
void Reset_Handler(void) {}
void *memset(void *to, int value, size_t size) {
    for (uint8_t *t = to; size--;) { *t++ = (uint8_t)value; }
    return to;
}
"""


class Case(NamedTuple):
    """A layer; depthwise if it has one input channel per output."""

    title: str
    kind: str
    channels: int
    outputs: int
    kernel: int
    stride: int
    size: int

    @property
    def out_size(self) -> int:
        """Side of the square output."""
        return (self.size + 2 * (self.kernel // 2) - self.kernel) // self.stride + 1

    @property
    def taps(self) -> int:
        """Weights of one output channel."""
        return (1 if self.kind == "depthwise" else self.channels) * self.kernel**2


CASES = [
    Case("pointwise, 16 to 64 channels, 32 x 32", "pointwise", 16, 64, 1, 1, 32),
    Case("pointwise, 64 to 96 channels, 14 x 14", "pointwise", 64, 96, 1, 1, 14),
    Case("pointwise, 96 to 24 channels, 7 x 7", "pointwise", 96, 24, 1, 1, 7),
    Case("dense, 512 to 10", "dense", 512, 10, 1, 1, 1),
    Case("3 x 3, 3 to 16 channels, 32 x 32", "convolution", 3, 16, 3, 1, 32),
    Case("3 x 3, stride 2, 16 to 16 channels, 16 x 16", "convolution", 16, 16, 3, 2, 16),
    *(
        Case(f"depthwise {k} x {k}, stride {s}, 64 x 16 x 16", "depthwise", 64, 64, k, s, 16)
        for k, s in DEPTHWISE
    ),
]


class Kernels:
    """Compiled kernels of one core in an emulator."""

    def __init__(self, source: str, include: list[Path], core: str, tool: str) -> None:
        toolchain = find_toolchain(tool)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            code, script, elf = folder / "k.c", folder / "k.ld", folder / "k.elf"
            functions = [
                "pointwise",
                "convolution",
                *(f"depthwise_{k}x{k}s{s}" for k, s in DEPTHWISE),
            ]
            if source == NEW:
                functions.append("dense")
            kept = ", ".join(f"(const void *)mcu_nas_{function}" for function in functions)
            vectors = '__attribute__((section(".vectors"), used)) const void *const vectors[]'
            code.write_text(f"{source}{REST}{vectors} = {{{kept}}};\n")
            script.write_text(MEMORY.linker_script())
            objects = toolchain.compile(core, [code], include, folder)
            toolchain.link(core, list(objects.values()), script, elf)
            self._image = read_firmware_image(elf)
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        model = CORES[core].upper().replace("-", "_")
        self._uc.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_{model}"))
        for origin, size in (
            (MEMORY.flash_origin, MEMORY.flash_bytes),
            (MEMORY.ram_origin, MEMORY.ram_bytes),
        ):
            self._uc.mem_map(origin, size)
        for segment in self._image.segments:
            self._uc.mem_write(segment.address, segment.content)
        self._free = MEMORY.ram_origin

    def place(self, content: bytes) -> int:
        """Address of ``content`` in RAM, until the next call."""
        address = self._free
        self._uc.mem_write(address, content)
        self._free += (len(content) + 15) & ~15
        return address

    def count(self, function: str, *arguments: int) -> int:
        """Instructions of a call."""
        uc, back = self._uc, MEMORY.flash_origin + MEMORY.flash_bytes - 16
        stack = MEMORY.ram_origin + MEMORY.ram_bytes - 4096
        rest = arguments[4:]
        uc.mem_write(stack, struct.pack(f"<{len(rest)}I", *rest))
        registers = [getattr(arm_const, f"UC_ARM_REG_R{number}") for number in range(4)]
        for register, value in zip(registers, arguments, strict=False):
            uc.reg_write(register, value)
        uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        uc.reg_write(arm_const.UC_ARM_REG_LR, back | 1)
        total = 0
        known: dict[tuple[int, int], int] = {}

        def block(uc: Any, address: int, size: int, user: Any) -> None:
            nonlocal total
            if (address, size) not in known:
                known[address, size] = instructions_in(bytes(uc.mem_read(address, size)))
            total += known[address, size]

        uc.ctl_flush_tb()
        hook = uc.hook_add(unicorn.UC_HOOK_BLOCK, block)
        uc.emu_start(self._image.symbol(f"mcu_nas_{function}") | 1, back)
        uc.hook_del(hook)
        self._free = MEMORY.ram_origin
        return total


def per_mac(kernels: Kernels, case: Case, before: bool) -> float:
    """Instructions per multiply-accumulate of one layer."""
    rng = np.random.default_rng(0)
    side, pixels = case.out_size, case.size**2
    x = kernels.place(rng.integers(-128, 128, case.channels * pixels).astype(np.int8).tobytes())
    weights = rng.integers(-127, 128, case.outputs * case.taps).astype(np.int8)
    w, y = kernels.place(weights.tobytes()), kernels.place(bytes(case.outputs * side**2))
    biases = kernels.place(rng.integers(-4000, 4000, case.outputs).astype(np.int32).tobytes())
    scale = 1 / (60 * np.sqrt(case.taps))
    scales = kernels.place(np.full(case.outputs, scale, np.float32).tobytes())
    pad, name = case.kernel // 2, case.kind
    if name == "depthwise":
        name += f"_{case.kernel}x{case.kernel}s{case.stride}"
    scratch = kernels.place(bytes(64 + max((case.size + 2 * pad) ** 2, 9 * case.taps)))
    if before:
        q = kernels.place(struct.pack("<fIf2i", 1, scales, 1, -7, 3))
        g = kernels.place(struct.pack("<6i", *[case.size] * 2, side, side, case.stride, pad))
        first = (x, y, w, biases, q, case.channels)
        last = {
            "depthwise": (g, scratch),
            "convolution": (case.outputs, case.kernel, g),
        }.get(case.kind, (case.outputs, pixels))
        name = "pointwise" if name == "dense" else name
    else:
        q = kernels.place(struct.pack("<2I2i", biases, scales, -7, 3))
        sizes = [case.size] * 2 + [side] * 2 + [case.kernel] * 2 + [case.stride] * 2
        g = kernels.place(struct.pack("<12h", *sizes, 1, 1, pad, pad))
        first = (x, y, w, q)
        last = {
            "dense": (case.channels, case.outputs),
            "pointwise": (case.channels, case.outputs, pixels, scratch),
            "convolution": (1, case.channels, case.outputs, g, scratch),
            "depthwise": (case.channels, g, scratch),
        }[case.kind]
    return kernels.count(name, *first, *last) / (case.outputs * side**2 * case.taps)


def published() -> str:
    """Cycles per multiply-accumulate of networks that others timed, with the sources."""
    macs: dict[str, int] = {}
    for row in csv.DictReader((PUBLISHED / "layers.csv").open(encoding="utf-8")):
        names = ("out_height", "out_width", "out_channels", "kernel_height", "kernel_width")
        if row["op"] in ("conv", "depthwise", "dense", "linear"):
            inputs = 1 if row["op"] == "depthwise" else int(row["in_channels"])
            count = math.prod(int(row[name] or 1) for name in names) * inputs
            macs[row["network"]] = macs.get(row["network"], 0) + count
    rows = []
    for row in csv.DictReader((PUBLISHED / "mcunet.csv").open(encoding="utf-8")):
        count = macs.get(row["network"], 0)
        if count and row["latency_ms"]:
            cycles = float(row["latency_ms"]) * float(row["clock_mhz"]) * 1e3
            names = (row["network"], row["runtime"], row["board"], row["source"].split("@")[0])
            rows.append([*names, f"{count / 1e6:.1f}", f"{cycles / count:.2f}"])
    heads = ["network", "runtime", "board", "source", "M MACs", "cycles per MAC"]
    return markdown_table(heads, rows, left=4)


def main() -> None:
    """Run all cases and write the table."""
    columns = [(core, tool) for tool in ("gcc", "zig") for core in PROFILED]
    cells: dict[tuple[str, str], list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        old = Path(name)
        for file in ("kernels.h", "include/math.h"):
            command = ["git", "show", f"{BEFORE}/{file}"]
            done = subprocess.run(command, capture_output=True, check=True)
            (old / Path(file).name).write_bytes(done.stdout)
        for core, tool in columns:
            before = Kernels(OLD, [old], core, tool)
            now = Kernels(NEW, [FIRMWARE], core, tool)
            cells[core, tool] = [
                f"{per_mac(before, case, True):.2f} / {per_mac(now, case, False):.2f}"
                for case in CASES
            ]
    heads = ["layer", *(f"{core.removeprefix('cortex-').upper()} {tool}" for core, tool in columns)]
    rows = [[case.title, *(cells[column][i] for column in columns)] for i, case in enumerate(CASES)]
    versions = " and ".join(f"{t.name} {t.version}" for t in map(find_toolchain, ("gcc", "zig")))
    text = "\n\n".join(
        [
            "# Instructions per multiply-accumulate of single kernels",
            "`python benchmarks/kernel_instructions.py`\n\nBefore / now: commit e1d74f5 and this, "
            f"by {versions}, counted in Unicorn {version('unicorn')}; copying, borders and "
            "rounding included. The M0+ has neither the DSP extension nor an FPU: most of its "
            "instructions round in software. They are no cycles.",
            markdown_table(heads, rows),
            "## Published\n\nNeither CMSIS-NN nor TinyEngine publishes instruction counts that "
            "were found. Times on boards give cycles per multiply-accumulate of whole networks: "
            "they hold wait states and caches, and the M7 may issue two instructions per cycle.",
            published(),
        ]
    )
    RESULT.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
