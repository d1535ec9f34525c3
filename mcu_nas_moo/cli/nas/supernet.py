"""``mcu-nas supernet``: train a supernet and evaluate its subnets."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_nas_moo.cli.nas.subnet_options import data_option, device_option, start_torch
from mcu_nas_moo.cli.option_types import FILE, POSITIVE, RenamedOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcu_nas_moo.data.images import Images
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

SUPERNET = click.option(
    "--supernet",
    "weights",
    cls=RenamedOption,
    old=["--weights"],
    type=FILE,
    help="File of shared weights.  [default: those shipped]",
)
SEED = click.option("--seed", default=0)


@click.group()
def supernet() -> None:
    """Train a supernet and evaluate its subnets.

    \b
    Example:
      mcu-nas supernet train --data images/
    """  # noqa: D301


@supernet.command()
@data_option
@click.option(
    "--out",
    type=FILE,
    default=Path("supernet"),
    help="Folder of the weights, the checkpoint and the TensorBoard log.",
)
@click.option("--space", "spaces", multiple=True, help="Spaces to train for (default: all).")
@click.option("--epochs", type=POSITIVE, default=24)
@click.option("--batch-size", type=POSITIVE, default=64)
@click.option("--learning-rate", default=0.08)
@click.option("--initial", type=FILE, help="Weights to start from (default: random).")
@SEED
@device_option
def train(
    data: Path,
    out: Path,
    spaces: tuple[str, ...],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    initial: Path | None,
    seed: int,
    device: str,
) -> None:
    """Train a supernet; started again, continue.

    \b
    Example:
      mcu-nas supernet train --data images/ --space mbconv-stage --out supernet
    """  # noqa: D301
    device = start_torch(device)
    from mcu_nas_moo.data.image_folders import ImageListing
    from mcu_nas_moo.data.images import split_validation
    from mcu_nas_moo.spaces import list_spaces, load_space
    from mcu_nas_moo.spaces.abilities import Nested, with_ability
    from mcu_nas_moo.training.supernet.trainer import (
        SupernetTrainer,
        TrainingSettings,
        train_supernet,
    )
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    settings = TrainingSettings(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed
    )
    start = TrainedSupernet.load(initial, device) if initial else None
    names = spaces or list_spaces()[::-1]
    for name in names:  # which are not to wait for the images if they are wrong
        with_ability(load_space(name), Nested, "share weights")
    listing = ImageListing.of(data / "train")
    images, validation = split_validation(listing.read())
    chosen = [
        with_ability(load_space(name, images.classes), Nested, "share weights") for name in names
    ]
    trainer = SupernetTrainer(
        chosen,
        images.to(device),
        validation.to(device),
        settings,
        out,
        device,
        start,
        data.absolute().name,
        listing.class_names,
    )
    trained = train_supernet(trainer)
    trained.save(out / "supernet.safetensors")
    weights = out / "supernet.safetensors"
    click.echo(f"weights: {weights}")
    click.echo(f"Next: mcu-nas supernet label --data {data} --supernet {weights} --out labels.csv")


@supernet.command()
@data_option
@SUPERNET
@click.option("--out", type=FILE, default=Path("labels.csv"))
@click.option("--subnets", type=POSITIVE, default=650, help="Labels per space.")
@click.option("--space", "spaces", multiple=True, help="Spaces to label (default: the supernet's).")
@SEED
@device_option
def label(
    data: Path,
    weights: Path | None,
    out: Path,
    subnets: int,
    spaces: tuple[str, ...],
    seed: int,
    device: str,
) -> None:
    """Label sampled subnets with accuracies; again, continue.

    \b
    Example:
      mcu-nas supernet label --data images/ --supernet supernet/supernet.safetensors
    """  # noqa: D301
    device = start_torch(device)
    from mcu_nas_moo.training.supernet.labels import label_subnets, sample_for_labels
    from mcu_nas_moo.training.supernet.shipped_files import register
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    trained = TrainedSupernet.load(weights, device)
    chosen = trained.spaces_named(spaces)
    calibration, validation = _images(data, device, trained)
    samples = [sample_for_labels(space, subnets, seed) for space in chosen]
    with _progress("labelling", subnets * len(samples), "subnets") as advance:
        labels = label_subnets(trained, samples, calibration, validation, out, advance=advance)
    register(out)
    click.echo(f"{len(labels)} labels: {out}")
    own = f" --supernet {weights}" if weights else ""
    click.echo(f"Next: mcu-nas predictor fit --labels {out}{own} --out predictor.safetensors")


@supernet.command()
@data_option
@SUPERNET
@click.option("--out", type=FILE, default=Path("evaluation.csv"))
@click.option("--random", "random_subnets", default=8, help="Random subnets.")
@SEED
@device_option
def evaluate(
    data: Path, weights: Path | None, out: Path, random_subnets: int, seed: int, device: str
) -> None:
    """Measure the smallest, the largest and random subnets.

    \b
    Example:
      mcu-nas supernet evaluate --data images/
    """  # noqa: D301
    device = start_torch(device)
    from mcu_nas_moo.data.image_folders import read_images
    from mcu_nas_moo.training.supernet.evaluation import evaluate_subnets
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    trained = TrainedSupernet.load(weights, device)
    calibration, validation = _images(data, device, trained)
    splits = {"validation": validation, "test": read_images(data / "test").to(device)}
    table = evaluate_subnets(trained, calibration, splits, random_subnets, seed)
    _write_table(table, out)


@supernet.command()
@data_option
@SUPERNET
@click.option("--out", type=FILE, default=Path("ranking.csv"))
@click.option("--subnets", type=POSITIVE, default=6, help="Subnets to train alone.")
@click.option("--epochs", type=POSITIVE, default=3, help="Epochs of each.")
@SEED
@device_option
def rank(
    data: Path, weights: Path | None, out: Path, subnets: int, epochs: int, seed: int, device: str
) -> None:
    """Compare the order of subnets trained alone and shared.

    \b
    Example:
      mcu-nas supernet rank --data images/ --subnets 6
    """  # noqa: D301
    device = start_torch(device)
    from mcu_nas_moo.data.image_folders import read_images
    from mcu_nas_moo.data.images import split_validation
    from mcu_nas_moo.training.supernet.evaluation import compare_rankings
    from mcu_nas_moo.training.supernet.trainer import TrainingSettings
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    trained = TrainedSupernet.load(weights, device)
    calibration, validation = _images(data, device, trained)
    images = split_validation(read_images(data / "train"))[0].to(device)
    settings = TrainingSettings(epochs=epochs, seed=seed)
    with _progress("training alone", subnets, "subnets") as advance:
        table = compare_rankings(
            trained, images, calibration, validation, settings, subnets, advance=advance
        )
    _write_table(table, out)
    tau = table.shared.corr(table.alone, method="kendall")
    click.echo(f"Kendall's tau of shared and stand-alone accuracy: {tau:.2f}")


def _images(data: Path, device: str, trained: TrainedSupernet) -> tuple[Images, Images]:
    """Calibration and validation images on ``device``, of the supernet's classes."""
    from mcu_nas_moo.data.image_folders import ImageListing

    listing = ImageListing.of(data / "train")
    trained.check_classes(listing.class_names)
    calibration, validation = listing.calibration_and_validation()
    return calibration.to(device), validation.to(device)


@contextmanager
def _progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], object]]:
    from mcu_nas_moo.common.progress import Bars

    with Bars(unit) as progress:
        bar = progress.add_task(description, total=total)
        yield lambda count: progress.advance(bar, count)


def _write_table(table: Any, out: Path) -> None:
    from mcu_nas_moo.common.files import write_text_atomically
    from mcu_nas_moo.training.supernet.shipped_files import register

    text = table.to_csv(index=False, float_format="%.4f", lineterminator="\n")
    write_text_atomically(out, text)
    register(out)
    click.echo(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))
    click.echo(f"table: {out}")
