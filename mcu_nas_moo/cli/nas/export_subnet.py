"""The command ``mcu-nas export``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from mcu_nas_moo.cli.nas.subnet_options import (
    arguments_of,
    data_option,
    folder_option,
    subnet_argument,
)
from mcu_nas_moo.cli.option_types import FILE, NOT_NEGATIVE, POSITIVE, RenamedOption
from mcu_nas_moo.cli.problem_options import plain_console


@click.command()
@subnet_argument
@data_option
@folder_option("; files go to its subfolder export")
@click.option(
    "--subnet-weights",
    "weights",
    cls=RenamedOption,
    old=["--weights"],
    type=FILE,
    help="Retrained weights.  [default: those that `mcu-nas retrain` left in the folder]",
)
@click.option(
    "--supernet",
    type=FILE,
    help="Use the shared weights in FILE, whatever was retrained; shipped for those of CIFAR-10.  "
    "[default without retrained weights: shipped]",
)
@click.option("--shared", is_flag=True, hidden=True, help="Old name of --supernet shipped.")
@click.option(
    "--calibration-images", default=256, help="Training images that show the ranges of activations."
)
@click.option("--test-images", type=POSITIVE, default=2000, help="Images to check on.")
@click.option("--tflite", is_flag=True, help="Write float.tflite and int8.tflite too.")
@click.option("--seed", type=NOT_NEGATIVE, default=0, help="Of the samples of images.")
def export(
    subnet: Path,
    data: Path,
    out: Path | None,
    weights: Path | None,
    supernet: Path | None,
    shared: bool,
    calibration_images: int,
    test_images: int,
    tflite: bool,
    seed: int,
) -> None:
    """Write SUBNET as float and int8 ONNX, checked on real images.

    \b
    Examples:
      mcu-nas export chosen.yaml --data images/
      mcu-nas export chosen.yaml --data images/ --supernet supernet/supernet.safetensors

    SUBNET is a subnet file, see `mcu-nas front`. Retrained weights are used if there are any, else
    those of a supernet of the same pictures, with recalibrated batch norms. Weights from
    quantisation-aware training bring the ranges of the activations along; otherwise training images
    show them.
    """  # noqa: D301
    from mcu_nas_moo.deployment.export.subnet_export import ExportSettings, export_subnet
    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.spaces.subnet_file import read_subnet
    from mcu_nas_moo.training.supernet.shipped_files import SHIPPED

    console = plain_console()
    chosen = read_subnet(subnet)
    folder = DeploymentFolder.of(chosen, out)
    settings = ExportSettings(calibration_images, test_images, tflite, seed)
    with console.status("starting ...") as status:
        report = export_subnet(
            chosen,
            data,
            folder,
            settings,
            weights,
            Path(SHIPPED) if shared and supernet is None else supernet,
            say=lambda text: status.update(f"{text} ..."),
        )
    console.print(
        f"{report.subnet.name}: {report.weights} weights, ranges from {report.calibration.ranges}, "
        f"on {report.test.images:,} {report.test.split} images"
    )
    console.print(report.table())
    for text in report.warnings:
        console.print(f"Note: {text}.")
    console.print(f"files: {folder.export}", soft_wrap=True)
    console.print(f"Next: mcu-nas firmware {shlex.join(arguments_of(subnet, out))}", soft_wrap=True)
