"""Tables of an ablation: each row against the one with all techniques, or all but one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from markdown_table import markdown_table, p_text
from scipy import stats

from mcu_nas_moo.benchmark.analysis.statistics import (
    AHEAD,
    BEHIND,
    NOT_SHOWN,
    holm,
    quartiles,
    verdict,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

#: The row that the others are compared with.
BASE = "all techniques"
#: The surrogate hides what other techniques do where it can be trusted. Rows that lack it and
#: another one are compared with this row.
SECOND_BASE = "without surrogate"
SECOND_PREFIX = "neither surrogate nor "
EXPLANATION = """\
Mean over the problems of the median hypervolume ratio after so many evaluations; in brackets the
difference to the first row and its p-value: Wilcoxon's signed-rank test, two-sided, paired over
problem and seed, corrected by Holm over the table. A technique helps after so many
evaluations if the runs without it are worse there (p < 0.05), and harms if they are better. The
decision is that of the default settings: kept, or left out."""


class Wilcoxon(NamedTuple):
    """Two-sided Wilcoxon signed-rank test of paired samples.

    Attributes:
        p: probability of differences as large if they are symmetric about zero.
        effect: Kerby's (2014) matched-pairs rank-biserial correlation: 1 if all pairs favour the
            first sample, -1 if all favour the second, 0 for no effect.
    """

    p: float
    effect: float


def wilcoxon(first: npt.ArrayLike, second: npt.ArrayLike) -> Wilcoxon:
    """Compare paired samples of shape ``(n,)``.

    Pairs without a difference are left out, as Wilcoxon (1945) did; p is 1 if none is left.

    Raises:
        ValueError: if the samples differ in length.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(one) != len(two):
        raise ValueError(f"paired samples must have one length, got {len(one)} and {len(two)}")
    differences = (one - two)[one != two]
    if not len(differences):
        return Wilcoxon(1.0, 0.0)
    ranks = stats.rankdata(np.abs(differences))
    effect = float((np.sign(differences) * ranks).sum() / ranks.sum())
    return Wilcoxon(float(stats.wilcoxon(differences).pvalue), effect)


@dataclass(frozen=True)
class Cell:
    """A row after some number of evaluations.

    Attributes:
        mean: over the problems, of the median over the seeds.
        difference: to the base, over the problems that both have.
        p: of the paired test, corrected; None for the base.
        shown: what the test shows about the row, in the words of the module ``statistics``.
    """

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
        cells: by the number of evaluations; a row need not have all.
    """

    name: str
    pairs: int
    cells: dict[int, Cell]

    @property
    def effect(self) -> str:
        """What the tests show of the technique, or of the row if that is not just one."""
        if all(cell.p is None for cell in self.cells.values()):
            return "–"
        words = {BEHIND: "worse", AHEAD: "better"}
        if self.name.startswith(("without ", SECOND_PREFIX)):
            words = {BEHIND: "helps", AHEAD: "harms"}
        elif self.name.startswith("with "):
            words = {BEHIND: "harms", AHEAD: "helps"}
        told = []
        for shown, word in words.items():
            places = [f"{count:,}" for count, cell in self.cells.items() if cell.shown == shown]
            if places:
                told.append(f"{word} at {', '.join(places)}")
        return "; ".join(told) or NOT_SHOWN

    @property
    def decision(self) -> str:
        """What the default settings do about the technique."""
        if self.name.startswith(("without ", SECOND_PREFIX)):
            return "kept"
        return "left out" if self.name.startswith("with ") else "–"


def all_standings(frame: pd.DataFrame, names: Sequence[str]) -> list[list[Standing]]:
    """The first table, and the second if it has rows; arguments as of :func:`standings`."""
    first = [name for name in names if not name.startswith(SECOND_PREFIX)]
    second = [SECOND_BASE, *(name for name in names if name.startswith(SECOND_PREFIX))]
    tables = [standings(frame, first)]
    if set(second[1:]) & set(frame["row"]):
        tables.append(standings(frame, second, SECOND_BASE))
    return tables


def standings(frame: pd.DataFrame, names: Sequence[str], base: str = BASE) -> list[Standing]:
    """Compare the rows ``names`` with the row ``base``.

    Args:
        frame: one line per run and number of evaluations: row, problem, seed, evaluations, ratio.
        names: in the order of the table; those without runs are left out.
        base: name of a row.

    Raises:
        ValueError: if the base has no runs.
    """
    counts: list[int] = sorted(frame["evaluations"].unique().tolist())
    ratios = {
        name: {
            count: own[own["evaluations"] == count].set_index(["problem", "seed"])["ratio"]
            for count in counts
            if (own["evaluations"] == count).any()
        }
        for name, own in frame.groupby("row", sort=False)
    }
    if base not in ratios:
        raise ValueError(f"no finished runs of {base!r}; make them with the step `run`")
    usual = ratios[base]
    tests: dict[tuple[str, int], tuple[Wilcoxon, float]] = {}
    pairs = dict.fromkeys(names, 0)
    for name in names:
        for count in ratios.get(name, {}).keys() & usual.keys():
            shared = usual[count].index.intersection(ratios[name][count].index)
            pairs[name] = max(pairs[name], len(shared))
            if name != base and len(shared):
                own, other = ratios[name][count].loc[shared], usual[count].loc[shared]
                difference = _mean_of_medians(own) - _mean_of_medians(other)
                tests[name, count] = (wilcoxon(own, other), difference)
    corrected = dict(zip(tests, holm([test.p for test, _ in tests.values()]).tolist(), strict=True))
    result = []
    for name in names:
        if name not in ratios:
            continue
        cells = {}
        for count, own in ratios[name].items():
            cells[count] = Cell(_mean_of_medians(own))
            if (name, count) in tests:
                test, difference = tests[name, count]
                p = corrected[name, count]
                cells[count] = Cell(cells[count].mean, difference, p, verdict(p, test.effect))
        result.append(Standing(name, pairs[name], cells))
    return result


def counts_of(found: Sequence[Standing]) -> list[int]:
    """Numbers of evaluations that a row of the table has, ascending."""
    return sorted({count for standing in found for count in standing.cells})


def _mean_of_medians(ratios: pd.Series[float]) -> float:
    """Mean over the problems of the median over the seeds."""
    medians = [quartiles(own).median for _, own in ratios.groupby(level="problem")]
    return float(np.mean(medians))


def ablation_markdown(
    tables: Sequence[Sequence[Standing]],
    variants: Mapping[str, object],
    problems: Sequence[str],
    commands: Sequence[str],
    notes: Sequence[str],
) -> str:
    """The whole file: commands, explanation, the tables, and what each row changes."""
    code = "\n".join(["```sh", *commands, "```"])
    changes = [f"- {name}: {change}" for name, change in variants.items()]
    runs = f"{tables[0][0].pairs} runs per row, on {', '.join(f'`{name}`' for name in problems)}."
    parts = ["# Ablation of the PPO optimiser", f"Made by\n\n{code}", EXPLANATION, runs, *notes]
    parts.append(_table(tables[0]))
    if len(tables) > 1:
        parts += ["The same without the surrogate, which hides what others do:", _table(tables[1])]
    return "\n\n".join([*parts, "What the rows change:", "\n".join(changes)]) + "\n"


def _table(found: Sequence[Standing]) -> str:
    counts = counts_of(found)
    columns = ["row", *(f"{count:,}" for count in counts)]
    rows = []
    for standing in found:
        cells = [_cell(standing.cells.get(count)) for count in counts]
        rows.append([standing.name, *cells, standing.effect, standing.decision])
    return markdown_table([*columns, "technique", "decision"], rows)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    if cell.p is None:
        return f"{cell.mean:.4f}"
    p = p_text(cell.p)
    compared = f"{cell.difference:+.4f}, p {p if p.startswith('<') else f'= {p}'}"
    return f"{cell.mean:.4f} ({compared})"
