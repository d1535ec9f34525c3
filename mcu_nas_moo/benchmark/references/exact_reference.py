"""References for the benchmark out of what an enumeration found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.benchmark.references.reference import Reference
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.references.enumeration.enumerator import Enumerated


def exact_reference(found: Enumerated, objectives: Sequence[str]) -> Reference:
    """The exact reference for some of the objectives of an enumeration.

    Raises:
        InputError: for an objective that was not enumerated, or if no network is feasible.
    """
    known = found.task
    for name in objectives:
        if name not in known.objectives:
            raise InputError(f"{name} was not enumerated, only {', '.join(known.objectives)}")
    if not found.feasible:
        raise InputError(
            f"no network of {known.space.name} meets the limits of {known.profile.name}; relax one"
        )
    task = Task(known.space, known.profile, objectives, predictor=known.predictor)
    front = found.front.projected([known.objectives.index(name) for name in objectives])
    return Reference(
        task.facts(),
        X=front.X,
        F=front.F,
        kind="exact",
        origin={
            "networks": found.networks,
            "feasible": found.feasible,
            "feasible_share": found.feasible / found.networks,
        },
    )
