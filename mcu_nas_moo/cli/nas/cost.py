"""``mcu-nas cost``: what networks cost on a device, and whether they fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.option_types import FILE
from mcu_nas_moo.cli.problem_options import PROFILES_HELP, limit_options, plain_console, profiles_in
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.tables import new_table
from mcu_nas_moo.contracts.metrics import LIMITED, METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table
    from rich.text import Text

    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.hardware.cost_model.estimate import CostEstimate, LayerEstimate

_WIDTH = 100
#: Fewer columns than this tell no layer from another.
_NAME_WIDTH = 16


@click.command(context_settings={"max_content_width": _WIDTH})
@click.argument("models", metavar="MODEL.onnx...", type=FILE, nargs=-1)
@click.option(
    "--profile",
    "profile_name",
    default="cortex-m7",
    help=f"{PROFILES_HELP} Several give one table over boards.",
)
@click.option(
    "--input-shape", help="Shape of the input where the file leaves it open, such as 3,96,96."
)
@limit_options
@click.option("--per-layer", is_flag=True, help="Add each layer's part; the SRAM peak is marked.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document, layers included; a list of them for several models.",
)
@click.option(
    "--plot", type=FILE, help="Write a picture of the memory over the layers: a .png or .svg file."
)
def cost(
    models: tuple[Path, ...],
    profile_name: str,
    input_shape: str | None,
    limits: dict[str, float],
    per_layer: bool,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Costs of ONNX networks on boards, as if deployed in int8.

    \b
    Examples:
      mcu-nas cost model.onnx --profile cortex-m4 --per-layer
      mcu-nas cost model.onnx --profile all

    Flash, SRAM, latency and energy, with what is known of their errors, against the limits.

    Ends with 0 if all limits of the profile hold, with 1 if not, and with 2 for bad input.
    """  # noqa: D301
    if not models:
        raise InputError("no model given; say which, as in: mcu-nas cost model.onnx")
    names = profiles_in(profile_name)
    if len(names) > 1 and (per_layer or plot is not None):
        raise InputError("--per-layer and --plot show one board; give one --profile")
    if plot is not None:
        _check_plot(plot, models)
    shape = _shape(input_shape)
    from mcu_nas_moo.hardware.cost_model.estimate import estimate_cost
    from mcu_nas_moo.hardware.profile import load_profile

    profiles = [load_profile(name).with_limits(**limits) for name in names]
    # All before any output: bad input leaves nothing behind.
    estimates = [
        estimate_cost(model, profile, input_shape=shape) for model in models for profile in profiles
    ]
    if plot is not None:
        from mcu_nas_moo.hardware.cost_model.cost_pictures import draw_memory

        draw_memory(plot, estimates[0])
    if as_json:
        documents = [estimate.as_dict() for estimate in estimates]
        whole = documents if len(documents) > 1 else documents[0]
        import json

        click.echo(json.dumps(whole, indent=2, allow_nan=False))
    else:
        _show(estimates, per_layer) if len(profiles) == 1 else _show_boards(estimates)
        if plot is not None:
            click.echo(f"picture: {plot}")
    failed = [estimate for estimate in estimates if not estimate.fits]
    for estimate in failed:
        click.echo(f"{estimate.model} {estimate.verdict}", err=True)
    if failed:
        raise SystemExit(1)


def _check_plot(plot: Path, models: Sequence[Path]) -> None:
    """Refuse a picture that could not be written before anything else is done."""
    from mcu_nas_moo.hardware.cost_model.cost_pictures import FORMATS

    if len(models) > 1:
        raise InputError(f"--plot shows one network, but {len(models)} models are given")
    if plot.suffix.lower() not in FORMATS:
        raise InputError(f"--plot {plot}: expected a file that ends in {' or '.join(FORMATS)}")
    if not plot.parent.is_dir():
        raise InputError(f"--plot {plot}: the folder {plot.parent} does not exist")
    if plot.is_dir():
        raise InputError(f"--plot {plot}: expected a file, but this is a folder")


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(
            f"--input-shape: expected whole numbers above 0 with commas between, such as 3,96,96, "
            f"got {text!r}"
        )
    return tuple(int(part) for part in parts)


def _show(estimates: Sequence[CostEstimate], per_layer: bool) -> None:
    console = plain_console(widest=_WIDTH)
    profile = estimates[0].profile
    device = profile.device
    name = estimates[0].model if len(estimates) == 1 else f"{len(estimates)} networks"
    console.print(f"{name} on {profile.name}", style="bold")
    console.print(
        f"{device.chip} on {device.board}, {device.core} at {device.clock_mhz:g} MHz, "
        f"runtime {profile.runtime}"
    )
    console.print(_totals(estimates[0]) if len(estimates) == 1 else _comparison(estimates))
    for estimate in estimates if per_layer else ():
        console.print(_layers(estimate, console.width))
    if len(estimates) == 1:
        console.print(f"SRAM peak: while {estimates[0].peak_layer} runs.")
        for note in estimates[0].notes:
            console.print(f"- {note}")
    for estimate in estimates:
        if estimate.fits:  # the others are said on stderr
            console.print(f"{estimate.model} {estimate.verdict}", style="bold")


def _show_boards(estimates: Sequence[CostEstimate]) -> None:
    """Networks on several boards: a row each."""
    from rich.table import Column

    console = plain_console(widest=_WIDTH)
    models = dict.fromkeys(estimate.model for estimate in estimates)
    metrics = [*LIMITED.values(), *_unlimited(estimates[0])]
    names = [Column("profile", no_wrap=True)]
    if len(models) > 1:
        names.append(Column("model", overflow="ellipsis", no_wrap=True))
    title = f"{estimates[0].model if len(models) == 1 else f'{len(models)} networks'} on boards"
    table = new_table(
        names, [metric.heading for metric in metrics], title=title, collapse_padding=True
    )
    table.add_column("verdict")
    for estimate in estimates:
        model = [estimate.model] if len(models) > 1 else []
        table.add_row(estimate.profile.name, *model, *_figures(estimate, metrics))
    console.print(table)
    console.print("Limits and errors: mcu-nas cost with one --profile.")


def _totals(estimate: CostEstimate) -> Table:
    """Each metric with its limit and what is known about its error."""
    from rich.text import Text

    table = new_table(["metric"], ("value", "limit", "share"), collapse_padding=True)
    table.add_column("verdict")
    table.add_column("mean error", justify="right")
    for metric in LIMITED.values():
        value, limit = getattr(estimate, metric.name), estimate.limits[metric.name]
        verdict = Text("fits", style="green")
        if metric.name in estimate.excess:
            verdict = Text(estimate.excess_text(metric.name), style="bold red")
        error = estimate.error_percent.get(metric.name)
        table.add_row(
            metric.short,
            metric.text(value),
            metric.text(limit),
            f"{100 * value / limit:,.0f} %",
            verdict,
            "unknown" if error is None else f"± {error:.1f} %",
        )
    for metric in _unlimited(estimate):
        table.add_row(metric.short, metric.text(getattr(estimate, metric.name)))
    table.add_row("parameters", f"{estimate.parameters:,}")
    return table


def _unlimited(estimate: CostEstimate) -> list[Metric]:
    """What an estimate tells beside the limited metrics."""
    return [m for m in METRICS.values() if m.limit is None and hasattr(estimate, m.name)]


def _comparison(estimates: Sequence[CostEstimate]) -> Table:
    """A row per network under a row with the limits."""
    from rich.table import Column

    metrics = [*LIMITED.values(), *_unlimited(estimates[0])]
    model = Column("model", overflow="ellipsis", no_wrap=True)
    table = new_table([model], [metric.heading for metric in metrics], collapse_padding=True)
    table.add_column("verdict")
    table.add_row("limit", *(m.number(estimates[0].limits[m.name]) for m in LIMITED.values()))
    for estimate in estimates:
        table.add_row(estimate.model, *_figures(estimate, metrics))
    return table


def _figures(estimate: CostEstimate, metrics: Sequence[Metric]) -> list[str | Text]:
    """Cells with the figures of a network, and the verdict."""
    from rich.text import Text

    exceeded = ", ".join(METRICS[name].short for name in estimate.excess)
    verdict = Text(f"exceeds {exceeded}", "bold red") if exceeded else Text("fits", "green")
    return [*(metric.number(getattr(estimate, metric.name)) for metric in metrics), verdict]


def _layers(estimate: CostEstimate, width: int) -> Table:
    """Each layer's part in the costs; names get what the numbers leave of ``width`` columns."""
    layers, peak = estimate.layers, estimate.peak_step
    columns = {
        "#": [str(number) for number in range(1, len(layers) + 1)],
        "layer": [layer.short_name for layer in layers],
        "kind": [layer.kind for layer in layers],
        "output": [_by(layer.output_shape) for layer in layers],
        "kernel": [_kernel(layer) for layer in layers],
        "kMACs": [f"{layer.macs / 1000:,.0f}" if layer.macs else "" for layer in layers],
        "Flash\nKiB": [f"{layer.flash_kib:.2f}" for layer in layers],
        "SRAM\nKiB": [f"{layer.sram_kib:.1f}" for layer in layers],
        "latency\nms": [f"{layer.latency_ms:.3f}" for layer in layers],
        "share\n%": [f"{100 * layer.latency_share:.1f}" for layer in layers],
        "": ["peak" if step == peak else "" for step in range(len(layers))],
    }
    room = _room_for_names(columns, width)
    if room < _NAME_WIDTH:  # a narrow terminal
        for heading in ("output", "kernel", "kMACs"):
            del columns[heading]
        room = max(1, _room_for_names(columns, width))
    # The end of a name tells layers apart.
    columns["layer"] = [
        name if len(name) <= room else f"…{name[len(name) + 1 - room :]}"
        for name in columns["layer"]
    ]
    title = f"Layers of {estimate.model}"
    table = new_table((), title=title, padding=0, collapse_padding=True)
    left = ("layer", "kind", "output", "kernel")
    for heading in columns:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    for step, row in enumerate(zip(*columns.values(), strict=True)):
        table.add_row(*row, style="bold" if step == peak else None)
    return table


def _room_for_names(columns: dict[str, list[str]], width: int) -> int:
    """What the other columns leave, with a space between columns and at both ends."""
    others = [
        max(map(len, (*heading.split("\n"), *column)))
        for heading, column in columns.items()
        if heading != "layer"
    ]
    return width - sum(others) - len(columns) - 1


def _kernel(layer: LayerEstimate) -> str:
    """Kernel and stride, nothing for layers without."""
    if layer.kernel == layer.stride == (1, 1) and not layer.macs:
        return ""
    stride = layer.stride[0] if layer.stride[0] == layer.stride[1] else _by(layer.stride)
    return _by(layer.kernel) + ("" if stride == 1 else f"/{stride}")


def _by(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
