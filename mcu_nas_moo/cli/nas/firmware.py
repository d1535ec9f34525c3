"""The command ``mcu-nas firmware``: C code and firmware images of an exported subnet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.nas.subnet_options import (
    exported_model,
    folder_option,
    profile_of,
    profile_option,
    subnet_argument,
)
from mcu_nas_moo.cli.option_types import FILE
from mcu_nas_moo.cli.problem_options import plain_console
from mcu_nas_moo.common.tables import new_table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.deployment.firmware.firmware_report import FirmwareReport


class NotBuilt(click.ClickException):
    """Everything that was given is right, but the network is too large, or the compiler fails."""

    exit_code = 1


@click.command()
@subnet_argument
@profile_option
@folder_option(", where `mcu-nas export` wrote to")
@click.option(
    "--toolchain",
    type=click.Choice(["auto", "gcc", "zig"]),
    default="auto",
    help="arm-none-eabi-gcc, or the clang of the package ziglang; auto takes what is installed.",
)
@click.option(
    "--memory-map",
    type=FILE,
    help="YAML file with flash_origin, ram_origin and ram_kib, for a chip that is not known.",
)
def firmware(
    subnet: Path, profile: str | None, out: Path | None, toolchain: str, memory_map: Path | None
) -> None:
    """Make C code and firmware of SUBNET for the chip of a profile.

    \b
    Example:
      mcu-nas firmware chosen.yaml --profile cortex-m4

    Takes the int8 network that `mcu-nas export` wrote. The folder firmware/PROFILE gets the C
    sources with their API (mcu_nas.h), a CMake project, the linker script of the chip, an image
    with an example main, and the images that `mcu-nas verify` runs.

    Ends with 0 if the image fits the chip, with 1 if it does not; the limits of the profile, which
    may be lower, are judged by `mcu-nas verify`.
    """  # noqa: D301
    from mcu_nas_moo.common.extras import require
    from mcu_nas_moo.deployment.firmware.package import FirmwareRequest, build_firmware
    from mcu_nas_moo.deployment.firmware.toolchain import (
        CompilerError,
        DoesNotFitError,
        find_toolchain,
    )
    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.spaces.subnet_file import read_subnet

    chosen = read_subnet(subnet)
    target = profile_of(chosen, profile)
    require("jinja2", "firmware")
    compiler = find_toolchain(toolchain)
    folders = DeploymentFolder.of(chosen, out)
    model = exported_model(chosen, subnet, folders)
    console = plain_console()
    folder = folders.firmware(target.name)
    request = FirmwareRequest(model, target, compiler, memory_map)
    try:
        with console.status("Building firmware ...") as status:
            report = build_firmware(
                request, folder, lambda what: status.update(f"Building firmware: {what} ...")
            )
    except (DoesNotFitError, CompilerError) as error:
        raise NotBuilt(" ".join(str(error).split())) from error
    _show(report, console)
    console.print(f"Written to {folder} in {report.seconds:.1f} s.", soft_wrap=True)
    for problem in _beyond_limits(report):
        console.print(f"{problem}; `mcu-nas verify` will fail.", style="red", soft_wrap=True)
    arguments = [str(subnet), "--profile", profile or target.name]
    if out:
        arguments += ["--out", str(out)]
    import shlex

    console.print(f"Next: mcu-nas verify {shlex.join(arguments)} --data DIR", soft_wrap=True)


def _beyond_limits(report: FirmwareReport) -> list[str]:
    """Limits of the profile that the image exceeds, though it fits the chip."""
    used = {"Flash": (report.flash_bytes, "flash_kib"), "RAM": (report.ram_bytes, "sram_kib")}
    return [
        f"{name} exceeds the limit of {report.profile} by {excess:,} bytes"
        for name, (count, limit) in used.items()
        if (excess := math.ceil(count - report.limits[limit] * 1024)) > 0
    ]


def _show(report: FirmwareReport, console: Console) -> None:
    table = new_table(
        [""],
        ("bytes", "KiB", "limit KiB", f"cost model KiB ({report.predicted_for})"),
        title=f"{report.subnet} on {report.chip} ({report.core}), "
        f"{report.toolchain.name} {report.toolchain.version}",
    )

    def row(what: str, count: int, limit: float | None = None, cost: float | None = None) -> None:
        over = "  exceeded" if limit is not None and count / 1024 > limit else ""
        table.add_row(
            what,
            f"{count:,}",
            f"{count / 1024:.1f}",
            "" if limit is None else f"{limit:g}{over}",
            "" if cost is None else f"{cost:.1f}",
        )

    limits, predicted = report.limits, report.predicted
    row("Flash", report.flash_bytes, limits["flash_kib"], predicted["flash_kib"])
    row("  weights and quantisation", report.flash_of_weights)
    row("  code and tables", report.flash_bytes - report.flash_of_weights)
    row("RAM without stack", report.ram_bytes, limits["sram_kib"], predicted["sram_kib"])
    row("  arena", report.arena_bytes)
    row("  its lower bound", report.arena_bound_bytes)
    console.print(table)
    console.print(f"The arena is fullest in layer {report.peak_layer}.")
