"""The command ``mcu-nas verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.nas.subnet_options import (
    data_option,
    exported_model,
    folder_option,
    profile_of,
    profile_option,
    subnet_argument,
)
from mcu_nas_moo.cli.option_types import NOT_NEGATIVE, POSITIVE
from mcu_nas_moo.cli.problem_options import plain_console
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.tables import new_table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from mcu_nas_moo.common.arrays import IntArray
    from mcu_nas_moo.data.image_folders import ImageListing
    from mcu_nas_moo.deployment.emulation.verification import MemoryUse, Verification
    from mcu_nas_moo.deployment.export.int8_model import Int8Model


@click.command()
@subnet_argument
@profile_option
@data_option
@click.option(
    "-n",
    "--images",
    "count",
    type=POSITIVE,
    default=100,
    help="Test images to run on, equally many of each class.",
)
@folder_option(", with its firmware; the report goes to its subfolder verified")
@click.option(
    "--emulator",
    "emulator_name",
    type=click.Choice(["auto", "qemu", "unicorn"]),
    default="auto",
    help="auto is QEMU if it is installed, else Unicorn.",
)
@click.option("--seed", type=NOT_NEGATIVE, default=0, help="Of the sample of images.")
def verify(
    subnet: Path,
    profile: str | None,
    data: Path,
    count: int,
    out: Path | None,
    emulator_name: str,
    seed: int,
) -> None:
    """Run firmware on an emulated core, compare it with its model.

    \b
    Example:
      mcu-nas verify chosen.yaml --profile cortex-m4 --data images/

    SUBNET is a subnet file, see `mcu-nas front`; `mcu-nas firmware` builds its firmware. Outputs
    have to be those of onnxruntime, bit by bit, and Flash and RAM within the limits of the profile.

    Ends with 0 if so, with 1 if not or if the firmware faults, and with 2 for bad input.
    """  # noqa: D301
    from mcu_nas_moo.common.progress import Bars
    from mcu_nas_moo.data.image_folders import ImageListing
    from mcu_nas_moo.deployment.emulation.emulators import choose_emulator
    from mcu_nas_moo.deployment.emulation.verification import check_firmware
    from mcu_nas_moo.deployment.emulation.verification import verify as verify_firmware
    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.spaces.subnet_file import read_subnet

    console = plain_console()
    chosen = read_subnet(subnet)
    target = profile_of(chosen, profile)
    folder = DeploymentFolder.of(chosen, out)
    firmware = folder.firmware(target.name)
    emulator = choose_emulator(target.device.core, emulator_name)
    model = exported_model(chosen, subnet, folder)
    check_firmware(firmware, model, target)  # what is wrong is best said before images are read
    test = ImageListing.of(data / "test")
    rows = _sample(test, model, count, seed)
    if len(rows) < count:
        console.print(f"There are only {len(rows):,} test images; all of them are used.")
    images = test.read(rows)
    with Bars("images", console, transient=True) as progress:
        bar = progress.add_task(f"{target.name} on {emulator.title}", total=len(images))
        result = verify_firmware(
            firmware,
            model,
            target,
            images,
            emulator,
            advance=lambda done: progress.advance(bar, done),
        )
    report = folder.verification(target.name)
    result.save(report)
    _show(console, result, test, rows)
    console.print(f"report: {report}", soft_wrap=True)
    if result.problems:
        raise SystemExit(1)


def _sample(test: ImageListing, model: Int8Model, count: int, seed: int) -> IntArray:
    """Rows of the test images to run on."""
    import numpy as np

    if test.class_names != model.class_names:
        raise InputError(
            f"the test images are of the classes {', '.join(test.class_names)}, but the network "
            f"tells apart {', '.join(model.class_names)}; give the image folder it was made with"
        )
    return test.balanced(np.arange(len(test)), count, seed)


def _show(console: Console, result: Verification, test: ImageListing, rows: IntArray) -> None:
    toolchain = result.toolchain
    console.print(f"{result.subnet} on {result.profile}", style="bold")
    console.print(
        f"{result.chip}, {result.core}; built by {toolchain.name} {toolchain.version} "
        f"from the code of {result.generator}"
    )
    stands_in = ""
    if result.emulated_core != result.core:
        stands_in = f", which stands in for the {result.core}"
    console.print(f"run by {result.emulator}: a {result.emulated_core}{stands_in}")
    console.print(_memory(result))
    for line in _measured(result):
        console.print(line)
    console.print(f"not measured: {'; '.join(result.not_measured)}")
    if not result.problems:
        console.print(
            f"VERIFIED: bit-exact on {result.images:,} images, Flash and RAM within their limits",
            style="bold green",
        )
        return
    for problem in result.problems:
        console.print(f"FAILED: {problem}", style="bold red", soft_wrap=True)
    execution = result.execution
    if execution is not None and execution.outputs.first is not None:
        path = test.paths[rows[execution.outputs.first.image]]
        console.print(f"image {execution.outputs.first.image} is {path}", soft_wrap=True)
        from mcu_nas_moo.deployment.export.host_arithmetic import warning

        doubt = warning()
        if doubt is not None:
            console.print(f"Note: {doubt}.", soft_wrap=True)


def _memory(result: Verification) -> Table:
    from rich.text import Text

    numbers = ("bytes", "limit", "share", "cost model", "of it")
    table = new_table(["memory"], numbers, collapse_padding=True)
    table.add_column("verdict")

    def row(name: str, memory: MemoryUse) -> None:
        verdict = Text("fits", style="green")
        if memory.excess:
            verdict = Text(f"{memory.excess:,} too many", style="bold red")
        table.add_row(
            name,
            f"{memory.used:,}",
            f"{memory.limit:,}",
            f"{100 * memory.used / memory.limit:.0f} %",
            f"{memory.predicted:,}",
            f"{100 * memory.used / memory.predicted:.0f} %",
            verdict,
        )

    row("Flash", result.flash)
    if result.execution is not None:
        execution = result.execution
        row("RAM", execution.ram)
        rest = result.static_ram_bytes - result.arena_bytes
        table.add_row("  arena of activations", f"{result.arena_bytes:,}")
        table.add_row("  other data", f"{rest:,}")
        table.add_row("  stack, deepest", f"{execution.stack_bytes:,}")
    return table


def _measured(result: Verification) -> list[str]:
    """What the run itself says, line by line."""
    if result.execution is None:
        return []
    execution, outputs = result.execution, result.execution.outputs
    verdict = "bit-exact" if outputs.equal else "DIFFERENT"
    within = execution.instruction_resolution
    exact = "exact" if within == 1 else f"within {within}"
    return [
        f"cost model: memory that the runtime {result.predicted_for} would need",
        f"outputs: {verdict} against {result.reference} on {result.images:,} images "
        f"({outputs.values:,} values)",
        f"accuracy on these images: {100 * outputs.accuracy:.1f} % as executed, "
        f"{100 * outputs.reference_accuracy:.1f} % by {result.reference}",
        f"instructions: {execution.instructions:,} per inference ({exact}), "
        f"{execution.instructions_per_mac:.2f} per MAC",
    ]
