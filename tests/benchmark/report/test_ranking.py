from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console
from small_results import HOSTILE

from mcu_nas_moo.benchmark.report.ranking import ranking_table, verdict


def ranked(analysis, **quartiles):
    """The analysis with other quartiles of the hypervolume ratio, best algorithm first."""
    columns = ("lower", "median", "upper")
    rows = [
        {"algorithm": name, "evaluations": analysis.compared_at}
        | dict(zip(columns, own, strict=True))
        for name, own in quartiles.items()
    ]
    return replace(analysis, ranking=tuple(quartiles), medians=pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("quartiles", "expected"),
    [
        ({"a": (0.9, 0.9, 0.91), "b": (0.5, 0.5, 0.6)}, r"a leads .* ahead of b \(0\.5000\)\.$"),
        (
            {"a": (0.7, 0.8, 0.9), "b": (0.6, 0.7, 0.8)},
            "a leads .* close: the quartiles of b",
        ),
        ({"a": (0.0, 0.0, 0.0), "b": (0.0, 0.0, 0.0)}, "No algorithm found a feasible subnet"),
        ({"a": (0.5, 0.5, 0.5)}, r"a leads with a median hypervolume ratio of 0\.5000\.$"),
    ],
)
def test_verdict(analysis, quartiles, expected):
    assert re.search(expected, verdict(ranked(analysis, **quartiles)))


@pytest.mark.parametrize("width", [80, 100])
def test_table_fits_the_screen_and_tells_the_medians(analysis, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(ranking_table(analysis))
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "\u2026" not in text
    assert "[quartiles]" in text
    assert text.index(analysis.ranking[0][:8]) < text.index(analysis.ranking[-1][:8])
    own = analysis.scores.query("evaluations == 120 and algorithm == 'weak'")
    (row,) = (line for line in text.splitlines() if " weak " in line)
    assert f"{own['hypervolume_ratio'].median():.4f}" in row
    assert f"{own['feasible_share'].median():.1%}" in row
    # Names with brackets are no markup.
    assert HOSTILE[:8] in text
