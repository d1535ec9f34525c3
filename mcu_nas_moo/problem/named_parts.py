"""The task that names, files and figures with units describe, as in options and in suites."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.metrics import METRICS
from mcu_nas_moo.problem.evaluators.trained_accuracy import SupernetAccuracy
from mcu_nas_moo.problem.task import Task
from mcu_nas_moo.spaces.abilities import HasNetworks
from mcu_nas_moo.spaces.register import load_space
from mcu_nas_moo.training.supernet.shipped_files import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Stands for networks on no device.
NO_PROFILE = "none"
DEFAULT_PROFILE = "cortex-m7"


def task_of_names(
    space: str,
    profile: str | None,
    objectives: Sequence[str],
    *,
    usual_profile: str = DEFAULT_PROFILE,
    limits: Mapping[str, float] | None = None,
    shown_limits: Mapping[str, float] | None = None,
    accuracy: Path | None = None,
    supernet: Path | None = None,
    data: Path | None = None,
    evaluators: Sequence[str] = (),
    costs: str = "analytic",
) -> Task:
    """The task that these names describe; see :class:`Task` for most of them.

    Args:
        profile: name or file; ``none`` for no device; None for ``usual_profile``, if the space
            knows its networks.
        limits: by metric, as stored.
        shown_limits: by metric, in the unit in which it is shown, such as per cent.
        accuracy: file of a predictor.
        supernet: file of shared weights, or ``shipped``, that the accuracy is measured with.
        data: folder of the pictures for that.

    Raises:
        InputError: for anything that fits neither the package nor the other names.
    """
    chosen, measured = load_space(space), _accuracy(accuracy, supernet, data)
    if profile is None and isinstance(chosen, HasNetworks):
        profile = usual_profile
    make = partial(
        Task,
        chosen,
        None if profile == NO_PROFILE else profile,
        objectives,
        accuracy=measured,
        costs=costs,
        evaluators=evaluators,
    )
    stored, shown = dict(limits or {}), dict(shown_limits or {})
    table = METRICS
    if not shown.keys() <= table.keys():
        table = make(limits=stored).table  # with the metrics that evaluators bring
    for name, limit in shown.items():
        if name in stored:
            raise InputError(f"the limit of {name} is given twice")
        stored[name] = limit / table[name].factor if name in table else limit
    task = make(limits=stored)
    if isinstance(measured, SupernetAccuracy):
        measured.check(task.space)  # now, and not at the first network
    return task


def _accuracy(accuracy: Path | None, supernet: Path | None, data: Path | None) -> Any:
    if supernet is None:
        if data is not None:
            raise InputError(
                "data (pictures) go with a supernet; without one, accuracies are predicted"
            )
        return accuracy
    if accuracy is not None:
        raise InputError("accuracy names a predictor of what a supernet measures; give one of them")
    if data is None:
        raise InputError("a supernet needs data, the folder of pictures to measure accuracies on")
    return SupernetAccuracy(data, None if str(supernet) == SHIPPED else supernet)
