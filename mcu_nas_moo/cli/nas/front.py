"""``mcu-nas front``: list the subnets of a front, and pick one."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from mcu_nas_moo.cli.option_types import FILE, NOT_NEGATIVE
from mcu_nas_moo.cli.problem_options import (
    ProblemOptions,
    bound_option,
    evaluation_options,
    names_in,
    start_computing,
)
from mcu_nas_moo.cli.program import note
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.tables import new_table
from mcu_nas_moo.contracts.metrics import METRICS, OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.table import Table

    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.search.subnets import Subnets
    from mcu_nas_moo.spaces.subnet_file import SubnetFile

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
)
#: What two files of the same subnet have in common; figures may differ.
_IDENTITY = ("name", "space", "classes", "genes")
_FILTERS = tuple(
    bound_option(
        "at_most",
        metric,
        _option_of(metric),
        f"Only subnets with at most this {metric.short}, in {metric.unit}.",
        old=[f"--max-{metric.option}"],
    )
    for metric in _BOUNDED.values()
)


def source_and_filters(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The options that say which front is meant; :func:`_chosen_front` reads them."""
    options = (*_SOURCE, *_FILTERS)
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)


@click.group()
def front() -> None:
    """List the subnets of a front, and pick one.

    \b
    Examples:
      mcu-nas front list
      mcu-nas front pick --knee

    By default of the search that was run last.
    """  # noqa: D301


@front.command("list")
@source_and_filters
@click.option(
    "--sort", help=f"By one of {', '.join(OBJECTIVES)}.  [default: the objective after error]"
)
@click.option("--rows", type=NOT_NEGATIVE, default=50, help="Rows to show at most; 0 for all.")
def list_command(sort: str | None, rows: int, **options: Any) -> None:
    """List the feasible front.

    \b
    Examples:
      mcu-nas front list --latency-ms 15 --sram-kib 40
      mcu-nas front list --exact --profile cortex-m4 --sort error

    Limits apply before the front is taken, so that a subnet that only heavier ones dominate is
    listed under a tighter limit.
    """  # noqa: D301
    console = start_computing()
    chosen, source = _chosen_front(**options)
    from mcu_nas_moo.search.front import sorted_by

    order = list(range(len(chosen))) if sort is None else sorted_by(chosen, sort)
    shown = order[:rows] if rows else order
    click.echo(source)
    console.print(_table(chosen, shown))
    if len(shown) < len(order):
        console.print(f"{len(order) - len(shown):,} more; --rows 0 shows all.")


@front.command()
@click.argument("subnet", required=False)
@source_and_filters
@click.option("--best", help=f"The one with the least of one of these: {', '.join(OBJECTIVES)}.")
@click.option(
    "--knee",
    "take_knee",
    is_flag=True,
    help="The one nearest to the best of all objectives, each scaled to the range of the front.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Subnet file, .yaml or .json.  [default: NAME.yaml]",
)
def pick(
    subnet: str | None,
    best: str | None,
    take_knee: bool,
    out: Path | None,
    **options: Any,
) -> None:
    """Write the file of one SUBNET, by name, number or a rule.

    \b
    Examples:
      mcu-nas front pick --knee
      mcu-nas front pick --best error --latency-ms 15
      mcu-nas front pick 7 --out chosen.yaml

    Numbers are those of `mcu-nas front list` with the same limits. The knee is the compromise
    solution in the Euclidean norm (Zeleny 1973).
    """  # noqa: D301
    console = start_computing()
    if (subnet is not None) + (best is not None) + take_knee != 1:
        raise InputError("give a name or number of `mcu-nas front list`, or --best, or --knee")
    if out is not None and out.suffix not in (".yaml", ".yml", ".json"):
        raise InputError(f"--out {out}: expected a file that ends in .yaml or .json")
    chosen, _ = _chosen_front(**options)
    from mcu_nas_moo.common.naming import file_name
    from mcu_nas_moo.search import front as choice
    from mcu_nas_moo.spaces.subnet_file import write_subnet

    if subnet is not None:
        row = _row(chosen, subnet)
    else:
        row = choice.knee(chosen) if best is None else choice.sorted_by(chosen, best)[0]
    file = chosen.file(row)
    path = out or Path(f"{file_name(file.name)}.yaml")
    _check_free(path, file)
    write_subnet(file, path)
    console.print(_table(chosen, [row]))
    click.echo(f"Wrote {path}")
    click.echo(f"Next: mcu-nas retrain {path} --data DIR")
    click.echo(f"  or, with shared weights: mcu-nas export {path} --data DIR --supernet FILE")


def _row(chosen: Subnets, wanted: str) -> int:
    """Row of a subnet by its name, or by its number from 1."""
    if wanted in chosen.names:
        return chosen.names.index(wanted)
    if not wanted.isdecimal():
        from difflib import get_close_matches

        nearest = get_close_matches(wanted, chosen.names, n=1)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        raise InputError(f"no subnet {wanted!r}; {hint}`mcu-nas front list` shows the names")
    number = int(wanted)
    if not 1 <= number <= len(chosen):
        raise InputError(
            f"there is no subnet {number}; the front has the numbers 1 to {len(chosen)}"
        )
    return number - 1


def _check_free(path: Path, file: SubnetFile) -> None:
    """Refuse to replace anything but the same subnet's file."""
    from mcu_nas_moo.spaces.subnet_file import read_subnet

    if not path.exists():
        return
    try:
        found = read_subnet(path)
        same = all(getattr(found, name) == getattr(file, name) for name in _IDENTITY)
    except ValueError:
        same = False
    if not same:
        raise InputError(f"{path} exists and holds something else; choose another --out")


def _chosen_front(
    folder: Path | None,
    storage: str | None,
    study_name: str | None,
    exact: bool,
    profile: str | None,
    space: str | None,
    objectives: str | None,
    at_most: dict[str, float],
    **parts: Any,
) -> tuple[Subnets, str]:
    """The front that the options describe, and a title for it; ``parts`` evaluate networks."""
    for name, limit in at_most.items():
        if math.isnan(limit):
            raise InputError(f"{_option_of(METRICS[name])} must be a number, not nan")
    if (folder is not None) + (storage is not None) + exact > 1:
        raise InputError("give one of --from, --storage and --exact")
    if study_name is not None and storage is None:
        raise InputError("--study-name needs --storage")
    if folder is not None and [profile, space, objectives] != [None, None, None]:
        raise InputError("--from names a search; leave out --profile, --space and --objectives")
    names = None if objectives is None else names_in(objectives, "--objectives")
    problem = _problem(profile, space, objectives, parts)
    if problem != _problem(profile, space, objectives, {}) and not exact and storage is None:
        raise InputError("a search knows what evaluated it; that is for --exact and --storage")
    from mcu_nas_moo.search.front import front_of

    if exact:
        everything, source = _reference_front(problem, at_most)
    elif storage is not None:
        everything, source = _of_storage(storage, study_name, problem)
    else:
        from mcu_nas_moo.search.search_folder import SEARCHES, SearchFolder, find_search

        if folder is not None:
            found = SearchFolder(folder)
        else:
            found = find_search(SEARCHES, profile, space, names, say=note)
        everything, source = found.read(), str(found.root)
    chosen = front_of(everything, at_most)
    limits = " under these limits" if at_most else ""
    count = f"{len(chosen):,} subnet{'' if len(chosen) == 1 else 's'}"
    lines = [f"{count} on the front of {everything.problem.title}{limits}", f"From {source}"]
    if "error" in chosen.metrics:
        lines.append(f"Error on {everything.problem.accuracy_of}")
    return chosen, "\n".join(lines)


def _problem(
    profile: str | None, space: str | None, objectives: str | None, parts: dict[str, Any]
) -> ProblemOptions:
    """What the options say of a problem, with the usual values of those left out."""
    given = {"profile": profile, "space": space, "objectives": objectives, **parts}
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
                f"study {study.study_name} says what it searches; leave out --profile, --space and "
                "--objectives"
            )
        return subnets_of(study), f"study {study.study_name}"
    task = problem.task()
    found, others = decoded_subnets(study, task)
    left_out = f"; {others:,} trials are none of {task.space.name}" if others else ""
    return found, f"study {study.study_name}, by {task.title}{left_out}"


def _reference_front(problem: ProblemOptions, at_most: Mapping[str, float]) -> tuple[Subnets, str]:
    """The known reference front of a problem.

    With limits on costs that are no objectives, the front of all four objectives is taken, which
    holds what is best under each limit.
    """
    from mcu_nas_moo.benchmark.references.reference import known_reference, remake_command
    from mcu_nas_moo.search.subnets import Subnets

    task = problem.task()
    bounded = {name for name, metric in _BOUNDED.items() if metric.name in at_most}
    wider = task
    if not bounded <= set(task.objectives) and set(task.objectives) <= set(_BOUNDED):
        wider = replace(problem, objectives=",".join(_BOUNDED)).task()
    reference = known_reference(wider)
    if reference is None:
        raise InputError(
            f"no reference front is known for {wider.title} and {','.join(wider.objectives)}; "
            f"`{remake_command(wider)}` makes one"
        )
    found = Subnets.of_genotypes(wider, reference.X, "r")
    about = task.facts()
    everything = Subnets(about, found.names, found.genes, found.metrics, found.trials)
    return everything, f"the {reference.kind} reference front"


def _table(chosen: Subnets, rows: Sequence[int]) -> Table:
    from rich.table import Column

    # A number and some of the name are there, however many metrics stand beside them.
    number = Column("#", justify="right", no_wrap=True, min_width=len(str(len(chosen))))
    texts = number, Column("name", no_wrap=True, overflow="ellipsis", min_width=12)
    known = chosen.problem.objectives_known.values()
    metrics = [metric for metric in known if metric.name in chosen.metrics]
    table = new_table(texts, [metric.heading for metric in metrics])
    for row in rows:
        figures = (m.number(float(chosen.metrics[m.name][row])) for m in metrics)
        table.add_row(str(row + 1), chosen.names[row], *figures)
    return table
