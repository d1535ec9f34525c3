"""What puts a comparison over several problems in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.benchmark.analysis.cautions import (
    beaten_front,
    few_runs,
    fewest_runs,
    unequal_runs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis


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
