"""The command ``mcu-nas export``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mcu_nas_moo.cli.nas.subnet_options import data_option, folder_option, subnet_argument
from mcu_nas_moo.cli.option_types import FILE, NOT_NEGATIVE, POSITIVE, RenamedOption
from mcu_nas_moo.cli.problem_options import plain_console

if TYPE_CHECKING:
    from pathlib import Path


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
@click.option("--shared", is_flag=True, help="Use the supernet's weights in any case.")
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
    shared: bool,
    calibration_images: int,
    test_images: int,
    tflite: bool,
    seed: int,
) -> None:
    """Write SUBNET as float and int8 ONNX, checked on real images.

    \b
    Example:
      mcu-nas export chosen.yaml --data images/

    SUBNET is a subnet file, see `mcu-nas front`. Retrained weights are used if there are any, else
    the supernet's with recalibrated batch norms. Weights from quantisation-aware training bring the
    ranges of the activations along; otherwise training images show them.
    """  # noqa: D301
    from mcu_nas_moo.deployment.export.subnet_export import ExportSettings, export_subnet
    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.spaces.subnet_file import read_subnet

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
            shared,
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
