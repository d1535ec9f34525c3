"""What the commands that run optimisers share: options of their problem, and their console."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from mcu_nas_moo.cli.option_types import FILE, FOLDER, POSITIVE, RenamedOption
from mcu_nas_moo.cli.program import leave_the_pipe
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.metrics import LIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.problem.task import Task

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

DEFAULT_OBJECTIVES = "error,latency"
DEFAULT_PROFILE = "cortex-m7"

PROFILES_HELP = "Devices: names or YAML files, with commas; all for those shipped."
profile_option = click.option(
    "--profile", default=DEFAULT_PROFILE, help="Device: a name, or a YAML file."
)
space_option = click.option(
    "--space",
    default="mbconv-stage",
    help="Search space: a name, a YAML file, or your own module:Name.",
)
objectives_option = click.option(
    "--objectives",
    default=DEFAULT_OBJECTIVES,
    help="What to minimise, with commas; two at least. Metrics of an --evaluator have their names.",
)


def _cores() -> int:
    from mcu_nas_moo.common.workpool import cores  # with all that starts processes

    return cores()


jobs_option = click.option(
    "--jobs", type=POSITIVE, default=_cores, show_default="one per core", help="Processes."
)
results_option = click.option(
    "--out",
    type=FOLDER,
    help="Folder of the results; a second start continues there.  [default: in bench-results/]",
)


def limit_options(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Options for limits other than the profile's; the command gets ``limits``, by metric."""
    for metric in reversed(LIMITED.values()):
        text = f"{metric.short[0].upper()}{metric.short[1:]} limit instead of the profile's."
        command = bound_option("limits", metric, f"--{metric.option}", text)(command)
    return command


@dataclass(frozen=True)
class ProblemOptions:
    """What the options say of a problem.

    Attributes:
        space, profile, objectives, costs: as :class:`Task` takes them; profiles and objectives are
            texts with commas.
        limits: of the known metrics, by metric.
        further_limits: texts ``NAME=VALUE``, in the unit in which the metric is shown.
        accuracy: file of a predictor.
        supernet: file of shared weights, or ``shipped``, to measure accuracies with.
        data: the pictures for that.
        evaluators: ``module:Name``, or tables.
        problem: name of any other problem, which is all of it.
        usual_profile: of a space with networks, where none is named.
    """

    space: str = "mbconv-stage"
    profile: str | None = None
    objectives: str = DEFAULT_OBJECTIVES
    limits: dict[str, float] = field(default_factory=dict)
    further_limits: tuple[str, ...] = ()
    accuracy: Path | None = None
    supernet: Path | None = None
    data: Path | None = None
    evaluators: tuple[str, ...] = ()
    costs: str = "analytic"
    problem: str | None = None
    usual_profile: str = DEFAULT_PROFILE

    @property
    def profiles(self) -> list[str | None]:
        """Names and files of all profiles; None for the usual one."""
        return [None] if self.profile is None else [*profiles_in(self.profile)]

    def task(self, profile: str | None = None) -> Task:
        """The task that the options describe.

        Args:
            profile: one of several.

        Raises:
            InputError: for bad options, or fewer than two objectives.
        """
        if self.problem is not None:
            from mcu_nas_moo.problem.task import Task

            return Task.of_problem(self.problem)
        from mcu_nas_moo.problem.named_parts import task_of_names

        task = task_of_names(
            self.space,
            profile or self.profile,
            names_in(self.objectives, "--objectives"),
            usual_profile=self.usual_profile,
            limits=self.limits,
            shown_limits=figures_in(self.further_limits),
            accuracy=self.accuracy,
            supernet=self.supernet,
            data=self.data,
            evaluators=self.evaluators,
            costs=self.costs,
        )
        if task.n_obj < 2:
            raise InputError(
                f"--objectives {self.objectives} has no trade-off; give two at least, "
                f"such as {DEFAULT_OBJECTIVES}"
            )
        return task


#: What networks are evaluated with, beside the profile.
evaluation_options = (
    click.option(
        "--accuracy",
        type=FILE,
        help="FILE of a predictor of accuracy, of `mcu-nas predictor fit`.  "
        "[default: the one shipped]",
    ),
    click.option(
        "--supernet",
        type=FILE,
        help="Measure accuracies with the shared weights in FILE, on --data, instead of "
        "predicting them; shipped for those of CIFAR-10. A second or so per network.",
    ),
    click.option("--data", type=FILE, help="Pictures for --supernet: train/<class>/<picture>."),
    click.option(
        "--evaluator",
        "evaluators",
        multiple=True,
        help="What tells further metrics, or the accuracy or costs in place of the usual: your "
        "own module:Name, or a table, .csv or .parquet. Repeatable.",
    ),
    click.option(
        "--costs",
        cls=RenamedOption,
        old=["--predictors"],
        default="analytic",
        help="What tells the costs: analytic; mlp, learned from it; or the FILE of learned "
        "costs that `mcu-nas predictor fit-costs` made.",
    ),
)


#: Any other problem in place of a space, a device and what tells their figures.
problem_option = click.option(
    "--problem",
    metavar="NAME",
    help="Any other problem instead of networks: a name of `mcu-nas-bench --list`, or your own "
    "module:Name, see docs/how-to/problem.md.",
)


def refuse_beside(problem: str, options: Collection[str]) -> None:
    """Make sure that ``--problem`` stands alone on the command line.

    Args:
        problem: its value.
        options: names of the parameters that would say something else of what is searched.

    Raises:
        InputError: if one of them was given.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if parameter.name in options and source is click.core.ParameterSource.COMMANDLINE:
            raise InputError(
                f"--problem {problem} and {parameter.opts[0]} both say what is searched; leave one "
                "out"
            )


def problem_options(
    *, several: bool = False, objectives: bool = True, profile: str = DEFAULT_PROFILE
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """All options that say what is searched; the command gets them as ``problem``.

    Args:
        several: whether there may be more than one profile.
        objectives: whether there is ``--objectives``, or the command has an option of its own.
        profile: that is taken without the option, for a space with networks.
    """
    text = PROFILES_HELP if several else "Device: a name, or a YAML file."
    usual = f"  [default: {profile}, or none for a space without networks]"
    options = (
        click.option("--profile", help=text + usual),
        space_option,
        *((objectives_option,) if objectives else ()),
        *evaluation_options,
        limit_options,
        click.option(
            "--limit",
            "further_limits",
            metavar="NAME=VALUE",
            multiple=True,
            help="Limit of any metric, in its unit: an upper one, or a lower one where larger is "
            "better, such as accuracy=90. Repeatable.",
        ),
    )

    def decorate(command: Callable[..., Result]) -> Callable[..., Result]:
        @wraps(command)
        def with_problem(*args: Any, **values: Any) -> Result:
            names = [one.name for one in fields(ProblemOptions) if one.name in values]
            own = {name: values.pop(name) for name in names}
            if own["problem"] is not None:
                refuse_beside(own["problem"], others)
            return command(*args, problem=ProblemOptions(**own, usual_profile=profile), **values)

        decorated: Any = problem_option(with_problem)
        known = len(decorated.__click_params__)
        for option in reversed(options):
            decorated = option(decorated)
        others = {one.name for one in decorated.__click_params__[known:]}
        return decorated  # type: ignore[no-any-return]

    return decorate


def bound_option(
    argument: str, metric: Metric, option: str, text: str, old: Sequence[str] = ()
) -> Callable[[Any], Any]:
    """An option for a bound of a metric, given in its unit.

    The command gets all bounds of one ``argument`` together: stored values by metric, without
    those that were left out.
    """

    def keep(context: click.Context, _: click.Parameter, value: float | None) -> None:
        bounds = context.params.setdefault(argument, {})
        if value is not None:
            bounds[metric.name] = value / metric.factor

    return click.option(
        option,
        cls=RenamedOption,
        old=old,
        type=float,
        help=text,
        expose_value=False,
        callback=keep,
    )


def start_computing() -> Console:
    """Let numerical libraries that are imported from now on use one thread; the console.

    Runs are parallel; more threads within each of them would only get in the way, and the numbers
    would depend on how many there are.
    """
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    return plain_console()


def plain_console(widest: int | None = None) -> Console:
    """Where results are shown: 100 columns, or on a terminal all, at most ``widest``."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 100
    elif widest is not None:
        console.width = min(console.width, widest)
    console.on_broken_pipe = leave_the_pipe  # type: ignore[method-assign]
    return console


def names_in(text: str, option: str) -> list[str]:
    """Names between commas, each once.

    Raises:
        InputError: if there are none.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise InputError(f"{option} names nothing; see mcu-nas-bench --list")
    return names


def profiles_in(text: str) -> list[str]:
    """Names and files of profiles between commas; all shipped ones for ``all``."""
    from mcu_nas_moo.hardware.profile import list_profiles

    return list_profiles() if text == "all" else names_in(text, "--profile")


def changed_limits_in_name(task: Task) -> str:
    """The limits that are other ones than the profile's, for names, as ``--sram-kib-20.5``.

    A problem has no others than its own.
    """
    if task.problem is not None:
        return ""
    changed = task.changed_limits.items()
    return "".join(f"--{name.replace('_', '-')}-{limit:.12g}" for name, limit in changed)


def figures_in(texts: Sequence[str]) -> dict[str, float]:
    """What ``--limit`` says, by metric, in the unit in which that is shown.

    Raises:
        InputError: for anything but ``NAME=VALUE`` with a number, or a name given twice.
    """
    limits: dict[str, float] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if name in limits:
            raise InputError(f"--limit {text}: the limit of {name} is given twice")
        try:
            limits[name] = float(value)
        except ValueError:
            raise InputError(
                f"--limit {text}: expected NAME=VALUE with a number, such as energy_mj=2.5"
            ) from None
    return limits
