"""What a reader must know before believing a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.benchmark.analysis.statistics import caution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
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


def serious_cautions(analyses: Sequence[Analysis]) -> list[str]:
    """What puts the comparison as a whole in doubt, most important first.

    Args:
        analyses: one per problem, at least one.
    """
    beaten = [beaten_front(one.results.reference, one.scores) for one in analyses]
    unequal = [unequal_runs(one.scores, one.compared_at) for one in analyses]
    found = _with_titles(analyses, beaten)
    few = _fewest_of_all(analyses)
    return [*found, *([few] if few else []), *_with_titles(analyses, unequal)]


def overall_cautions(analyses: Sequence[Analysis]) -> list[str]:
    """What is to be known of the whole; what is about some problems only stands there.

    Args:
        analyses: one per problem, at least one.
    """
    few = _fewest_of_all(analyses)
    shared = [
        sentence
        for sentence in analyses[0].cautions
        if all(sentence in one.cautions for one in analyses)
    ]
    found = [*([few] if few else []), *shared]
    exact = [one.results.reference.kind == "exact" for one in analyses]
    if any(exact) and not all(exact):
        found.append(
            "Some reference fronts are pooled, not exact; the part on each problem says which."
        )
    return list(dict.fromkeys(found))


def _fewest_of_all(analyses: Sequence[Analysis]) -> str | None:
    if len(analyses) == 1:
        return few_runs(fewest_runs(analyses[0].scores))
    return few_runs(
        {
            f"{name} on {one.results.title}": count
            for one in analyses
            for name, count in fewest_runs(one.scores).items()
        }
    )


def _with_titles(analyses: Sequence[Analysis], sentences: Sequence[str | None]) -> list[str]:
    """Each different sentence once, with the problem that it is about if there are several."""
    titles: dict[str, list[str]] = {}
    for one, sentence in zip(analyses, sentences, strict=True):
        if sentence is not None:
            titles.setdefault(sentence, []).append(one.results.title)
    if len(analyses) == 1:
        return list(titles)
    return [
        f"{places[0]}{f' and {len(places) - 1} more' if len(places) > 1 else ''}: {sentence}"
        for sentence, places in titles.items()
    ]
