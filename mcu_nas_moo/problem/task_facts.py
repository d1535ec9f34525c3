"""A task as plain data for result files, and the task that such data describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import file_name
from mcu_nas_moo.common.yaml_files import validate
from mcu_nas_moo.hardware.profile import Profile, list_profiles, load_profile
from mcu_nas_moo.problem.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What decides whether two files are about one problem, with what to call each.
SAID = {
    "space": "space",
    "profile": "profile",
    "objectives": "objectives",
    "limits": "limits",
    "learned_metrics": "learned metrics",
    "fingerprint": "fingerprint",
}


def problem_name(space: str, profile: str, objectives: Sequence[str]) -> str:
    """For files, such as ``mbconv-stage--cortex-m7--error-latency``."""
    return file_name(space, profile, "-".join(objectives))


def task_facts(task: Task) -> dict[str, Any]:
    """What a result file says about its task: names, limits and fingerprint.

    The facts of a profile that is not shipped go along under ``profile_facts``.
    """
    facts: dict[str, Any] = {
        "space": task.space.name,
        "profile": task.profile.name,
        "objectives": list(task.objectives),
        "limits": task.limits,
        "learned_metrics": list(task.learned_metrics),
        "fingerprint": task.fingerprint,
    }
    profile = task.profile
    if isinstance(profile, Profile) and profile.name not in list_profiles():
        facts["profile_facts"] = profile.model_dump(mode="json")
    return facts


def task_of_facts(facts: Mapping[str, Any], source: str) -> Task:
    """The task that :func:`task_facts` described.

    Costs that were learned are learned again; those from a file of the user cannot be.

    Args:
        facts: what a result file says.
        source: how messages refer to that file.

    Raises:
        InputError: if a fact is missing or unknown, or if the task is another one today: its
            space, a predictor, the cost model or the profile changed.
    """
    try:
        profile = (
            validate(Profile, facts["profile_facts"], "profile_facts")
            if "profile_facts" in facts
            else load_profile(str(facts["profile"]))
        )
        task = Task(
            str(facts["space"]),
            profile,
            tuple(facts["objectives"]),
            limits=facts["limits"],
            predictors="mlp" if facts["learned_metrics"] else "analytic",
        )
        expected = facts["fingerprint"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{source}: a field is missing or wrong: {error}") from error
    except ValueError as error:
        raise InputError(f"{source}: {error}") from error
    if task.fingerprint != expected:
        raise StaleTaskError(
            f"{source}: fingerprint: {expected} there, {task.fingerprint} now; it was made with "
            f"another predictor, cost model, space or profile {task.profile.name}; leave it out, "
            "or make the runs again"
        )
    return task


class StaleTaskError(InputError):
    """A file is about a problem that is another one today."""


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Which fact tells two files about tasks of one name apart, and both values."""
    for key, name in SAID.items():
        if one.get(key) != other.get(key):
            what = ""
            if key == "fingerprint":
                what = ", so that the predictor, cost model or profile differs"
            return f"{name}: {one.get(key)} there, {other.get(key)} here{what}"
    return "nothing"
