"""Table of an ablation: each row against the one with all techniques."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markdown_table import markdown_table, p_text

from mcu_nas_moo.bench.statistics import (
    AHEAD,
    BEHIND,
    NOT_SHOWN,
    Wilcoxon,
    holm,
    quartiles,
    verdict,
    wilcoxon,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

#: The row that all others are compared with.
BASE = "all techniques"
EXPLANATION = """\
Mean over the problems of the median hypervolume ratio after so many evaluations; in brackets the
difference to the first row and its p-value: Wilcoxon's signed-rank test, two-sided, paired over
problem and seed, corrected by Holm over the whole table. A technique is kept if the row without it
is worse (p < 0.05) at some number of evaluations and better at none; dropped if it is the other
way round; otherwise no difference is shown, or the row says where it is worse and where better."""


@dataclass(frozen=True)
class Cell:
    """A row after some number of evaluations.

    Attributes:
        evaluations: after how many.
        mean: over the problems, of the median over the seeds.
        difference: to the base, over the problems that both have.
        p: of the paired test, corrected; None for the base.
        shown: what the test shows about the row, in the words of the module ``statistics``.
    """

    evaluations: int
    mean: float
    difference: float = 0.0
    p: float | None = None
    shown: str = NOT_SHOWN


@dataclass(frozen=True)
class Standing:
    """A row of the table.

    Attributes:
        name: of the row.
        pairs: runs that are compared with those of the base.
        cells: one for each number of evaluations.
    """

    name: str
    pairs: int
    cells: list[Cell]

    @property
    def verdict(self) -> str:
        """What the row says about its technique."""
        if self.name == BASE:
            return "–"
        worse = [f"{cell.evaluations:,}" for cell in self.cells if cell.shown == BEHIND]
        better = [f"{cell.evaluations:,}" for cell in self.cells if cell.shown == AHEAD]
        if not worse and not better:
            return NOT_SHOWN
        if worse and better:
            return f"worse at {', '.join(worse)}; better at {', '.join(better)}"
        if self.name.startswith("without "):
            return "kept" if worse else "dropped"
        if self.name.startswith("with "):
            return "kept" if better else "dropped"
        return f"{'worse' if worse else 'better'} at {', '.join(worse or better)}"


def standings(frame: pd.DataFrame, names: Sequence[str]) -> list[Standing]:
    """Compare the rows ``names`` with the base.

    Args:
        frame: one line per run and number of evaluations: row, problem, seed, evaluations, ratio.
        names: in the order of the table; those without runs are left out.

    Raises:
        ValueError: if the base has no runs.
    """
    ratios = {
        name: own.pivot_table(index=["problem", "seed"], columns="evaluations", values="ratio")
        for name, own in frame.groupby("row", sort=False)
    }
    if BASE not in ratios:
        raise ValueError(f"no finished runs of {BASE!r}; make them with the step `run`")
    base = ratios[BASE]
    counts: list[int] = sorted(frame["evaluations"].unique().tolist())
    tests: dict[tuple[str, int], tuple[Wilcoxon, float]] = {}
    for name in names:
        if name != BASE and name in ratios:
            shared = base.index.intersection(ratios[name].index)
            if len(shared):
                own, other = ratios[name].loc[shared], base.loc[shared]
                tests |= {
                    (name, count): (
                        wilcoxon(own[count], other[count]),
                        _mean_of_medians(own[count]) - _mean_of_medians(other[count]),
                    )
                    for count in counts
                }
    corrected = dict(zip(tests, holm([test.p for test, _ in tests.values()]).tolist(), strict=True))
    result = []
    for name in names:
        if name not in ratios:
            continue
        cells = []
        for count in counts:
            cell = Cell(count, _mean_of_medians(ratios[name][count]))
            if (name, count) in tests:
                test, difference = tests[name, count]
                p = corrected[name, count]
                cell = Cell(count, cell.mean, difference, p, verdict(p, test.effect))
            cells.append(cell)
        shared = base.index.intersection(ratios[name].index)
        result.append(Standing(name, len(shared), cells))
    return result


def _mean_of_medians(ratios: pd.Series[float]) -> float:
    """Mean over the problems of the median over the seeds."""
    medians = [quartiles(own).median for _, own in ratios.groupby(level="problem")]
    return float(np.mean(medians))


def ablation_markdown(
    found: Sequence[Standing],
    variants: Mapping[str, Mapping[str, Any]],
    problems: Sequence[str],
    commands: Sequence[str],
    notes: Sequence[str],
) -> str:
    """The whole file: commands, explanation, the table, and what each row changes."""
    code = "\n".join(["```sh", *commands, "```"])
    columns = ["row", *(f"{cell.evaluations:,}" for cell in found[0].cells), "verdict"]
    rows = []
    for standing in found:
        cells = [f"{cell.mean:.4f}{_against_base(cell)}" for cell in standing.cells]
        rows.append([standing.name, *cells, standing.verdict])
    changes = [
        f"- {name}: "
        + (", ".join(f"`{key}={value!r}`" for key, value in own.items()) or "defaults")
        for name, own in variants.items()
    ]
    runs = f"{found[0].pairs} runs per row, on {', '.join(f'`{name}`' for name in problems)}."
    parts = ["# Ablation of the PPO optimiser", f"Made by\n\n{code}", EXPLANATION, runs, *notes]
    parts += [markdown_table(columns, rows), "Settings of the rows:", "\n".join(changes)]
    return "\n\n".join(parts) + "\n"


def _against_base(cell: Cell) -> str:
    if cell.p is None:
        return ""
    p = p_text(cell.p)
    return f" ({cell.difference:+.4f}, p {p if p.startswith('<') else f'= {p}'})"
