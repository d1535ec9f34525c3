"""Picture of how far predictions are from measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.contracts.metrics import METRICS
from mcu_nas_moo.hardware.runtime import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from mcu_nas_moo.hardware.calibration.calibrate import Calibration, QuantityReport


def draw_predicted_and_measured(calibrations: Sequence[Calibration], path: Path) -> None:
    """Draw one panel for each quantity of each runtime: measured against predicted, log scales.

    Predictions are those of the cross-validation: made without any network of the same family.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 2.75 * len(calibrations)), layout="constrained")
    axes = figure.subplots(len(calibrations), len(RULES), squeeze=False)
    for row, calibration in zip(axes, calibrations, strict=True):
        for panel, report in zip(row, calibration.reports, strict=True):
            _draw(panel, report)
        row[0].annotate(
            calibration.name,
            (-0.36, 0.5),
            xycoords="axes fraction",
            rotation=90,
            va="center",
            ha="center",
            fontweight="bold",
        )
    kind = path.suffix.removeprefix(".") or "png"
    write_atomically(path, lambda partial: figure.savefig(partial, format=kind, dpi=120))


def _draw(panel: Axes, report: QuantityReport) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    predicted = report.predicted if report.left_out is None else report.left_out
    both = np.concatenate([predicted, report.measured])
    low, high = 0.8 * both.min(), 1.25 * both.max()
    span = np.array([low, high])
    panel.fill_between(span, 0.9 * span, 1.1 * span, color="0.9", label="within 10 %")
    panel.plot(span, span, color="0.6", linewidth=0.8)
    panel.scatter(report.measured, predicted, s=16, color="#0072b2", alpha=0.75, linewidth=0)
    panel.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    panel.set_xlabel(f"measured {METRICS[report.quantity].label}", fontsize=8)
    panel.set_ylabel("predicted, family unseen", fontsize=8)
    panel.tick_params(labelsize=7, which="both")
    for axis in (panel.xaxis, panel.yaxis):
        # Decades alone leave panels of a narrow range without a single label.
        axis.set_major_locator(LogLocator(subs=(1.0,) if high > 50 * low else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    error = report.fit.left_out_mape_percent
    error = report.fit.mape_percent if error is None else error
    panel.set_title(f"{len(predicted)} rows, mean error {error:.1f} %", fontsize=8)
