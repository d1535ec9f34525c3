"""What a reader must know before believing a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.benchmark.analysis.statistics import caution

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mcu_nas_moo.benchmark.references.reference import Reference

#: Most samples that a sentence names.
NAMED = 3
#: Ratios beyond 1 by no more than this come from rounding.
ROUNDING = 1e-9


def fewest_runs(scores: pd.DataFrame) -> dict[str, int]:
    """Runs of each algorithm at the number of evaluations at which it has fewest.

    Args:
        scores: those of ``Analysis``.
    """
    runs = scores.groupby(["algorithm", "evaluations"], sort=False)["seed"].nunique()
    fewest = runs.groupby("algorithm", sort=False).min()
    return {str(name): int(count) for name, count in fewest.items()}


def few_runs(runs: Mapping[str, int]) -> str | None:
    """The caution about few runs, with whose they are unless all have as few.

    Args:
        runs: number of runs by what to call the sample, at least one.
    """
    least = min(runs.values())
    if set(runs.values()) == {least}:
        return caution(least)
    few = sorted((name for name in runs if caution(runs[name])), key=runs.__getitem__)
    named = [f"{name}: {runs[name]} run{'' if runs[name] == 1 else 's'}" for name in few[:NAMED]]
    if len(few) > NAMED:
        named.append(f"and {len(few) - NAMED} more")
    return caution(least, "; ".join(named))


def unequal_runs(scores: pd.DataFrame, evaluations: int) -> str | None:
    """That algorithms have different numbers of runs, None if they have not."""
    there = scores[scores["evaluations"] == evaluations]
    runs = there.groupby("algorithm")["seed"].nunique()
    least, most = int(runs.min()), int(runs.max())
    if least == most:
        return None
    return f"Algorithms have different numbers of runs, from {least} to {most}."


def beaten_front(reference: Reference, scores: pd.DataFrame) -> str | None:
    """That a run beats the exact front, None if none does or the front is pooled."""
    best = scores.iloc[int(scores["hypervolume_ratio"].to_numpy().argmax())]
    if reference.kind != "exact" or best["hypervolume_ratio"] <= 1.0 + ROUNDING:
        return None
    return (
        f"{best['algorithm']} with seed {best['seed']} beats the exact front, which cannot be: "
        "runs and reference are of different problems."
    )
