"""``mcu-nas front``: list the subnets of a front, and pick one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_nas_moo.cli.nas.chosen_front import chosen_front, source_and_filters
from mcu_nas_moo.cli.nas.measured_table import measured_csv, measured_table
from mcu_nas_moo.cli.option_types import NOT_NEGATIVE
from mcu_nas_moo.cli.problem_options import jobs_option, start_computing
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.tables import new_table
from mcu_nas_moo.contracts.metrics import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from mcu_nas_moo.search.subnets import Subnets
    from mcu_nas_moo.spaces.subnet_file import SubnetFile

#: What two files of the same subnet have in common; figures may differ.
_IDENTITY = ("name", "space", "problem", "classes", "genes")


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
    "--sort",
    help=f"By one of {', '.join(OBJECTIVES)}, or a metric of an evaluator or problem of your own.  "
    "[default: the objective after error]",
)
@click.option("--rows", type=NOT_NEGATIVE, default=50, help="Rows to show at most; 0 for all.")
def list_command(sort: str | None, rows: int, **options: Any) -> None:
    """List the feasible front.

    \b
    Examples:
      mcu-nas front list --latency-ms 15 --sram-kib 40 --limit accuracy=75
      mcu-nas front list --exact --profile cortex-m4 --sort error

    Limits apply before the front is taken, so that a subnet that only heavier ones dominate is
    listed under a tighter limit.
    """  # noqa: D301
    console = start_computing()
    chosen, source = chosen_front(**options)
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
@click.option(
    "--best",
    help=f"The one that is best in one of {', '.join(OBJECTIVES)}, or in a metric of an evaluator "
    "or problem of your own.",
)
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
    chosen, _ = chosen_front(**options)
    from mcu_nas_moo.common.naming import file_name
    from mcu_nas_moo.search import front as choice
    from mcu_nas_moo.spaces.abilities import HasNetworks
    from mcu_nas_moo.spaces.subnet_file import write_subnet

    if subnet is not None:
        row = _row(chosen, subnet)
    else:
        row = choice.knee(chosen) if best is None else choice.sorted_by(chosen, best)[0]
    if not chosen.genes[row]:
        raise InputError(
            f"{chosen.problem.title} tells the objectives of its front and not the solutions; "
            "pick one of a search"
        )
    file = chosen.file(row)
    path = out or Path(f"{file_name(file.name)}.yaml")
    _check_free(path, file)
    write_subnet(file, path)
    console.print(_table(chosen, [row]))
    click.echo(f"Wrote {path}")
    if isinstance(chosen.space, HasNetworks):
        click.echo(f"Next: mcu-nas retrain {path} --data DIR")
        click.echo(f"  or, with shared weights: mcu-nas export {path} --data DIR --supernet FILE")
    else:
        click.echo("It holds the value of each gene and the figures; there is no network to train.")


@front.command()
@source_and_filters
@click.option(
    "--with",
    "evaluator",
    default="emulator",
    show_default=True,
    help="What measures: emulator builds and runs the firmware of each; your own module:Name; or a "
    "table.",
)
@click.option("--rows", type=NOT_NEGATIVE, default=10, help="Subnets to measure; 0 for all.")
@jobs_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Table, .csv.")
def measure(evaluator: str, rows: int, jobs: int, out: Path | None, **options: Any) -> None:
    """Measure subnets of the front, beside what the search believed.

    \b
    Examples:
      mcu-nas front measure --rows 5
      mcu-nas front measure --with my_board:Board --out measured.csv

    Of a long front, subnets at equal distances along it. The emulator takes some seconds for each;
    what it found is kept.
    """  # noqa: D301
    console = start_computing()
    if out is not None and out.suffix != ".csv":
        raise InputError(f"--out {out}: expected a file that ends in .csv")
    chosen, source = chosen_front(**options)
    from mcu_nas_moo.common.files import write_text_atomically
    from mcu_nas_moo.common.progress import Bars
    from mcu_nas_moo.search import measured_front

    measured_front.check_measurable(chosen)
    count = min(rows or len(chosen), len(chosen))
    some = [round(n * (len(chosen) - 1) / max(count - 1, 1)) for n in range(count)]
    with Bars("subnets", console, transient=True) as progress:
        bar = progress.add_task(f"measuring with {evaluator}", total=count)
        result = measured_front.measure(
            chosen.take(some),
            evaluator,
            jobs,
            done=lambda finished: progress.update(bar, completed=finished),
        )
    click.echo(source)
    console.print(measured_table(result, some))
    for row, reason in result.reasons.items():
        console.print(f"{result.subnets.names[row]}: {reason}", soft_wrap=True)
    if out is not None:
        write_text_atomically(out, measured_csv(result))
        click.echo(f"Wrote {out}")


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
    from mcu_nas_moo.spaces.subnet_file import read_fields

    if not path.exists():
        return
    same = False
    with suppress(ValueError):
        found = read_fields(path)
        same = all(getattr(found, name) == getattr(file, name) for name in _IDENTITY)
    if not same:
        raise InputError(f"{path} exists and holds something else; choose another --out")


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
