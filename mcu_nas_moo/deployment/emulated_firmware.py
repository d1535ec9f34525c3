"""Costs of networks as firmware: built by the compiler, run in an emulator."""

from __future__ import annotations

import hashlib
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.evaluator import REASON
from mcu_nas_moo.deployment.emulation.emulator import FirmwareError
from mcu_nas_moo.deployment.emulation.emulators import choose_emulator
from mcu_nas_moo.deployment.emulation.verification import run_firmware
from mcu_nas_moo.deployment.export.int8_model import (
    Description,
    read_int8_model,
    write_int8_model,
)
from mcu_nas_moo.deployment.export.quantise import quantise
from mcu_nas_moo.deployment.firmware.elf import read_firmware_image
from mcu_nas_moo.deployment.firmware.package import IMAGE, FirmwareRequest, build_firmware
from mcu_nas_moo.deployment.firmware.toolchain import (
    CompilerError,
    DoesNotFitError,
    find_toolchain,
)
from mcu_nas_moo.networks.onnx_writer import to_onnx
from mcu_nas_moo.spaces.abilities import HasNetworks, with_ability
from mcu_nas_moo.spaces.register import SpaceReference
from mcu_nas_moo.spaces.subnet_file import SubnetFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.deployment.export.int8_model import Int8Model
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.networks.torch_module import SubnetModule
    from mcu_nas_moo.spaces import SearchSpace

#: Calibration images, whose content decides nothing here.
_IMAGES = 4


class EmulatedFirmware:
    """Flash, RAM and instructions of one inference, of the firmware that would be delivered.

    Weights decide none of them, so networks have random ones. Some seconds each. A network that is
    too large for the chip, or has a layer without a kernel, could not be evaluated.

    Args:
        profile: device; None for one that is still to come, see :meth:`for_profile`.
        toolchain: ``gcc``, ``zig``, or ``auto`` for what is installed.
        emulator: ``qemu``, ``unicorn`` or ``auto``.

    Raises:
        InputError: if toolchain or emulator are missing, or do not know the core.
    """

    name = "emulator"
    metrics = ("flash_kib", "sram_kib", "instructions_m")
    cost = "seconds"

    def __init__(
        self, profile: Profile | None = None, toolchain: str = "auto", emulator: str = "auto"
    ) -> None:
        self._profile, self._names = profile, (toolchain, emulator)
        if profile is None:
            return
        self._toolchain = find_toolchain(toolchain)
        self._toolchain.flags(profile.device.core)  # an unknown core is told at once
        self._emulator = choose_emulator(profile.device.core, emulator)

    def for_profile(self, profile: Profile) -> EmulatedFirmware:
        """The same for a device."""
        return EmulatedFirmware(profile, *self._names)

    @property
    def fingerprint(self) -> str:
        """Hash of chip, compiler, emulator, and all code that firmware is made of."""
        device = self._device.device
        digest = hashlib.sha256(device.model_dump_json().encode())
        digest.update(f"{self._toolchain.name} {self._toolchain.version}".encode())
        digest.update(self._emulator.title.encode())
        root = Path(str(files("mcu_nas_moo.deployment")))
        for path in sorted(p for p in root.rglob("*") if p.is_file() and p.suffix != ".pyc"):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def evaluate(self, space: SearchSpace, X: Genotypes) -> Mapping[str, Any]:
        """Figures of the genotypes ``X`` ``(N, n_genes)``, see the contract.

        Raises:
            InputError: if the space has no networks, or cannot be found again by its name.
        """
        SpaceReference(**SpaceReference.fields_of(space)).search_space()
        figures = np.full((len(X), len(self.metrics)), np.nan)
        reasons = [""] * len(X)
        for row in range(len(X)):
            try:
                figures[row] = self._measured(space, X[row : row + 1])
            except (InputError, DoesNotFitError, CompilerError, FirmwareError) as error:
                reasons[row] = " ".join(str(error).split())
        return dict(zip(self.metrics, figures.T, strict=True)) | {REASON: reasons}

    @property
    def _device(self) -> Profile:
        if self._profile is None:
            raise InputError("evaluator emulator needs a device; give a profile as well")
        return self._profile

    def _measured(self, space: SearchSpace, x: Genotypes) -> tuple[float, float, float]:
        with tempfile.TemporaryDirectory(prefix="mcu-nas-") as name:
            folder = Path(name)
            model = _int8_model(space, x, folder / "int8.onnx")
            firmware = folder / "firmware"
            request = FirmwareRequest(model, self._device, self._toolchain)
            report = build_firmware(request, firmware)
            image = read_firmware_image(firmware / IMAGE)
            pixels = np.zeros((1, *model.input_shape), dtype=np.uint8)
            classes = len(model.class_names)
            run = run_firmware(firmware, report, self._emulator, pixels, classes)
        ram = image.ram_bytes + run.statistics.stack_bytes
        return image.flash_bytes / 1024, ram / 1024, run.instructions.first / 1e6


def _int8_model(space: SearchSpace, x: Genotypes, path: Path) -> Int8Model:
    """The network of a genotype with random weights, in int8; its file is written to ``path``."""
    layers = with_ability(space, HasNetworks, "become firmware").network(x).layers()
    module = _random_module(layers)
    channels, size = layers[0].in_channels, layers[0].in_size
    images = np.random.default_rng(0).standard_normal((_IMAGES, channels, *size), dtype=np.float32)
    subnet = SubnetFile(
        name="candidate",
        genes=dict(space.decode(x)[0].values),
        **SpaceReference.fields_of(space),
    )
    description = Description(
        subnet=subnet,
        mean=(127.5,) * channels,
        std=(64.0,) * channels,
        classes=tuple(f"class {number}" for number in range(layers[-1].out_channels)),
        weights="shared",
    )
    write_int8_model(quantise(to_onnx(module), images), description, path)
    return read_int8_model(path)


def _random_module(layers: list[Any]) -> SubnetModule:
    import torch

    from mcu_nas_moo.networks.torch_module import SubnetModule

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SubnetModule(layers).eval()
