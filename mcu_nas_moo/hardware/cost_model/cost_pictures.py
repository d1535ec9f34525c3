"""Pictures of what a network costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.files import write_atomically
from mcu_nas_moo.common.text import picture_text

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from mcu_nas_moo.hardware.cost_model.estimate import CostEstimate, LayerEstimate

#: Endings of picture files that can be written.
FORMATS = (".png", ".svg")
#: Parts of the memory from the bottom up: role, label and colour (Okabe and Ito 2008).
_PARTS = {
    "runtime": ("runtime", "0.72"),
    "kept": ("kept for later layers", "#CC79A7"),
    "input": ("inputs of the layer", "#56B4E9"),
    "output": ("output, where not over an input", "#0072B2"),
    "scratch": ("copies, scratch, alignment", "#E69F00"),
}
#: Up to this many layers, each has its name at the axis.
_NAMED_LAYERS = 80


def draw_memory(path: Path, estimate: CostEstimate) -> None:
    """PNG or SVG, by the ending of ``path``, of what is in SRAM while each layer runs.

    One bar per layer in order of execution, the parts of the memory on top of one another, the
    profile's limit as a line, and the peak with its parts. An output that lies on top of an
    input is drawn as what reaches over.
    """
    layers = estimate.layers
    figure, axes = _figure(len(layers))
    steps = np.arange(1, len(layers) + 1)
    bottom = np.zeros(len(layers))
    few = len(layers) <= _NAMED_LAYERS
    for part, values in _parts(layers).items():
        label, colour = _PARTS[part]
        if values.any():
            edge = {"edgecolor": "white", "linewidth": 0.4} if few else {"linewidth": 0}
            axes.bar(steps, values, 0.86 if few else 1.0, bottom, color=colour, label=label, **edge)
        bottom += values
    peak, limit = estimate.sram_kib, estimate.limits["sram_kib"]
    # A limit far above would press the bars to the floor.
    top = max(peak, limit) if limit <= 2.5 * peak else peak
    if limit <= top:
        axes.axhline(limit, color="#D55E00", ls="--", lw=1.3, label=f"limit, {limit:g} KiB")
    axes.set_xlim(0.4, len(layers) + 0.6)
    axes.set_ylim(0, 1.08 * max(top, 1.08 * peak))
    _name_layers(axes, estimate)
    _mark_peak(axes, estimate)
    axes.set_ylabel("SRAM while the layer runs, KiB")
    above = "" if limit <= top else f", limit {limit:g} KiB"
    name, profile = _short(estimate.model, 40), estimate.profile
    device = picture_text(f"{profile.name} ({profile.runtime}{above})")
    figure.suptitle(
        f"{name} on {device}\n{_peak_in_words(estimate)}",
        fontsize=9.5,
    )
    columns = 6 if figure.get_figwidth() > 10 else 3
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    kind = path.suffix.lower().removeprefix(".")
    # Without a date in it, the same network makes the same file.
    metadata = {"Date": None} if kind == "svg" else None
    write_atomically(
        path, lambda part: figure.savefig(part, dpi=160, format=kind, metadata=metadata)
    )


def _parts(layers: tuple[LayerEstimate, ...]) -> dict[str, np.ndarray[Any, Any]]:
    """KiB of each part of the memory while each layer runs."""
    parts = {part: np.zeros(len(layers)) for part in _PARTS}
    for step, layer in enumerate(layers):
        parts["runtime"][step] = layer.memory.runtime_kib
        parts["scratch"][step] = layer.memory.scratch_kib
        for tensor in layer.memory.tensors:
            parts[tensor.role][step] += tensor.kib
    return parts


def _name_layers(axes: Any, estimate: CostEstimate) -> None:
    """Names at the axis if there is room, numbers otherwise."""
    count = len(estimate.layers)
    if count > _NAMED_LAYERS:
        axes.set_xlabel("layer, in order of execution", fontsize=9)
        return
    axes.set_xticks(range(1, count + 1))
    axes.set_xticklabels(
        [_short(layer.short_name, 28) for layer in estimate.layers],
        rotation=90,
        fontsize=8 if count <= 30 else 6.5,
    )
    axes.tick_params(axis="x", length=0)
    axes.get_xticklabels()[estimate.peak_step].set_fontweight("bold")


def _mark_peak(axes: Any, estimate: CostEstimate) -> None:
    """An arrow at the layer with the peak."""
    step, count = estimate.peak_step, len(estimate.layers)
    # At the borders the text grows inwards.
    side = "left" if step < count / 8 else "right" if step > count * 7 / 8 else "center"
    axes.annotate(
        f"peak {estimate.sram_kib:.1f} KiB",
        (step + 1, estimate.sram_kib),
        xytext=(0, 16),
        textcoords="offset points",
        ha=side,
        fontsize=9,
        fontweight="bold",
        arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 0.9, "shrinkA": 0, "shrinkB": 1},
        bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
    )


def _peak_in_words(estimate: CostEstimate) -> str:
    """The layer with the peak, and the parts of the memory then."""
    values = _parts((estimate.layers[estimate.peak_step],))
    words = [f"{kib[0]:.1f} {part}" for part, kib in values.items() if kib[0] >= 0.05]
    layer = _short(estimate.layers[estimate.peak_step].short_name, 60)
    return f"peak at {layer}:\n{' + '.join(words)} KiB"


def _short(name: str, width: int) -> str:
    """The end of a long name, which says more than its beginning."""
    return picture_text(name if len(name) <= width else f"…{name[1 - width :]}")


def _figure(layers: int) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(float(np.clip(0.24 * layers, 7.5, 13)), 5.2), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.92", lw=0.8)
    axes.set_axisbelow(True)
    return figure, axes
