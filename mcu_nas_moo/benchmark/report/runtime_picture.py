"""PNG and SVG of the distribution of runtimes over all problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.report.pictures import (
    _count_axis,
    _figure,
    _height,
    _legend,
    _save,
    _style,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mcu_nas_moo.benchmark.analysis.runtimes import RuntimeDistribution
    from mcu_nas_moo.benchmark.report.appearance import Look


def save_runtimes(stem: Path, runtimes: RuntimeDistribution, looks: Mapping[str, Look]) -> None:
    """Share of all problems, runs and targets that were solved, over the evaluations."""
    with _style():
        figure = _figure(7.0, _height(3.6, runtimes.shares))
        axes = figure.subplots()
        for name, shares in runtimes.shares.items():
            look = looks[name]
            axes.step(
                runtimes.evaluations,
                shares,
                where="post",
                label=name,
                color=look.colour,
                ls=look.line,
                lw=1.3,
            )
        _count_axis(axes)
        axes.set(
            xlim=(1, int(np.max(runtimes.evaluations))),
            ylim=(-0.02, 1.02),
            ylabel="share of problems, runs and targets",
        )
        figure.suptitle("Targets reached over the evaluations, all problems")
        _legend(figure, axes)
        _save(figure, stem)
