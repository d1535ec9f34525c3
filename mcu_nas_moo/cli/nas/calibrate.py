"""The command ``mcu-nas calibrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.option_types import FILE
from mcu_nas_moo.cli.problem_options import plain_console
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.tables import new_table
from mcu_nas_moo.contracts.metrics import METRICS

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.hardware.calibration.board_refit import Refit
    from mcu_nas_moo.hardware.calibration.calibrate import Calibration


@click.command()
@click.argument("measurements", type=FILE, required=False)
@click.option("--base", help="Runtime to start from, for measurements of your own board.")
@click.option(
    "--out",
    type=FILE,
    help="File for the runtime of your board; without MEASUREMENTS the folder for the shipped "
    "runtimes (default: where the package keeps them).",
)
@click.option("--plot", type=FILE, help="Picture of predicted and measured.")
def calibrate(
    measurements: Path | None,
    base: str | None,
    out: Path | None,
    plot: Path | None,
) -> None:
    """Fit runtimes to measurements, and say how wrong they are.

    \b
    Example:
      mcu-nas calibrate mine.csv --base cmsis-nn --out my-runtime.yaml

    Without arguments, the shipped runtimes are fitted to the published measurements that come with
    the package. With MEASUREMENTS, a table of your own board, the runtime --base is refitted as far
    as the rows support and written to --out.

    MEASUREMENTS is a CSV file with the column network (the path of an ONNX file, or the name of a
    shipped network) and any of latency_ms, sram_kib and flash_kib.
    """  # noqa: D301
    console = plain_console()
    if measurements is None:
        if base is not None:
            raise InputError("--base is for a table of your own; name its CSV file")
        _shipped(console, out, plot)
    else:
        if base is None or out is None:
            raise InputError("give the runtime to start from, --base, and the file to write, --out")
        if plot is not None:
            raise InputError("--plot shows the shipped runtimes; leave MEASUREMENTS out")
        _refit_to_board(console, measurements, base, out)


def _shipped(console: Console, out: Path | None, plot: Path | None) -> None:
    from mcu_nas_moo.hardware.calibration.calibrate import calibrate as fit
    from mcu_nas_moo.hardware.calibration.measurements import shipped_measurements
    from mcu_nas_moo.hardware.calibration.recipes import RECIPES
    from mcu_nas_moo.hardware.runtime import shipped_runtimes, write_runtime

    folder = out or shipped_runtimes()
    if folder.is_file():
        raise InputError(f"{folder}: expected a folder for the runtime files, it is a file")
    rows = shipped_measurements()
    calibrations = [fit(recipe, rows) for recipe in RECIPES]
    _print_report(console, calibrations)
    _print_lineages(console, calibrations, rows.derived_families)
    if plot is not None:
        from mcu_nas_moo.hardware.calibration.error_pictures import draw_predicted_and_measured

        draw_predicted_and_measured(calibrations, plot)
        console.print(f"picture: {plot}", soft_wrap=True)
    changed = [
        calibration.name
        for calibration in calibrations
        if write_runtime(calibration.runtime, folder / f"{calibration.name}.yaml")
    ]
    what = f"written: {', '.join(changed)}" if changed else "unchanged"
    console.print(f"runtime files in {folder}: {what}", soft_wrap=True)


def _print_report(console: Console, calibrations: list[Calibration]) -> None:
    from rich.table import Column

    table = new_table(
        (Column("runtime", no_wrap=True), Column("quantity", no_wrap=True)),
        (
            *("rows,\nfamilies", "free", "MAPE\n%", "unseen\nMAPE %", "worst\n%", "Spear-\nman"),
            *("MACs only\nMAPE %", "Spear-\nman"),
        ),
        padding=(0, 0, 0, 1),
        title="Errors against published measurements",
        caption="free: fitted coefficients; MAPE: mean absolute error; unseen: families of "
        "networks left out\nof the fit one by one; MACs only: a latency model that knows no more",
    )
    for calibration in calibrations:
        for report in calibration.reports:
            fit, macs = report.fit, report.by_macs
            table.add_row(
                calibration.name if report is calibration.reports[0] else "",
                METRICS[report.quantity].short,
                f"{fit.n_rows}, {fit.n_families}",
                str(fit.n_coefficients),
                f"{fit.mape_percent:.1f}",
                _figure(fit.left_out_mape_percent, ".1f"),
                _figure(fit.left_out_worst_percent, ".0f"),
                _figure(fit.left_out_spearman, ".3f"),
                "" if macs is None else f"{macs.mape:.1f}",
                "" if macs is None else f"{macs.spearman:.3f}",
                end_section=report is calibration.reports[-1],
            )
    console.print(table)


def _print_lineages(
    console: Console, calibrations: list[Calibration], derived: dict[str, list[str]]
) -> None:
    for architecture, families in derived.items():
        console.print(f"With {', '.join(families)} left out together with {architecture}:")
    for calibration in calibrations:
        for report in calibration.reports:
            if report.by_lineage is not None:
                console.print(
                    f"- {calibration.name}, {METRICS[report.quantity].short}: unseen MAPE "
                    f"{report.by_lineage.mape:.1f} %, Spearman {report.by_lineage.spearman:.3f}"
                )


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _refit_to_board(console: Console, measurements: Path, base: str, out: Path) -> None:
    from mcu_nas_moo.hardware import load_runtime
    from mcu_nas_moo.hardware.calibration.board_refit import refit
    from mcu_nas_moo.hardware.calibration.measurements import read_measurements
    from mcu_nas_moo.hardware.runtime import check_overwritable, write_runtime

    runtime = load_runtime(base)
    check_overwritable(out)
    fitted, reports = refit(runtime, base, read_measurements(measurements), measurements)
    _print_refits(console, reports)
    write_runtime(fitted, out)
    console.print(
        f"runtime file: {out}\nUse it in a profile, 'runtime: {out.name}'; mcu-nas profile new "
        "writes one to start from. Latencies are those of the measured board, at its clock.",
        soft_wrap=True,
    )


def _print_refits(console: Console, reports: tuple[Refit, ...]) -> None:
    from rich.table import Column

    from mcu_nas_moo.hardware.runtime import RULES

    table = new_table(
        ("quantity", Column("rows", justify="right"), "refitted (all else as in the base)"),
        ("base\nMAPE %", "refitted\nMAPE %", "unseen\nMAPE %", "unseen\nworst %"),
        title="Refitted to your measurements",
        caption="MAPE: mean absolute error; unseen: families (or networks) left out one by one",
    )
    for report in reports:
        unseen = report.left_out
        table.add_row(
            METRICS[report.quantity].short,
            str(report.n_rows),
            report.refitted,
            "-" if report.before is None else f"{report.before.mape:.1f}",
            f"{report.after.mape:.1f}",
            "-" if unseen is None else f"{unseen.mape:.1f}",
            "-" if unseen is None else f"{unseen.worst:.0f}",
        )
    kept = [METRICS[name].short for name in RULES if name not in {r.quantity for r in reports}]
    console.print(table)
    if kept:
        console.print(f"Kept as in the base, since nothing was measured: {', '.join(kept)}.")
