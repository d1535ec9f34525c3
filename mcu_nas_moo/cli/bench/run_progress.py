"""Making runs with progress on the console; what fails or is stopped costs nothing finished."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.runs.study import Run


class Remark(NamedTuple):
    """What is to be said about a run: ``title`` of its problem, ``budget`` of its study."""

    title: str
    run: Run
    budget: int
    text: str


def grouped(remarks: Sequence[Remark], event: str = "") -> list[str]:
    """A line for each remark; one for all runs of an algorithm where only numbers or names differ.

    Args:
        remarks: in the order of the lines.
        event: what happened to the runs, such as ``failed``.
    """
    groups: dict[tuple[str, str], list[Remark]] = {}
    for remark in remarks:
        # Which gene of which row it was is not what matters.
        gist = re.sub(r"'[^']*'|-?\b(\d[\d.,e+-]*|nan|inf)\b", "", remark.text)
        groups.setdefault((remark.run.algorithm, gist), []).append(remark)
    lines = []
    for (algorithm, _), group in groups.items():
        title, run, budget, text = min(group, key=lambda remark: (remark.run.seed, remark.budget))
        what = f" {event}" if event else ""
        if len(group) == 1:
            line = f"{title}: {algorithm} with seed {run.seed} and budget {budget}{what}"
        else:
            first = f"first: {title}, seed {run.seed}, budget {budget}"
            line = f"{algorithm}{what} in {len(group)} runs ({first})"
        lines.append(f"{line}: {text}")
    return lines
