"""``mcu-nas predictor``: fit predictors of accuracy, and of costs in the analytic model's place."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.nas.supernet import SEED, SUPERNET
from mcu_nas_moo.cli.option_types import FILE, POSITIVE
from mcu_nas_moo.cli.problem_options import plain_console, profile_option, space_option
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.problem.evaluators.cost_labels import CostLabels
    from mcu_nas_moo.problem.evaluators.cost_predictor import LearnedCosts


#: Kendall's tau below which a search by a predictor finds little; the shipped one has 0.93.
LEAST_TAU = 0.5


@click.group()
def predictor() -> None:
    """Fit predictors of accuracy and of costs.

    \b
    Example:
      mcu-nas predictor fit --labels labels.csv
    """  # noqa: D301


@predictor.command()
@click.option("--labels", "labels_file", type=FILE, help="Default: shipped.")
@SUPERNET
@click.option("--out", type=FILE, default=Path("predictor.safetensors"))
@SEED
def fit(labels_file: Path | None, weights: Path | None, out: Path, seed: int) -> None:
    """Fit an accuracy predictor to labels, cross-validated.

    \b
    Example:
      mcu-nas predictor fit --labels labels.csv --supernet supernet/supernet.safetensors
    """  # noqa: D301
    from mcu_nas_moo.problem.evaluators.accuracy_fit import fit_and_judge
    from mcu_nas_moo.problem.evaluators.perceptrons import FOLDS
    from mcu_nas_moo.spaces import list_spaces
    from mcu_nas_moo.training.supernet.labels import Labels
    from mcu_nas_moo.training.supernet.shipped_files import register
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    labels = Labels.load(labels_file)
    trained = TrainedSupernet.load(weights)
    fitted = fit_and_judge(trained.spaces, labels, seed, data=trained.data)
    fitted.save(out)
    register(out)
    click.echo(f"Each label predicted without it ({FOLDS}-fold cross-validation):")
    for name, row in fitted.details.items():
        if isinstance(row, dict):
            click.echo(
                f"{name}: Kendall's tau {row['kendall_tau']:.3f}, RMSE {100 * row['rmse']:.2f} "
                f"points on {row['labels']} labels"
            )
    click.echo(f"predictor: {out}")
    if not fitted.details["all"]["kendall_tau"] >= LEAST_TAU:  # nan, too
        click.echo(
            f"It hardly tells good networks from bad ones (Kendall's tau below {LEAST_TAU:g}): "
            "train the supernet longer, with more pictures, or label more subnets."
        )
    name = trained.spaces[0].name
    space = name if name in list_spaces() else "FILE"
    click.echo(f"Next: mcu-nas search --space {space} --accuracy {out}")


@predictor.command("label-costs")
@profile_option
@space_option
@click.option("--samples", type=POSITIVE, default=100, help="Subnets.")
@click.option("--out", type=FILE, default=Path("costs.csv"))
@SEED
def label_costs(profile: str, space: str, samples: int, out: Path, seed: int) -> None:
    """Write sampled subnets with their costs to a CSV file.

    \b
    Example:
      mcu-nas predictor label-costs --samples 2000 --out costs.csv

    Measure the subnets on a board, put what was measured in the place of the costs, remove the
    other cost columns, and give the file to fit-costs.
    """  # noqa: D301
    from mcu_nas_moo.hardware.profile import load_profile
    from mcu_nas_moo.problem.evaluators.cost_labels import analytic_labels
    from mcu_nas_moo.spaces import load_space

    labels = analytic_labels(load_space(space), load_profile(profile), samples, seed)
    labels.save(out)
    click.echo(f"{len(labels)} labels: {out}")


@predictor.command("fit-costs")
@profile_option
@space_option
@click.option(
    "--labels",
    "labels_file",
    type=FILE,
    help="CSV file of measurements; see label-costs.  [default: labels by the analytic model]",
)
@click.option("--samples", type=POSITIVE, help="Analytic labels to learn from.  [default: 2000]")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="What to learn; may be repeated.  [default: the columns of --labels, or all costs]",
)
@click.option("--out", type=FILE, default=Path("costs.safetensors"))
@SEED
def fit_costs(
    profile: str,
    space: str,
    labels_file: Path | None,
    samples: int | None,
    metrics: tuple[str, ...],
    out: Path,
    seed: int,
) -> None:
    """Learn costs with an MLP, for --costs, and say how far off.

    \b
    Example:
      mcu-nas predictor fit-costs --labels measured.csv --out costs.safetensors

    Learned from analytic labels, it is compared with the analytic model on subnets it has not
    seen. Learned from measurements, both are compared with the measurements, each of them
    predicted by an MLP fitted without it.
    """  # noqa: D301
    from mcu_nas_moo.hardware.cost_model import Costs
    from mcu_nas_moo.hardware.profile import load_profile
    from mcu_nas_moo.problem.evaluators import cost_fit as fitting
    from mcu_nas_moo.problem.evaluators.cost_labels import CostLabels, analytic_labels
    from mcu_nas_moo.spaces import load_space

    if out.suffix != ".safetensors":
        raise InputError(f"--out must end in .safetensors, got {out}")
    if labels_file is not None and samples is not None:
        raise InputError("--samples is for analytic labels; leave it or --labels out")
    console = plain_console()
    device, chosen = load_profile(profile), load_space(space)
    if labels_file is not None:
        labels = CostLabels.load(labels_file, chosen)
    else:
        labels = analytic_labels(chosen, device, samples or fitting.SAMPLES, seed)
    with console.status("fitting ..."):
        costs = fitting.fit_costs(labels, device, seed, metrics)
    if labels.analytic:
        _compare_with_analytic(costs, labels, device, console)
    else:
        _compare_with_measured(costs, labels, device, seed, console)
    costs.save(out)
    kept = [name for name in Costs._fields if name not in costs.metrics]
    console.print(f"learned from {len(labels):,} labels: {', '.join(costs.metrics)}")
    if kept:
        console.print(f"not learned, stay analytic: {', '.join(kept)}")
    console.print(f"learned costs: {out}")


def _compare_with_analytic(
    costs: LearnedCosts, labels: CostLabels, profile: Profile, console: Console
) -> None:
    from mcu_nas_moo.problem.evaluators.cost_errors import compare_with_analytic, distance_table

    found = compare_with_analytic(costs, labels.space, profile, fitted_on=labels.X)
    console.print(
        f"MLP against the analytic model on {found.subnets:,} random subnets it has not seen:"
    )
    console.print(distance_table({"": found.distances}))
    verdict = found.feasibility
    if verdict is not None:
        console.print(
            f"{verdict.feasible:.1%} of the subnets meet the limits of {profile.name}. Of those "
            f"that the MLP accepts, {_per_cent(verdict.wrongly_accepted)} exceed a limit; of those "
            f"that meet them, it rejects {_per_cent(verdict.wrongly_rejected)}."
        )
    console.print(
        f"Processor time for 1,000 subnets: {found.learned_ms:.1f} ms with the MLP, "
        f"{found.analytic_ms:.1f} ms with the analytic model."
    )


def _per_cent(share: float) -> str:
    return "n/a" if isnan(share) else f"{share:.1%}"


def _compare_with_measured(
    costs: LearnedCosts, labels: CostLabels, profile: Profile, seed: int, console: Console
) -> None:
    from mcu_nas_moo.problem.evaluators.cost_errors import distance_table, distances
    from mcu_nas_moo.problem.evaluators.cost_fit import cross_validated_costs
    from mcu_nas_moo.problem.evaluators.cost_labels import analytic_costs

    with console.status("fitting without each fifth of the labels ..."):
        unseen = cross_validated_costs(labels, costs.metrics, seed)
    analytic = analytic_costs(labels.space, profile, labels.X)
    columns = {
        "MLP": distances(unseen, labels.values),
        "analytic": distances({name: analytic[name] for name in unseen}, labels.values),
    }
    console.print(
        f"MLP, each label predicted without it, and analytic model against {len(labels)} labels:"
    )
    console.print(distance_table(columns))
