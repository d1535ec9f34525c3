"""What the adapters to pymoo, Optuna and Gymnasium share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from mcu_nas_moo.problem.task import Task


def task_of(task: Task | None, profile: Any, space: Any, objectives: Any, limits: Any) -> Task:
    """``task`` if there is one, else the task with the given settings; None means the default.

    Raises:
        InputError: if both a task and settings are given, which might contradict each other.
    """
    settings = {"profile": profile, "space": space, "objectives": objectives, "limits": limits}
    given = {name: value for name, value in settings.items() if value is not None}
    if task is None:
        from mcu_nas_moo.problem.task import Task

        return Task(**given)
    if given:
        raise InputError(f"a task already fixes {', '.join(given)}; give one or the other")
    return task
