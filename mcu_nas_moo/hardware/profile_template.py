"""A profile to start from: complete, valid, and with a comment on every field."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, get_args

import yaml

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.yaml_files import is_path
from mcu_nas_moo.hardware.device import Device, Figure, list_devices, load_device
from mcu_nas_moo.hardware.profile import Limits, load_profile
from mcu_nas_moo.hardware.runtime import list_runtimes, load_runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The device of a new profile if nothing is chosen.
DEFAULT_DEVICE = "nucleo-h7a3zi-q"
#: Share of the chip's memory that a network gets if no profile says otherwise.
_SHARE = 0.5
#: Time for one inference if no profile says otherwise: ten images a second.
_LATENCY_MS = 100
_WIDTH = 88

_SHIPPED_DEVICE = """
# The board: one that mcu-nas knows ("mcu-nas profile devices" lists them) ...
device: {device}
# ... or your own. Then delete the line above, take the "# " from the lines below, and change them.
{block}"""

_OWN_DEVICE = """
# The board. One that mcu-nas knows can be given by its name instead, as in "device: {example}";
# "mcu-nas profile devices" lists them.
{block}"""


def render_profile(
    file: str,
    device: str | None = None,
    runtime: str | None = None,
    start: str | Path | None = None,
) -> str:
    """A commented profile in YAML.

    Args:
        file: path that the profile is to have; says its name, and where a runtime file lies.
        device: name of a shipped device; that of ``start`` if None.
        runtime: name of a shipped runtime, or path of a runtime file; that of ``start`` if None.
        start: name or path of the profile to take the rest from. Without it, the network gets half
            of the device's memory and 100 ms.

    Raises:
        InputError: if there is no such device, runtime or profile, or if the limits of ``start``
            are more than the device has.
    """
    if start is None:
        facts = load_device(device or DEFAULT_DEVICE)
        limits = Limits(
            flash_kib=_SHARE * facts.flash_kib,
            sram_kib=_SHARE * facts.sram_kib,
            latency_ms=_LATENCY_MS,
        )
        description = f"Half of the memory of {facts.board}, and 10 images a second."
        runtime = runtime or _usual_runtime(facts)
    else:
        based = load_profile(start)
        facts = load_device(device) if device else based.device
        limits, description = based.limits, based.description
        runtime = runtime or based.runtime
        _check_limits(limits, facts, str(start))
    load_runtime(runtime)  # refuses one that is not there
    shipped = next((name for name in list_devices() if load_device(name) == facts), None)
    folder = Path(file).parent
    seen = Path(os.path.relpath(runtime, folder)).as_posix() if is_path(runtime) else runtime
    base = runtime if runtime in list_runtimes() else list_runtimes()[0]
    block = _device_block(facts)
    if shipped:
        device_part = _SHIPPED_DEVICE.format(device=shipped, block=indent(block, "# "))
    else:
        device_part = _OWN_DEVICE.format(example=DEFAULT_DEVICE, block=block)
    return _template("profile_template.txt").format(
        file=file,
        name=_yaml({"name": Path(file).stem}),
        description=_yaml({"description": description}),
        device_part=device_part,
        runtimes=", ".join(list_runtimes()),
        base=base,
        calibrated=f"{Path(file).stem}-runtime.yaml",
        runtime=_yaml({"runtime": seen}),
        chip_flash_kib=facts.flash_kib,
        chip_sram_kib=facts.sram_kib,
        **limits.model_dump(),
    )


def write_profile(
    path: Path,
    device: str | None = None,
    runtime: str | None = None,
    start: str | Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write :func:`render_profile` to ``path``.

    Raises:
        InputError: as :func:`render_profile`, or if ``path`` does not end in ``.yaml`` or ``.yml``,
            or is there already and ``overwrite`` is not set. Nothing is written then.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{path}: expected a name that ends in .yaml, such as {path.stem}.yaml")
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; choose another name, or give --force")
    text = render_profile(str(path), device, runtime, start)
    write_text_atomically(path, text)


def _check_limits(limits: Limits, device: Device, start: str) -> None:
    for memory in ("flash_kib", "sram_kib"):
        limit, available = getattr(limits, memory), getattr(device, memory)
        if limit > available:
            raise InputError(
                f"profile {start!r} leaves {limit:g} KiB to the network, but {device.board} has "
                f"{memory} {available:g}; leave --from out to start from half of its memory"
            )


def _usual_runtime(device: Device) -> str:
    """A runtime that the chip can have: that of ST for its chips, the portable one for others."""
    return "stm32cube-ai-10" if device.chip.startswith("STM32") else "tflm-cmsis-nn"


def _device_block(device: Device) -> str:
    """The facts of a device as a YAML mapping with comments."""
    fields = {name: _yaml({name: _plain(value)}) for name, value in device}
    return _template("device_template.txt").format(
        **{name: indent(text, "  ").strip() for name, text in fields.items()},
        cores=", ".join(get_args(Device.model_fields["core"].annotation)),
    )


def _template(name: str) -> str:
    return (files("mcu_nas_moo.hardware") / name).read_text(encoding="utf-8")


def _plain(value: Any) -> float | str | Mapping[str, Any]:
    """A field's value as YAML shows it: whole numbers without a decimal point."""
    if isinstance(value, Figure):
        return {"value": _plain(value.value), "basis": value.basis, "source": value.source}
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Dumper(yaml.SafeDumper):
    """Writes long texts over several lines, without quotes."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = ">" if len(text) > _WIDTH - 20 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _yaml(values: Mapping[str, Any]) -> str:
    text = yaml.dump(
        dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH
    )
    return str(text)
