"""What an export reports: how the exported networks compare to torch, and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from mcu_nas_moo.common.tables import new_table
from mcu_nas_moo.common.yaml_files import Facts
from mcu_nas_moo.spaces.subnet_file import SubnetFile

if TYPE_CHECKING:
    from rich.table import Table


class Outcome(Facts):
    """One form of the network on the test images, next to torch in float.

    Args:
        network: the file, or what else computed.
        accuracy: share of the images that are classified correctly, in [0, 1].
        same_class: share of the images that torch gives the same class, in [0, 1].
        mean_difference, largest_difference: of the logits to those of torch, absolute.
    """

    network: str
    accuracy: float = Field(ge=0, le=1)
    same_class: float = Field(ge=0, le=1)
    mean_difference: float = Field(ge=0)
    largest_difference: float = Field(ge=0)


class CalibrationFacts(Facts):
    """Where the ranges of the int8 network's activations come from.

    Args:
        images: number of training images that onnxruntime saw.
        ranges: whether those images set the ranges, or the training of the weights did.
    """

    images: int
    ranges: Literal["calibration images", "quantisation-aware training"]


class TestFacts(Facts):
    """Images that the figures are of: a random sample with equally many of each class."""

    split: Literal["test", "validation"]
    images: int


class FileFacts(Facts):
    """A file of the export."""

    bytes: int
    sha256: str


class Quantisation(Facts):
    """How a tensor stands for numbers: q for ``scale * (q - zero_point)``."""

    scale: float
    zero_point: int


class ExportReport(Facts):
    """The facts of one export, as in ``report.json``.

    Args:
        weights: trained for this subnet, or the supernet's with recalibrated batch norms.
        training: what the weights say about their training.
        outcomes: torch first.
        operators: how often each occurs in the int8 network, the outer two left out.
        warnings: what the reader must know about the figures.
    """

    subnet: SubnetFile
    weights: Literal["retrained", "shared"]
    training: dict[str, Any]
    class_names: tuple[str, ...]
    calibration: CalibrationFacts
    test: TestFacts
    seed: int
    outcomes: tuple[Outcome, ...]
    input: Quantisation
    output: Quantisation
    operators: dict[str, int]
    files: dict[str, FileFacts]
    versions: dict[str, str]
    warnings: tuple[str, ...]

    def table(self) -> Table:
        """The outcomes, for a console of 100 columns."""
        numbers = ("accuracy", "class as torch", "logits off by: mean", "most", "KiB")
        table = new_table(["network"], numbers)
        for outcome in self.outcomes:
            file = self.files.get(outcome.network)
            table.add_row(
                outcome.network,
                f"{100 * outcome.accuracy:.2f} %",
                f"{100 * outcome.same_class:.2f} %",
                f"{outcome.mean_difference:.2g}",
                f"{outcome.largest_difference:.2g}",
                f"{file.bytes / 1024:,.1f}" if file else "",
            )
        return table
