"""Which front a command of ``mcu-nas front`` is about: its options, and what they choose."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from mcu_nas_moo.cli.option_types import FILE
from mcu_nas_moo.cli.problem_options import (
    ProblemOptions,
    bound_option,
    evaluation_options,
    figures_in,
    names_in,
    problem_option,
    refuse_beside,
)
from mcu_nas_moo.cli.program import note
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.contracts.metrics import METRICS, OBJECTIVES, objectives_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.search.subnets import Subnets

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

#: What can be bounded. Where the front of all these objectives is known, it answers for any bound.
_BOUNDED = {name: metric for name, metric in OBJECTIVES.items() if metric.limit or name == "error"}


def _option_of(metric: Metric) -> str:
    """Named like the limits of a search."""
    return f"--{metric.option}" if metric.limit else f"--max-{metric.option}"


_SOURCE = (
    click.option(
        "--from",
        "folder",
        type=FILE,
        help="Folder that `mcu-nas search` wrote.  [default: the last one in search/]",
    ),
    click.option("--storage", help="An Optuna storage instead: a URL, or the file of a journal."),
    click.option("--study-name", help="In that storage.  [default: the only one]"),
    click.option(
        "--exact",
        is_flag=True,
        help="The known reference front of a problem instead, without a search: the exact one, or "
        "the best known where the space is too large.",
    ),
    click.option(
        "--profile", help="Which device's search or reference front: a name, or a YAML file."
    ),
    click.option("--space", help="Which space's search or reference front."),
    click.option("--objectives", help="Which objectives' search or reference front."),
    *evaluation_options,
    problem_option,
)

#: Parameters that would contradict ``--problem``.
_OF_NETWORKS = {"profile", "space", "objectives"} | {
    "accuracy",
    "supernet",
    "data",
    "evaluators",
    "costs",
}


_FILTERS = (
    *(
        bound_option(
            "limits",
            metric,
            _option_of(metric),
            f"Only subnets with at most this {metric.short}, in {metric.unit}.",
            old=[f"--max-{metric.option}"] if metric.limit else [],
        )
        for metric in _BOUNDED.values()
    ),
    click.option(
        "--limit",
        "further_limits",
        metavar="NAME=VALUE",
        multiple=True,
        help="Only those within this limit of any metric, in its unit: an upper one, or a lower "
        "one where larger is better, such as accuracy=90. Repeatable.",
    ),
)


def source_and_filters(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The options that say which front is meant; :func:`chosen_front` reads them."""
    options = (*_SOURCE, *_FILTERS)
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)


def chosen_front(
    folder: Path | None,
    storage: str | None,
    study_name: str | None,
    exact: bool,
    profile: str | None,
    space: str | None,
    objectives: str | None,
    problem: str | None,
    limits: dict[str, float],
    further_limits: tuple[str, ...],
    **parts: Any,
) -> tuple[Subnets, str]:
    """The front that the options describe, and a title for it; ``parts`` evaluate networks."""
    shown = _checked(limits, figures_in(further_limits))
    if problem is not None:
        refuse_beside(problem, _OF_NETWORKS)
    if (folder is not None) + (storage is not None) + exact > 1:
        raise InputError("give one of --from, --storage and --exact")
    if study_name is not None and storage is None:
        raise InputError("--study-name needs --storage")
    which = {"profile": profile, "space": space, "objectives": objectives, "problem": problem}
    if folder is not None and any(value is not None for value in which.values()):
        raise InputError(
            "--from names a search; leave out --profile, --space, --objectives and --problem"
        )
    names = None if objectives is None else names_in(objectives, "--objectives")
    described = _problem(which, parts)
    if described != _problem(which, {}) and not exact and storage is None:
        raise InputError("a search knows what evaluated it; that is for --exact and --storage")
    from mcu_nas_moo.search.front import front_of

    if exact:
        everything, source = _reference_front(described, [*limits, *shown])
    elif storage is not None:
        everything, source = _of_storage(storage, study_name, described)
    else:
        from mcu_nas_moo.search.search_folder import SEARCHES, SearchFolder, find_search

        if folder is not None:
            found = SearchFolder(folder)
        else:
            found = find_search(SEARCHES, profile, space, names, problem, say=note)
        everything, source = found.read(), str(found.root)
    table = everything.problem.table
    for name, limit in shown.items():
        limits[name] = limit / table[name].factor if name in table else limit
    chosen = front_of(everything, limits)
    under = " under these limits" if limits else ""
    count = f"{len(chosen):,} {everything.problem.noun}{'' if len(chosen) == 1 else 's'}"
    lines = [f"{count} on the front of {everything.problem.title}{under}", f"From {source}"]
    if "error" in chosen.metrics:
        lines.append(f"Error on {everything.problem.accuracy_of}")
    return chosen, "\n".join(lines)


def _checked(limits: Mapping[str, float], shown: dict[str, float]) -> dict[str, float]:
    """The further limits, ``shown``, if all are numbers and none is given twice."""
    said = {_option_of(METRICS[name]): limit for name, limit in limits.items()}
    said |= {f"--limit {name}": limit for name, limit in shown.items()}
    for name, limit in said.items():
        if math.isnan(limit):
            raise InputError(f"{name} must be a number, not nan")
    for name in shown.keys() & limits.keys():
        raise InputError(f"the limit of {name} is given twice")
    return shown


def _problem(which: dict[str, Any], parts: dict[str, Any]) -> ProblemOptions:
    """What the options say of a problem, with the usual values of those left out."""
    given = {**which, **parts}
    return ProblemOptions(**{name: value for name, value in given.items() if value is not None})


def _of_storage(
    storage: str, study_name: str | None, problem: ProblemOptions
) -> tuple[Subnets, str]:
    """The subnets of any study; one that does not say what it searches is evaluated anew."""
    from mcu_nas_moo.problem.adapters.optuna_objective import PROBLEM
    from mcu_nas_moo.search.search_study import decoded_subnets, load_study, subnets_of
    from mcu_nas_moo.search.study_storage import storage_for_reading

    study = load_study(storage_for_reading(storage), study_name)
    if PROBLEM in study.user_attrs:
        if problem != ProblemOptions():
            raise InputError(
                f"study {study.study_name} says what it searches; leave out --profile, --space, "
                "--objectives and --problem"
            )
        return subnets_of(study), f"study {study.study_name}"
    task = problem.task()
    found, others = decoded_subnets(study, task)
    left_out = f"; {others:,} trials are none of {task.space.name}" if others else ""
    return found, f"study {study.study_name}, by {task.title}{left_out}"


def _reference_front(problem: ProblemOptions, limited: Sequence[str]) -> tuple[Subnets, str]:
    """The known reference front of a problem.

    With limits on metrics that are no objectives, that of a front with these among its objectives
    is taken, which holds what is best under each limit.
    """
    from mcu_nas_moo.benchmark.references.reference import known_reference, remake_command
    from mcu_nas_moo.benchmark.references.whole_space import is_small
    from mcu_nas_moo.search.subnets import Subnets

    task = problem.task()
    bounded = _objectives_of(task, limited)
    wider = task
    if not bounded <= {*task.objectives}:
        if problem.problem is not None:
            raise InputError(
                f"the front of {task.title} is known for {','.join(task.objectives)}, and these "
                "alone can be limited; search for the others"
            )
        names = [*dict.fromkeys([*task.objectives, *sorted(bounded)])]
        names = [*_BOUNDED] if {*names} <= {*_BOUNDED} else names
        wider = replace(problem, objectives=",".join(names)).task()
    reference = known_reference(wider)
    if reference is None:
        remedy = f"`{remake_command(wider)}` makes one"
        if problem.problem is not None and not is_small(wider):
            remedy = "its solutions are too many to evaluate all; `mcu-nas search` finds a front"
        raise InputError(
            f"no reference front is known for {wider.title} and {','.join(wider.objectives)}; "
            f"{remedy}"
        )
    if not len(reference.X):  # the problem tells no more
        return _told_points(task, reference), f"the {reference.kind} reference front"
    found = Subnets.of_genotypes(wider, reference.X, "r")
    about = task.facts()
    everything = Subnets(about, found.names, found.genes, found.metrics, found.trials)
    return everything, f"the {reference.kind} reference front"


def _objectives_of(task: Task, limited: Sequence[str]) -> set[str]:
    """The objectives that metrics stand for; the accuracy for the error.

    Raises:
        InputError: for a metric that is none, by which no reference front can be chosen.
    """
    known = objectives_in(task.table)
    of_metric = {metric.name: name for name, metric in known.items()} | {"accuracy": "error"}
    for name in limited:
        if name not in of_metric:
            raise unknown_name("limit", name, of_metric)
    return {of_metric[name] for name in limited}


def _told_points(task: Task, reference: Reference) -> Subnets:
    """A front of which the objectives alone are known, as solutions without genes."""
    from mcu_nas_moo.search.subnets import Subnets, subnet_name

    about = task.facts().model_copy(update={"limits": {}})  # which it meets
    count = len(reference.F)
    names = tuple(subnet_name(about, f"r{number}") for number in range(1, count + 1))
    return Subnets(about, names, ({},) * count, reference.figures(task), (-1,) * count)
