"""``mcu-nas profile``: the boards, runtimes and profiles there are, and profiles of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.option_types import FILE
from mcu_nas_moo.cli.problem_options import plain_console
from mcu_nas_moo.common.tables import new_table
from mcu_nas_moo.contracts.metrics import LIMITED

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.hardware.device import Figure
    from mcu_nas_moo.hardware.profile import Profile


@click.group()
def profile() -> None:
    """Show boards, runtimes and limits, and make your own.

    \b
    Examples:
      mcu-nas profile list
      mcu-nas profile new my-board.yaml
    """  # noqa: D301


@profile.command("list")
def list_() -> None:
    """List the shipped profiles.

    \b
    Example:
      mcu-nas profile list
    """  # noqa: D301
    from mcu_nas_moo.hardware.profile import list_profiles, load_profile

    table = new_table(
        ("profile", "chip", "core", "runtime"),
        [f"{metric.short}\n{metric.unit}" for metric in LIMITED.values()],
    )
    for name in list_profiles():
        facts = load_profile(name)
        limits = (f"{getattr(facts.limits, metric.name):g}" for metric in LIMITED.values())
        table.add_row(name, facts.device.chip, facts.device.core, facts.runtime, *limits)
    console = plain_console(widest=100)
    console.print(table)
    console.print("The figures are limits: what the application leaves to the network.")
    console.print("More: mcu-nas profile show NAME. Your own: mcu-nas profile new my-board.yaml")


@profile.command()
@click.option("--markdown", is_flag=True, help="The devices with their sources, in Markdown.")
def devices(markdown: bool) -> None:
    """List the devices and runtimes that a profile can name.

    \b
    Example:
      mcu-nas profile devices
    """  # noqa: D301
    from mcu_nas_moo.hardware.device import device_table, list_devices, load_device
    from mcu_nas_moo.hardware.runtime import list_runtimes, load_runtime

    if markdown:
        click.echo(device_table(), nl=False)
        return
    console = plain_console(widest=100)
    table = new_table(
        ("device", "chip", "core"),
        ("MHz", "Flash\nKiB", "SRAM\nKiB", "cycles per\nM7 cycle", "power\nmW"),
    )
    for name in list_devices():
        facts = load_device(name)
        table.add_row(
            name,
            facts.chip,
            facts.core,
            f"{facts.clock_mhz:g}",
            f"{facts.flash_kib:g}",
            f"{facts.sram_kib:g}",
            _with_mark(facts.cycles_factor),
            _with_mark(facts.active_power_mw),
        )
    console.print(table)
    console.print("m: measured; s: scaled from a board with the same core; e: estimated.")
    console.print("Sources: mcu-nas profile devices --markdown\n")
    table = new_table(("runtime", ""))
    for name in list_runtimes():
        table.add_row(name, load_runtime(name).description)
    console.print(table)


@profile.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the profile NAME, with the source of each figure.

    \b
    Examples:
      mcu-nas profile show cortex-m7
      mcu-nas profile show my-board.yaml
    """  # noqa: D301
    from rich.table import Column

    from mcu_nas_moo.hardware.profile import load_profile
    from mcu_nas_moo.hardware.runtime import load_runtime

    facts = load_profile(name)
    device = facts.device
    rows = {
        "device": f"{device.board}: {device.chip}, {device.core} at {device.clock_mhz:g} MHz",
        "memory": f"{device.flash_kib:g} KiB Flash, {device.sram_kib:g} KiB SRAM "
        f"({device.memory_source})",
        "cycles per M7 cycle": _with_source(device.cycles_factor),
        "power, mW": _with_source(device.active_power_mw),
        "runtime": f"{facts.runtime}: {load_runtime(facts.runtime).description}",
        "limits": ", ".join(_limit(facts, metric) for metric in LIMITED.values()),
    }
    console = plain_console(widest=100)
    console.print(facts.name, style="bold")
    if facts.description:
        console.print(facts.description)
    columns = (Column(no_wrap=True), "")
    table = new_table(columns, box=None, show_header=False, padding=(0, 2, 0, 0))
    for heading, text in rows.items():
        table.add_row(heading, text)
    console.print(table)


@profile.command()
@click.argument("file", type=FILE)
@click.option("--device", help="A device that mcu-nas knows.  [default: nucleo-h7a3zi-q]")
@click.option("--runtime", help="A runtime, or a runtime file.  [default: one for the chip]")
@click.option("--from", "start", help="A profile, or a profile file, to take the rest from.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def new(
    file: Path, device: str | None, runtime: str | None, start: str | None, force: bool
) -> None:
    """Write a commented profile to FILE, to start from.

    \b
    Example:
      mcu-nas profile new my-board.yaml --device nucleo-h7a3zi-q

    Without --from, the network gets half of the memory of the device, and 100 ms.
    """  # noqa: D301
    from mcu_nas_moo.hardware.profile_template import write_profile

    write_profile(file, device, runtime, start, overwrite=force)
    click.echo(f"profile: {file}")


def _limit(facts: Profile, metric: Metric) -> str:
    limit, available = (getattr(part, metric.name, None) for part in (facts.limits, facts.device))
    share = f" ({limit / available:.0%} of the chip's)" if available else ""
    return f"{metric.short} {limit:g} {metric.unit}{share}"


def _with_mark(figure: Figure) -> str:
    """A figure and the initial of its basis."""
    return f"{figure.value:g} {figure.basis[0]}"


def _with_source(figure: Figure) -> str:
    return f"{figure.value:g}, {figure.basis}: {figure.source}"
