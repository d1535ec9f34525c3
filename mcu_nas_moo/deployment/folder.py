"""Where the files of one subnet lie on its way to a chip."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from mcu_nas_moo.spaces.subnet_file import SubnetFile


@dataclass(frozen=True)
class DeploymentFolder:
    """The folder of one subnet; each step reads what the one before it left here."""

    root: Path

    @classmethod
    def of(cls, subnet: SubnetFile, out: Path | None = None) -> DeploymentFolder:
        """``out``, or ``deploy/NAME`` in the current folder."""
        return cls(out or Path("deploy") / subnet.name)

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
    def float_onnx(self) -> Path:
        """The float network."""
        return self.export / "float.onnx"

    @property
    def int8_onnx(self) -> Path:
        """The int8 network."""
        return self.export / "int8.onnx"

    def firmware(self, profile: str) -> Path:
        """Folder of the firmware for a profile.

        Raises:
            InputError: if the profile's name cannot name a folder.
        """
        return self.root / "firmware" / _as_file_name(profile)

    def verification(self, profile: str) -> Path:
        """Report of the emulated run of that firmware.

        Raises:
            InputError: if the profile's name cannot name a file.
        """
        return self.root / "verified" / f"{_as_file_name(profile)}.json"


def _as_file_name(profile: str) -> str:
    """The name of a profile, which a file of the user gives."""
    if not re.fullmatch(r"\w[\w .+-]*", profile):
        raise InputError(
            f"the profile's name {profile!r} cannot name a folder; give it another one, of "
            "letters, digits, spaces, '.', '_', '+' and '-'"
        )
    return profile
