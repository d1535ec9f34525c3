"""What a task is made of again, by what a file says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.user_parts import UserCode, UserFile
from mcu_nas_moo.hardware.profile import list_profiles, load_profile

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.contracts.evaluator import NetworkEvaluator
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.problem.evaluators.checked_evaluator import Source
    from mcu_nas_moo.problem.facts import ProblemFacts


def arguments_of(facts: ProblemFacts, folder: Path) -> dict[str, Any]:
    """What to give to a task for it to be the one that a file in ``folder`` is about.

    Costs that the package learned are learned again.

    Raises:
        InputError: for an unknown name, a missing file, or a part that a Python program made.
    """
    if facts.python_parts:
        raise InputError(
            f"evaluator {facts.python_parts[0]} was made by a Python program; to have it found "
            "again, name it module:Name"
        )
    learned = "mlp" if facts.learned_metrics else "analytic"
    return {
        "space": facts.search_space(),
        "profile": profile_of(facts),
        "objectives": facts.objectives,
        "limits": facts.limits,
        "accuracy": facts.predictor and facts.predictor.find(folder),
        "costs": facts.learned_costs.find(folder) if facts.learned_costs else learned,
        "evaluators": [_found_again(part, folder) for part in facts.evaluators],
    }


def profile_of(facts: ProblemFacts) -> Profile | None:
    """The profile that a file is about, but for its limits; None without a device.

    Raises:
        InputError: for the name of one that is not known.
    """
    if facts.profile_facts is not None or facts.profile is None:
        return facts.profile_facts
    if facts.profile not in list_profiles():
        raise unknown_name("profile", facts.profile, list_profiles())
    return load_profile(facts.profile)


def _found_again(part: Source, folder: Path) -> str | Path | NetworkEvaluator:
    """What to give to a task for an evaluator that a file names, as seen from ``folder``.

    Raises:
        InputError: if a file is missing or another one.
    """
    if isinstance(part, UserCode):
        return part.name
    return part.find(folder) if isinstance(part, UserFile) else part.evaluator(folder)
