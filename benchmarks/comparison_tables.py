"""Tables of the comparison of optimisers: medians, every pair, and where one algorithm stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from comparison_runs import ANY_TIME, CEILINGS
from markdown_table import markdown_table, p_text, spoken

from mcu_nas_moo.analysis.statistics import (
    AHEAD,
    BEHIND,
    NOT_SHOWN,
    Comparison,
    compare_pairs,
    median_interval,
    quartiles,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The algorithm that the verdicts are about.
SUBJECT = "ppo"
EXPLANATION = """\
Hypervolume of the feasible archive relative to that of the reference front (1 is as good as the
front) after so many evaluations: medians over runs with different seeds. Tests are two-sided
Mann-Whitney U tests, corrected by Holm over all pairs, problems and numbers of evaluations with the
same objectives; A12 is the probability that a run of the first is better, ties counted half. "No
difference shown" means a corrected p of 0.05 or more."""


class Cell(NamedTuple):
    """Where algorithms are compared."""

    space: str
    profile: str
    evaluations: int


class ObjectivesTables:
    """All that is said about the runs with one set of objectives.

    Args:
        frame: one row per run and number of evaluations: space, profile, algorithm, seed,
            evaluations, ratio.
        algorithms: in the order of the tables.
    """

    def __init__(self, frame: pd.DataFrame, algorithms: Sequence[str]) -> None:
        present = set(frame["algorithm"])
        self.algorithms = [name for name in algorithms if name in present]
        self.counts = sorted(frame["evaluations"].unique().tolist())
        cells = dict.fromkeys(
            Cell(*row) for row in frame[list(Cell._fields)].itertuples(index=False)
        )
        self.samples: dict[Cell, dict[str, list[float]]] = {cell: {} for cell in cells}
        for name in self.algorithms:
            own = frame[frame["algorithm"] == name]
            for *cell, ratio in own[[*Cell._fields, "ratio"]].itertuples(index=False):
                self.samples[Cell(*cell)].setdefault(name, []).append(ratio)
        self.medians = {
            cell: {name: quartiles(own).median for name, own in samples.items()}
            for cell, samples in self.samples.items()
        }
        self.pairs = compare_pairs(self.samples)

    def against(self, cell: Cell, other: str) -> Comparison[Cell] | None:
        """The subject against another algorithm; None without runs of both."""
        for pair in self.pairs:
            if pair.case == cell and {pair.first, pair.second} == {SUBJECT, other}:
                return pair if pair.first == SUBJECT else pair.reversed()
        return None

    @property
    def others(self) -> list[str]:
        """All algorithms but the subject."""
        return [name for name in self.algorithms if name != SUBJECT]

    def leaders(self) -> dict[Cell, str | None]:
        """For each cell with the subject: who has a higher median than it, None if nobody."""
        leaders: dict[Cell, str | None] = {}
        for cell, medians in self.medians.items():
            if SUBJECT in medians and len(medians) > 1:
                best = max(medians, key=lambda name: medians[name])
                leaders[cell] = None if medians[SUBJECT] >= medians[best] else best
        return leaders

    def overall(self) -> str:
        """One sentence on the subject's medians."""
        leaders = self.leaders()
        first = sum(leader is None for leader in leaders.values())
        return (
            f"The median of {SUBJECT} is at least that of every other algorithm in {first} of "
            f"{len(leaders)} cells (space, profile, evaluations)."
        )

    def tallies(self) -> list[list[str]]:
        """Per other algorithm and count, in how many problems the subject is ahead and so on."""
        rows = []
        for other in self.others:
            row = [other]
            for count in self.counts:
                pairs = [
                    self.against(cell, other) for cell in self.samples if cell.evaluations == count
                ]
                verdicts = [pair.verdict for pair in pairs if pair is not None]
                numbers = [verdicts.count(kind) for kind in (AHEAD, NOT_SHOWN, BEHIND)]
                row.append(" / ".join(map(str, numbers)) if verdicts else "–")
            rows.append(row)
        return rows

    def markdown(self) -> list[str]:
        """Paragraphs and tables."""
        parts = []
        counts = [f"{count:,}" for count in self.counts]
        if SUBJECT in self.algorithms and self.others:
            parts += [f"**{self.overall()}**", *self._where_not()]
            parts += [
                f"Problems where {SUBJECT} is ahead / no difference is shown / it is behind:",
                markdown_table([f"{SUBJECT} against", *counts], self.tallies()),
            ]
        for space, profile in dict.fromkeys(cell[:2] for cell in self.samples):
            parts += [
                f"### {space} on {profile}",
                "Medians and their bootstrap 95 % intervals; the best in bold:",
                markdown_table(["algorithm", *counts], self._median_rows(space, profile)),
            ]
            if SUBJECT in self.algorithms and self.others:
                columns = [f"{SUBJECT} against", "evaluations", "difference of medians"]
                columns += ["p (Holm)", "A12", "verdict"]
                parts.append(markdown_table(columns, self._pair_rows(space, profile)))
        return parts

    def _where_not(self) -> list[str]:
        rows = []
        for cell, leader in self.leaders().items():
            pair = None if leader is None else self.against(cell, leader)
            if pair is None:
                continue
            place = [f"{cell.space} on {cell.profile}", f"{cell.evaluations:,}", pair.second]
            medians = [f"{pair.median_second:.4f}", f"{pair.median_first:.4f}"]
            rows.append([*place, *medians, *_figures(pair), pair.verdict])
        if not rows:
            return []
        columns = ["problem", "evaluations", "best", "its median", f"{SUBJECT}'s", "difference"]
        columns += ["p (Holm)", "A12", "verdict"]
        return ["It is not here:", markdown_table(columns, rows)]

    def _median_rows(self, space: str, profile: str) -> list[list[str]]:
        rows = []
        for name in self.algorithms:
            row = [name]
            for count in self.counts:
                cell = Cell(space, profile, count)
                medians = self.medians.get(cell, {})
                if name not in medians:
                    row.append("–")
                    continue
                low, high = median_interval(self.samples[cell][name])
                text = f"{medians[name]:.4f}"
                # What reads as the best is marked as the best.
                best = text == f"{max(medians.values()):.4f}"
                row.append(f"{f'**{text}**' if best else text} [{low:.4f}, {high:.4f}]")
            rows.append(row)
        return rows

    def _pair_rows(self, space: str, profile: str) -> list[list[str]]:
        rows = []
        for other in self.others:
            for count in self.counts:
                pair = self.against(Cell(space, profile, count), other)
                if pair is not None:
                    said = f"{SUBJECT} {pair.verdict}"
                    said = NOT_SHOWN if pair.verdict == NOT_SHOWN else said
                    rows.append([other, f"{count:,}", *_figures(pair), said])
        return rows


def _figures(pair: Comparison[Cell]) -> list[str]:
    return [f"{pair.difference:+.4f}", p_text(pair.p_holm), f"{pair.a12:.2f}"]


def by_objectives(
    frame: pd.DataFrame, algorithms: Sequence[str]
) -> dict[tuple[str, ...], ObjectivesTables]:
    """The tables for each set of objectives."""
    return {
        tuple(str(objectives).split()): ObjectivesTables(own, algorithms)
        for objectives, own in frame.groupby("objectives", sort=False)
    }


def all_pairs(tables: dict[tuple[str, ...], ObjectivesTables]) -> pd.DataFrame:
    """One row per set of objectives, cell and pair of algorithms."""
    rows = []
    for objectives, own in tables.items():
        for pair in own.pairs:
            samples = own.samples[pair.case]
            rows.append(
                {"objectives": " ".join(objectives)}
                | pair.case._asdict()
                | {
                    "first": pair.first,
                    "second": pair.second,
                    "runs_first": len(samples[pair.first]),
                    "runs_second": len(samples[pair.second]),
                    "median_first": f"{pair.median_first:.6f}",
                    "median_second": f"{pair.median_second:.6f}",
                    "p": f"{pair.p:.3g}",
                    "p_holm": f"{pair.p_holm:.3g}",
                    "a12": f"{pair.a12:.4f}",
                    "verdict_on_first": pair.verdict,
                }
            )
    return pd.DataFrame(rows)


def comparison_markdown(
    tables: dict[tuple[str, ...], ObjectivesTables], commands: Sequence[str], notes: Sequence[str]
) -> str:
    """The whole file: commands, explanation, what is left out, and all tables."""
    code = "\n".join(["```sh", *commands, "```"])
    names = dict.fromkeys(name for own in tables.values() for name in own.algorithms)
    parts = ["# Any-time comparison of optimisers", f"Made by\n\n{code}", EXPLANATION]
    parts += [*_how_judged(list(names)), *notes]
    for objectives, own in tables.items():
        parts += [f"## {spoken(objectives)}", *own.markdown()]
    return "\n\n".join(parts) + "\n"


def _how_judged(algorithms: Sequence[str]) -> list[str]:
    """Which runs the numbers of an algorithm come from."""
    own = [f"`{name}`" for name in algorithms if name not in ANY_TIME]
    one = [f"`{name}`" for name in algorithms if name in ANY_TIME]
    said = []
    if own:
        said.append(
            f"{spoken(own)}: population or sweep is chosen by the budget, so each number comes "
            "from runs with exactly that budget."
        )
    if one:
        said.append(
            f"{spoken(one)}: the same proposals whatever the budget, so one run is judged at each "
            "number of evaluations."
        )
    said += [
        f"`{name}` is slow and runs for {most:,} evaluations at most."
        for name, most in CEILINGS.items()
        if name in algorithms
    ]
    return ["\n".join(f"- {line}" for line in said)]
