"""Inference runtimes: how they lay out memory, what they add to it, and how fast they are.

A runtime is data. Its coefficients stand in ``runtimes/<name>.yaml`` together with the facts they
come from and how well they fit them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, model_validator

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.yaml_files import Facts, is_path, load_named, names, read_values, validate
from mcu_nas_moo.networks.operators import operator_of

_HEADER = "# Written by mcu-nas calibrate; change the measurements or the recipe, not this file.\n"

Coefficient = Annotated[float, Field(ge=0, strict=True)]


def _known(name: str) -> str:
    operator_of(name)
    return name


OperatorName = Annotated[str, AfterValidator(_known)]


class Fit(Facts):
    """How well a group of coefficients agrees with published measurements.

    Errors are relative to the measured value. Those of ``left_out`` come from leave-one-family-out
    cross-validation: all networks of a family (say, every MobileNetV1) are predicted by a model
    that was fitted to the other families.

    Args:
        n_coefficients: those that were free in the fit.
        mape_percent: mean absolute error on the rows of the fit.
        worst_percent: the largest of these errors.
        left_out_mape_percent: mean absolute error of the cross-validation; ``None`` if there are
            too few families.
        left_out_worst_percent: the largest error of the cross-validation.
        left_out_spearman: rank correlation of its predictions with the measurements.
    """

    quantity: str
    rows: str
    n_rows: Annotated[int, Field(gt=0)]
    n_families: Annotated[int, Field(gt=0)]
    n_coefficients: Annotated[int, Field(ge=0)]
    mape_percent: Coefficient
    worst_percent: Coefficient
    left_out_mape_percent: Coefficient | None = None
    left_out_worst_percent: Coefficient | None = None
    left_out_spearman: float | None = None


class MemoryRule(Facts):
    """SRAM: a multiple of the peak of live tensors and scratch, and what the runtime adds.

    Args:
        in_place: kinds of layers whose output may lie on top of an input that dies with them; of
            convolutions only pointwise ones.
        padded_copy: whether a convolution whose window reaches over the border of its input reads
            a padded copy of it. ``none``: it does not. ``apart``: the copy lies beside the input.
            ``in_place``: an input that dies with a convolution is padded where it lies, and the
            output follows on top of it, ``trailing_rows`` of its rows behind.
        trailing_rows: distance between output and input, in rows of the output.
        im2col: convolutions hold unrolled windows and filters in a scratch buffer.
        fused_pooling: a pool without padding works on the rows that the convolution before it has
            just written; the convolution's output never exists as a whole.
        scale: factor on the peak.
        fixed_kib: added once.
        kib_per_weighted_layer: added for each convolution and dense layer.
        kib_per_other_layer: added for each other layer.
        kib_per_channel: added for each output channel of a layer with weights.
        source: where rule and coefficients come from.
    """

    in_place: tuple[OperatorName, ...]
    padded_copy: Literal["none", "apart", "in_place"] = "none"
    trailing_rows: Annotated[int, Field(ge=0)] = 0
    im2col: bool = False
    fused_pooling: bool = False
    scale: Annotated[float, Field(ge=0.1, le=10)]
    fixed_kib: Coefficient
    kib_per_weighted_layer: Coefficient
    kib_per_other_layer: Coefficient
    kib_per_channel: Coefficient
    source: str
    fits: tuple[Fit, ...]


class FlashRule(Facts):
    """Flash: parameters, what the runtime stores beside them, and code.

    Args:
        bytes_per_weight: of an int8 network, 1.
        bytes_per_bias: 4; one bias per output channel of each layer with weights.
        kib_per_channel: scales and other tables for each such channel.
        kib_per_layer: calls and descriptors of each layer.
        kib_per_kind: the kernel of each kind of layer that the network has, see ``kinds_of``.
        fixed_kib: code of the runtime.
    """

    bytes_per_weight: Coefficient
    bytes_per_bias: Coefficient
    kib_per_channel: Coefficient
    kib_per_layer: Coefficient
    kib_per_kind: Coefficient
    fixed_kib: Coefficient
    source: str
    fits: tuple[Fit, ...]


class Cycles(Facts):
    """Clock cycles of the reference core for each unit of work.

    Args:
        conv_mac: multiply-accumulate of a convolution that is not depthwise.
        depthwise_mac: of a depthwise convolution. One of several groups with more channels counts
            as a depthwise one for the first channel of each group, as any other for the rest.
        dense_mac: of a dense layer.
        idle_mac: multiply-accumulate that a convolution with fewer than eight input channels leaves
            undone in the lanes of the multiplier; at most ``conv_mac``.
        input_element: element that a layer reads, once for each layer that reads it.
        output_element: element that a layer writes.
        elementwise_element: element that a product or an activation on its own writes.
        layer: layer of any kind.
    """

    conv_mac: Coefficient
    depthwise_mac: Coefficient
    dense_mac: Coefficient
    idle_mac: Coefficient
    input_element: Coefficient
    output_element: Coefficient
    elementwise_element: Coefficient
    layer: Coefficient

    @model_validator(mode="after")
    def _more_channels_cost_more(self) -> Cycles:
        if self.idle_mac > self.conv_mac:
            raise InputError("idle_mac must not exceed conv_mac: more channels would cost less")
        return self


class LatencyRule(Facts):
    """Latency: cycles on the reference core, linear in the work of the layers.

    Args:
        reference_core: the core that the coefficients hold for; the ``cycles_factor`` of a device
            counts from there.
        cycles: by unit of work.
        fixed_clock_mhz: of a runtime that was fitted to one board, the clock that its cycles are
            expressed in. Latencies are then those of that board, whatever clock and factor the
            device of a profile has.
    """

    reference_core: str
    cycles: Cycles
    fixed_clock_mhz: Annotated[float, Field(gt=0)] | None = None
    source: str
    fits: tuple[Fit, ...]


#: Which part of a runtime tells which metric.
RULES = {"flash_kib": "flash", "sram_kib": "memory", "latency_ms": "latency"}


class Runtime(Facts):
    """An inference runtime for int8 networks.

    Args:
        description: name, version and how it was built.
        measurements: hash of the rows that its coefficients were fitted to.
    """

    description: str
    measurements: str = "none"
    memory: MemoryRule
    flash: FlashRule
    latency: LatencyRule

    @property
    def fits(self) -> dict[str, tuple[Fit, ...]]:
        """Agreement of each metric of :data:`RULES` with measurements."""
        return {metric: getattr(self, rule).fits for metric, rule in RULES.items()}


def shipped_runtimes() -> Path:
    """Folder of the runtime files that the package ships."""
    return Path(str(files("mcu_nas_moo.hardware") / "runtimes"))


def list_runtimes() -> list[str]:
    """Names of the runtimes that the package ships."""
    return names(shipped_runtimes())


def load_runtime(name_or_path: str | Path) -> Runtime:
    """A shipped runtime by its name, or one of ``mcu-nas calibrate`` by the path of its file.

    A :class:`~pathlib.Path`, or a string that ends in ``.yaml`` or ``.yml`` or holds a folder, is a
    path.

    Raises:
        InputError: on one line; for an unknown name it lists the valid ones, for a file that is
            missing or wrong it says which file, which field, and what was expected.
    """
    if not is_path(name_or_path):
        return _load_shipped(str(name_or_path))
    # Not kept: the file may be written anew.
    path = Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a runtime file, as mcu-nas calibrate writes it, but there is none; "
            f"shipped runtimes are {', '.join(list_runtimes())}"
        )
    return validate(Runtime, read_values(path, str(path)), str(path))


@cache
def _load_shipped(name: str) -> Runtime:
    return load_named(Runtime, "runtime", name, shipped_runtimes())


def runtime_text(runtime: Runtime) -> str:
    """The file that :func:`load_runtime` reads."""
    facts = runtime.model_dump(mode="json", exclude_none=True)
    return _HEADER + yaml.safe_dump(facts, sort_keys=False, width=98, allow_unicode=True)


def write_runtime(runtime: Runtime, path: Path) -> bool:
    """Write the runtime file, whole or not at all; return whether it was another one before."""
    text = runtime_text(runtime)
    if path.is_file() and path.read_text() == text:
        return False
    write_text_atomically(path, text)
    return True


def check_overwritable(path: Path) -> None:
    """Raise an InputError if writing a runtime there would lose anything but a runtime file."""
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{path}: runtime files end in .yaml, so that profiles take them as files")
    if path.is_dir() or (
        path.exists() and not path.read_text(errors="replace").startswith(_HEADER)
    ):
        raise InputError(f"{path} exists and is no file of mcu-nas calibrate; choose another --out")
