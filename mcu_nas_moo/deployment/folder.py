"""Where the files of one subnet lie on its way to a chip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcu_nas_moo.common.naming import file_name

if TYPE_CHECKING:
    from mcu_nas_moo.spaces.subnet_file import SubnetFile


@dataclass(frozen=True)
class DeploymentFolder:
    """The folder of one subnet; each step reads what the one before it left here."""

    root: Path

    @classmethod
    def of(cls, subnet: SubnetFile, out: Path | None = None) -> DeploymentFolder:
        """``out``, or ``deploy/NAME`` in the current folder."""
        return cls(out or Path("deploy") / file_name(subnet.name))

    @property
    def retrained(self) -> Path:
        """Folder of a retraining: checkpoint, TensorBoard events, report."""
        return self.root / "retrained"

    @property
    def weights(self) -> Path:
        """Retrained weights, see ``RetrainedSubnet``."""
        return self.retrained / "weights.safetensors"

    @property
    def export(self) -> Path:
        """Folder of the exported models and the report on them."""
        return self.root / "export"

    @property
    def int8_onnx(self) -> Path:
        """The int8 network."""
        return self.export / "int8.onnx"

    def firmware(self, profile: str) -> Path:
        """Folder of the firmware for a profile."""
        return self.root / "firmware" / file_name(profile)

    def verification(self, profile: str) -> Path:
        """Report of the emulated run of that firmware."""
        return self.root / "verified" / f"{file_name(profile)}.json"
