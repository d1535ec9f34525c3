"""The command ``mcu-nas``: from a search to firmware, costs of networks, supernet, predictors."""

from __future__ import annotations

from pathlib import Path

import click

from mcu_nas_moo.cli.nas.calibrate import calibrate
from mcu_nas_moo.cli.nas.cost import cost
from mcu_nas_moo.cli.nas.enumerate import enumerate_command
from mcu_nas_moo.cli.nas.export_subnet import export
from mcu_nas_moo.cli.nas.firmware import firmware
from mcu_nas_moo.cli.nas.front import front
from mcu_nas_moo.cli.nas.predictor import predictor
from mcu_nas_moo.cli.nas.profile import profile
from mcu_nas_moo.cli.nas.retrain import retrain
from mcu_nas_moo.cli.nas.search import search
from mcu_nas_moo.cli.nas.supernet import supernet
from mcu_nas_moo.cli.nas.verify import verify
from mcu_nas_moo.cli.option_types import FILE
from mcu_nas_moo.cli.program import Program


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mcu-nas-moo")
def main() -> None:
    """Search networks for microcontrollers and take them to a chip.

    \b
    Examples:
      mcu-nas search --profile cortex-m7
      mcu-nas front pick --knee --out chosen.yaml
      mcu-nas cost model.onnx --profile all
    """  # noqa: D301


@click.command("model-card")
@click.option("--out", type=FILE, default=Path("MODEL_CARD.md"))
def model_card(out: Path) -> None:
    """Write the model card of the shipped weights and predictor.

    \b
    Example:
      mcu-nas model-card --out MODEL_CARD.md
    """  # noqa: D301
    from mcu_nas_moo.common.files import write_text_atomically
    from mcu_nas_moo.problem.evaluators.model_card import render_model_card

    write_text_atomically(out, render_model_card())
    click.echo(f"model card: {out}")


main.add_stage("Search", search, front, enumerate_command)
main.add_stage("Train", retrain, supernet, predictor)
main.add_stage("Deploy", export, firmware, verify)
main.add_stage("Boards and costs", cost, profile, calibrate)
main.add_stage("About", model_card)
