"""``mcu-nas retrain``: a subnet trained on its own, and for int8 arithmetic."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

from mcu_nas_moo.cli.nas.subnet_options import (
    arguments_of,
    data_option,
    device_option,
    folder_option,
    start_torch,
    subnet_argument,
)
from mcu_nas_moo.cli.option_types import FILE, NOT_NEGATIVE, POSITIVE, RenamedOption
from mcu_nas_moo.cli.problem_options import plain_console
from mcu_nas_moo.cli.program import note, said_when_stopped
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.training.subnet.settings import LEARNING_RATES, RetrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.console import Console

    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.spaces.subnet_file import SubnetFile
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

_DEFAULTS = RetrainingSettings()
#: Classes of the pictures that the shipped predictor and supernet are of.
_CIFAR_10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
#: Names of classes in a message.
_SHOWN = 5


def _setting(
    option: str, type_: click.ParamType[Any] | type[float] | None, text: str | None = None
) -> Callable[[Any], Any]:
    """An option for a field of the settings, with the field's default."""
    name = option.partition("/")[0].removeprefix("--").replace("-", "_")
    return click.option(option, type=type_, default=getattr(_DEFAULTS, name), help=text)


@click.command()
@subnet_argument
@data_option
@folder_option("; the same command continues there")
@click.option(
    "--from",
    "start",
    type=click.Choice(list(LEARNING_RATES)),
    default=_DEFAULTS.start,
    help="Weights to start from.",
)
@click.option(
    "--supernet",
    "weights",
    cls=RenamedOption,
    old=["--weights"],
    type=FILE,
    help="File of shared weights to start and distil from.  [default: those shipped]",
)
@_setting("--epochs", POSITIVE)
@_setting("--qat-epochs", NOT_NEGATIVE, "Epochs of quantisation-aware fine-tuning after those.")
@_setting("--batch-size", click.IntRange(min=2))
@click.option(
    "--learning-rate",
    type=float,
    help="Peak of the schedule.  [default: "
    f"{LEARNING_RATES['supernet']} from a supernet, {LEARNING_RATES['scratch']} from scratch]",
)
@_setting("--qat-learning-rate", float, "First learning rate of the quantisation-aware epochs.")
@_setting("--label-smoothing", float)
@_setting("--ema", float, "Decay per step of the moving average of the weights; 0 for none.")
@_setting("--distil/--no-distil", None, "Learn from the supernet's largest network too.")
@click.option("--seed", type=NOT_NEGATIVE, default=0)
@device_option
def retrain(
    subnet: Path,
    data: Path,
    out: Path | None,
    start: Literal["supernet", "scratch"],
    weights: Path | None,
    learning_rate: float | None,
    device: str,
    **others: Any,
) -> None:
    """Train a subnet on its own, then for int8 arithmetic.

    \b
    Example:
      mcu-nas retrain chosen.yaml --data images/ --epochs 40

    SUBNET is a subnet file, see mcu-nas front pick. Stopped, the same command continues.
    """  # noqa: D301
    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.spaces.subnet_file import read_subnet

    chosen = read_subnet(subnet)
    rate = LEARNING_RATES[start] if learning_rate is None else learning_rate
    settings = RetrainingSettings(start=start, learning_rate=rate, **others)
    folder = DeploymentFolder.of(chosen, out)
    device = start_torch(device)
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    if weights is not None and start == "scratch" and not settings.distil:
        raise InputError("--supernet has no effect with --from scratch and --no-distil")
    supernet: TrainedSupernet | None = TrainedSupernet.load(weights, device)
    assert supernet is not None
    if start == "supernet" or settings.distil:
        try:
            supernet.spaces_named([chosen.space])  # other spaces should not wait for the images
        except InputError as error:
            raise InputError(f"{error}, or train without one: --from scratch --no-distil") from None
    elif chosen.space not in [space.name for space in supernet.spaces]:
        supernet = None  # nothing to compare with
    console = plain_console()
    _train(chosen, data, settings, folder, device, supernet, console)
    next_one = [*arguments_of(subnet, out), "--data", str(data)]
    console.print(f"Next: mcu-nas export {shlex.join(next_one)}", soft_wrap=True)


def _warn_of_other_data(subnet: SubnetFile, class_names: Sequence[str], folder: str) -> None:
    """Say that the accuracy in the subnet's file is none of these pictures."""
    if subnet.data is None:
        return
    data = subnet.data.rpartition(" (")[0]
    same = tuple(class_names) == _CIFAR_10 if data == "CIFAR-10" else folder == data
    if not same:
        note(
            f"the accuracy that {subnet.name} was chosen by is of {subnet.data}; these pictures, "
            f"{folder}, have the classes {', '.join(class_names[:_SHOWN])}"
            f"{', ...' * (len(class_names) > _SHOWN)}, so expect another one"
        )


def _train(
    subnet: SubnetFile,
    data: Path,
    settings: RetrainingSettings,
    folder: DeploymentFolder,
    device: str,
    supernet: TrainedSupernet | None,
    console: Console,
) -> None:
    from mcu_nas_moo.common.json_files import write_json
    from mcu_nas_moo.data.image_folders import ImageFolder
    from mcu_nas_moo.deployment.export.retraining_report import accuracy_table, report_on
    from mcu_nas_moo.training.subnet import trainer as training

    with console.status("Reading images ..."):
        images = ImageFolder.read(data).to(device)
    trainer = training.Retrainer(subnet, images, settings, folder.retrained, device, supernet)
    _warn_of_other_data(subnet, images.class_names, data.absolute().name)
    others = supernet is not None and supernet.classes != len(images.class_names)
    if supernet is not None and settings.start == "supernet" and others:
        console.print(
            f"The supernet tells {supernet.classes} classes apart, the images have "
            f"{len(images.class_names)}: all its weights are used but those of the classifier."
        )
    if trainer.epoch:
        console.print(f"Continuing after epoch {trainer.epoch} of {settings.all_epochs}.")
    with said_when_stopped(f"Finished epochs are in {folder.retrained}"):
        retrained = training.retrain(trainer, console)
        retrained.save(folder.weights)  # whatever becomes of the measurement
        with console.status("Measuring accuracies ..."):
            report = report_on(trainer, supernet)
    retrained.training["accuracy"] = report["accuracy"]
    retrained.save(folder.weights)
    path = folder.retrained / "report.json"
    write_json(path, report, indent=2)
    console.print(accuracy_table(report))
    took = timedelta(seconds=retrained.training["seconds"])
    console.print(f"trained: {settings.all_epochs} epochs in {took} on {device}")
    console.print(f"weights: {folder.weights}\nreport:  {path}")
