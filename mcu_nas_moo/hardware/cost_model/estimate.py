"""What one network costs on a device: totals, limits, and every layer's part in them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.metrics import LIMITED, METRICS, significant
from mcu_nas_moo.hardware.cost_model.model import CostModel, Costs
from mcu_nas_moo.hardware.cost_model.tensor_memory import MemoryStep, memory_steps, working_set
from mcu_nas_moo.hardware.profile import Profile, load_profile
from mcu_nas_moo.networks.layer_table import LayerTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mcu_nas_moo.hardware.device import Figure
    from mcu_nas_moo.hardware.runtime import Fit, Runtime

#: Families of networks below which the error of a fit is not to be trusted.
FEW_FAMILIES = 5

_BYTES_PER_KIB = 1024


@dataclass(frozen=True)
class LayerEstimate:
    """One layer; shapes are (height, width, channels), kernel and stride (height, width).

    Args:
        name: of the layer, as in the file.
        kind: kind of layer, such as ``conv`` or ``depthwise``.
        input_shape, output_shape: of its first input, and of what it writes.
        kernel, stride: 1 x 1 where there is none.
        macs: multiply-accumulates.
        parameters: weights and biases.
        flash_kib: parameters and code for this layer, without what the runtime takes once.
        sram_kib: everything in memory while the layer runs, the runtime included.
        latency_share: that time relative to the network's, in [0, 1].
        memory: what makes up ``sram_kib``.
    """

    name: str
    kind: str
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    macs: int
    parameters: int
    flash_kib: float
    sram_kib: float
    latency_ms: float
    latency_share: float
    memory: MemoryStep = field(repr=False)

    @property
    def short_name(self) -> str:
        """The name without parts that the next part repeats.

        torch names a layer ``/features/features.1/conv/conv.0/Conv``; this is
        ``features.1/conv.0/Conv``.
        """
        parts = [part for part in self.name.split("/") if part]
        pairs = pairwise([*parts, ""])
        own = [part for part, after in pairs if not f"{after}.".startswith(f"{part}.")]
        return "/".join(own) or self.name


@dataclass(frozen=True)
class CostEstimate:
    """Costs of one int8 network on the device of a profile, for one inference.

    Args:
        model: file name of the network.
        profile: device, runtime and limits that the figures hold for.
        flash_kib: Flash for parameters, code and runtime.
        sram_kib: SRAM for tensors and runtime: the largest of the layers'.
        energy_mj: power of the board times latency.
        macs_m: millions of multiply-accumulates.
        parameters: weights and biases.
        runtime_flash_kib: part of ``flash_kib`` that belongs to no single layer: the runtime and
            its kernels.
        layers: in order of execution; their latencies add up to ``latency_ms``, and their Flash and
            ``runtime_flash_kib`` to ``flash_kib``.
        error_percent: mean absolute error of ``flash_kib``, ``sram_kib`` and ``latency_ms`` on
            published measurements, of networks unlike those of the fit where there are enough
            (leave-one-family-out); a metric without measurements is left out.
        notes: how far the figures can be relied on, one sentence each.
    """

    model: str
    profile: Profile = field(repr=False)
    flash_kib: float
    sram_kib: float
    latency_ms: float
    energy_mj: float
    macs_m: float
    parameters: int
    runtime_flash_kib: float
    layers: tuple[LayerEstimate, ...] = field(repr=False)
    error_percent: dict[str, float]
    notes: tuple[str, ...] = field(repr=False)

    def __str__(self) -> str:
        errors = {name: f" (± {error:.1f} %)" for name, error in self.error_percent.items()}
        figures = [
            f"{METRICS[name].short} {METRICS[name].text(getattr(self, name))}{errors.get(name, '')}"
            for name in Costs._fields
        ]
        return f"{self.model} on {self.profile.name}: {', '.join(figures)}; {self.verdict}"

    @property
    def limits(self) -> dict[str, float]:
        """The profile's limit of each limited metric."""
        return {m.name: float(getattr(self.profile.limits, m.name)) for m in LIMITED.values()}

    @property
    def excess(self) -> dict[str, float]:
        """By how much each limit that does not hold is exceeded, in the metric's unit."""
        over = {metric: getattr(self, metric) - limit for metric, limit in self.limits.items()}
        return {metric: value for metric, value in over.items() if value > 0}

    @property
    def fits(self) -> bool:
        """Whether all limits hold."""
        return not self.excess

    @property
    def verdict(self) -> str:
        """``fits``, or what exceeds by how much."""
        if self.fits:
            return f"fits {self.profile.name}"
        texts = [f"{METRICS[metric].short} {self.excess_text(metric)}" for metric in self.excess]
        return f"does not fit {self.profile.name}: {', '.join(texts)}"

    @property
    def peak_layer(self) -> str:
        """Name of the layer that sets the SRAM peak, the first of equals."""
        return self.layers[self.peak_step].name

    @property
    def peak_step(self) -> int:
        """Position of :attr:`peak_layer` in :attr:`layers`."""
        return max(range(len(self.layers)), key=lambda step: self.layers[step].sram_kib)

    def excess_text(self, metric: str) -> str:
        """``exceeds 48 KiB by 12 KiB (25 %)``, for a metric of :attr:`excess`."""
        limit, value, unit = self.limits[metric], self.excess[metric], METRICS[metric].unit
        share = significant(100 * value / limit, 2)
        return f"exceeds {significant(limit)} {unit} by {significant(value, 3)} {unit} ({share} %)"

    def frame(self) -> pd.DataFrame:
        """The layers as a table, one row each, without the tensors in memory."""
        import pandas as pd

        rows = [asdict(layer) for layer in self.layers]
        return pd.DataFrame(rows).drop(columns="memory")

    def as_dict(self) -> dict[str, Any]:
        """Everything in plain types, for JSON.

        Keys are the attributes of this class, of :class:`LayerEstimate` and of :class:`MemoryStep`,
        with the profile's facts in place of ``profile``: ``profile``, ``board``, ``chip``,
        ``core``, ``clock_mhz`` and ``runtime``; and ``limits``, ``excess``, ``fits``,
        ``peak_layer``. Layers are under ``layers``, tensors under their ``memory.tensors`` with
        ``layer``, ``role`` and ``kib``.
        """
        device = self.profile.device
        head: dict[str, Any] = {
            "model": self.model,
            "profile": self.profile.name,
            "board": device.board,
            "chip": device.chip,
            "core": device.core,
            "clock_mhz": device.clock_mhz,
            "runtime": self.profile.runtime,
            "fits": self.fits,
        }
        figures = (*Costs._fields, "macs_m", "parameters", "runtime_flash_kib", "limits", "excess")
        head |= {name: getattr(self, name) for name in (*figures, "error_percent", "peak_layer")}
        layers = []
        for layer in self.layers:
            row = asdict(layer)
            row["memory"]["tensors"] = [tensor._asdict() for tensor in layer.memory.tensors]
            layers.append(row)
        return head | {"notes": list(self.notes), "layers": layers}


def estimate_cost(
    model: str | Path | LayerTable,
    profile: str | Path | Profile = "cortex-m7",
    *,
    input_shape: Sequence[int] | None = None,
) -> CostEstimate:
    """Flash, SRAM, latency and energy of a network, as if deployed in int8.

    Args:
        model: path of an ONNX file, float or quantised; or the layer table of one network, such as
            ``space.network(X)`` for one genotype.
        profile: device, runtime and limits: the name of a shipped profile, the path of a YAML file,
            or a profile.
        input_shape: shape of the network's input where the file leaves it open, such as
            ``(3, 96, 96)``: channels, height, width.

    Raises:
        InputError: if the file is no ONNX file or holds what cannot be costed, its shapes are open
            and none are given, or the profile is unknown or wrong.
        OSError: if the file cannot be read.
    """
    profile = profile if isinstance(profile, Profile) else load_profile(profile)
    cost_model = CostModel.of(profile)
    if isinstance(model, LayerTable):
        if input_shape is not None:
            raise InputError("a layer table has its shapes already; leave input_shape out")
        name, table = "network", _resolved(model)
    else:
        from mcu_nas_moo.networks.onnx_reader import read_onnx

        name, table = Path(model).name, read_onnx(model, input_shape)
    costs: dict[str, Any] = {
        name: float(values[0]) for name, values in cost_model.evaluate(table)._asdict().items()
    }
    layers = _layers(table, cost_model, costs["latency_ms"])
    return CostEstimate(
        model=name,
        profile=profile,
        **costs,
        macs_m=float(table.macs.sum() / 1e6),
        parameters=int(table.weights.sum() + table.biases.sum()),
        runtime_flash_kib=costs["flash_kib"] - sum(layer.flash_kib for layer in layers),
        layers=layers,
        error_percent={
            metric: max(map(_error_percent, fits))
            for metric, fits in cost_model.runtime.fits.items()
            if fits
        },
        notes=_notes(profile, cost_model.runtime),
    )


def _resolved(table: LayerTable) -> LayerTable:
    """The one network of ``table`` without the slots that it leaves out."""
    if len(table) != 1:
        raise InputError(f"costs are estimated one network at a time, got {len(table)}")
    outputs = []
    for output in table.topology.outputs:
        tensor = output
        while tensor and not table.active[0, tensor - 1]:
            tensor = table.topology.slots[tensor - 1].inputs[0]
        outputs.append(tensor)
    return LayerTable.of(table.layers(), outputs)


def _layers(
    table: LayerTable, cost_model: CostModel, latency_ms: float
) -> tuple[LayerEstimate, ...]:
    costs = cost_model.layer_costs(table)
    working_kib = working_set(table, cost_model.runtime.memory)[0] / _BYTES_PER_KIB
    memory = memory_steps(table, working_kib, costs.sram_kib[0])
    return tuple(
        LayerEstimate(
            name=layer.name,
            kind=str(layer.op),
            input_shape=(*layer.in_size, layer.in_channels),
            output_shape=(*layer.out_size, layer.out_channels),
            kernel=layer.kernel,
            stride=layer.stride,
            macs=int(table.macs[0, step]),
            parameters=int(table.weights[0, step] + table.biases[0, step]),
            flash_kib=float(costs.flash_kib[0, step]),
            sram_kib=float(costs.sram_kib[0, step]),
            latency_ms=float(costs.latency_ms[0, step]),
            latency_share=float(costs.latency_ms[0, step] / latency_ms) if latency_ms else 0.0,
            memory=memory[step],
        )
        for step, layer in enumerate(table.layers())
    )


def _notes(profile: Profile, runtime: Runtime) -> tuple[str, ...]:
    """How far each figure can be relied on."""
    notes = []
    for metric, fits in runtime.fits.items():
        name = METRICS[metric].short
        name = f"{name[0].upper()}{name[1:]}"
        own_board = runtime.latency.fixed_clock_mhz is not None
        notes += [f"{name}: {_agreement(fit, own_board)}." for fit in fits]
        if not fits:
            notes.append(f"{name}: no published figures to compare with.")
    device = profile.device
    factor, power = device.cycles_factor, device.active_power_mw
    reference = runtime.latency.reference_core
    if runtime.latency.fixed_clock_mhz is not None:
        notes.append("Latency is that of the board that was measured, at its clock.")
    elif factor.basis != "measured" or device.core != reference:
        notes.append(
            f"Latency on {device.core} is scaled: {factor.value:g} x the cycles of {reference}, "
            f"{_basis(factor)}. The error of latency does not cover this."
        )
    notes.append(f"Energy: {power.value:g} mW of board power, {_basis(power)}, times latency.")
    return tuple(notes)


def _error_percent(fit: Fit) -> float:
    """The error to expect on another network, as far as it is known."""
    left_out = fit.left_out_mape_percent
    return fit.mape_percent if left_out is None else left_out


def _agreement(fit: Fit, own_board: bool) -> str:
    # A runtime for one board keeps the fits of quantities that were not measured there.
    figures = f"figures of {fit.rows}" if own_board else "published figures"
    if fit.left_out_mape_percent is None:
        return (
            f"mean error {fit.mape_percent:.1f} % on the {fit.n_rows} {figures} of the fit itself; "
            "other networks may be further off"
        )
    largest = fit.left_out_worst_percent
    few = (
        f" (only {fit.n_families} families: other networks may be further off)"
        if fit.n_families < FEW_FAMILIES
        else ""
    )
    return (
        f"mean error {fit.left_out_mape_percent:.1f} %"
        f"{'' if largest is None else f', largest {largest:.1f} %,'} on {fit.n_rows} {figures}, "
        f"each family of networks left out of the fit in turn{few}"
    )


def _basis(figure: Figure) -> str:
    return "measured" if figure.basis == "measured" else f"{figure.basis}, not measured"
