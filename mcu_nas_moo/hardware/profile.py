"""Profiles: a device, the runtime on it, and what the application leaves to the network."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, model_validator

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.yaml_files import (
    Facts,
    Name,
    is_path,
    load_named,
    names,
    read_values,
    validate,
)
from mcu_nas_moo.contracts.metrics import LIMITED
from mcu_nas_moo.hardware.device import Device, Positive, load_device
from mcu_nas_moo.hardware.runtime import list_runtimes, load_runtime


class Limits(Facts):
    """Upper limits of a network's costs: what the application leaves to it.

    Args:
        flash_kib: Flash for parameters, code and runtime.
        sram_kib: SRAM for tensors and runtime.
        latency_ms: time for one inference.
    """

    flash_kib: Positive
    sram_kib: Positive
    latency_ms: Positive


def _device(value: Any) -> Any:
    """Let the name of a shipped device stand for its facts."""
    return load_device(value) if isinstance(value, str) else value


def _known_runtime(name_or_path: str) -> str:
    if is_path(name_or_path):
        load_runtime(name_or_path)  # a file that is wrong is best refused here
    elif name_or_path not in list_runtimes():
        raise unknown_name("runtime", name_or_path, list_runtimes())
    return name_or_path


class Profile(Facts):
    """A device, the runtime on it, and the limits of an application.

    Args:
        name: how commands and results refer to the profile.
        description: the application that the limits stand for.
        device: facts of the board; in a file, the name of a shipped device or a mapping.
        runtime: name of a shipped runtime, or path of a runtime file; in a profile's file, seen
            from the folder of that file.
        limits: what the application leaves to the network; no more than the chip has.
    """

    name: Name
    description: str = ""
    device: Annotated[Device, BeforeValidator(_device)]
    runtime: Annotated[str, AfterValidator(_known_runtime)]
    limits: Limits

    @model_validator(mode="after")
    def _limits_within_chip(self) -> Profile:
        problems = [
            f"limits.{metric.name}: expected at most {available:g}, the {metric.short} of "
            f"{self.device.chip}, got {limit:g}"
            for metric in LIMITED.values()
            if (limit := getattr(self.limits, metric.name))
            > (available := getattr(self.device, metric.name, math.inf))
        ]
        if problems:
            raise InputError("; ".join(problems))
        return self

    def with_limits(self, **limits: float) -> Profile:
        """The same profile with other limits, by the fields of :class:`Limits`.

        Raises:
            InputError: if a limit is unknown, not positive, or exceeds what the chip has.
        """
        values = self.model_dump() | {"limits": self.limits.model_dump() | limits}
        return validate(Profile, values, f"profile {self.name!r}")


_SHIPPED = files("mcu_nas_moo") / "constraint_profiles"


def list_profiles() -> list[str]:
    """Names of the profiles that the package ships."""
    return names(_SHIPPED)


def load_profile(name_or_path: str | Path) -> Profile:
    """A shipped profile by its name, or a user's by the path of its YAML file.

    A :class:`~pathlib.Path`, or a string that ends in ``.yaml`` or ``.yml`` or holds a folder, is a
    path. A file without a ``name`` is called after the file.

    Raises:
        InputError: on one line; for an unknown name it lists the valid ones, for a file that is
            missing or wrong it says which file, which field, and what was expected.
    """
    if not is_path(name_or_path):
        return load_named(Profile, "profile", str(name_or_path), _SHIPPED)
    path = Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a profile file, but there is none; "
            f"shipped profiles are {', '.join(list_profiles())}"
        )
    values = {"name": path.stem if path.suffix else path.name, **read_values(path, str(path))}
    runtime = values.get("runtime")
    if isinstance(runtime, str) and is_path(runtime):
        values["runtime"] = str(path.parent / runtime)
    return validate(Profile, values, str(path))
