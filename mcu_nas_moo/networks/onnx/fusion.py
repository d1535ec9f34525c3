"""Fusing layers that a runtime runs as one: batch norm, activations and padding."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from mcu_nas_moo.networks.layer_table import Layer, LayerTable, Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.networks.onnx.layout import Shape


class Fusion(Enum):
    """How a step can become part of another.

    An ``AFFINE`` step scales and shifts channels, as batch norm does, and folds into the weights
    before it. A ``CLAMP`` bounds values, as ReLU does. ``ZERO_PADDING`` belongs to the window that
    reads it.
    """

    NONE = "none"
    AFFINE = "affine"
    CLAMP = "clamp"
    ZERO_PADDING = "zero padding"


@dataclass(eq=False)
class Step:
    """A layer to be, reading and writing tensors by name.

    A ``gate`` is a product of a tensor and a function of it, such as a decomposed hard swish: a
    function of one tensor, which an int8 runtime looks up in a table.
    """

    name: str
    op: Op
    inputs: list[str]
    output: str
    in_shape: Shape
    out_shape: Shape
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    groups: int = 1
    relu: bool = False
    fusion: Fusion = Fusion.NONE
    gate: bool = False


_WEIGHTED = frozenset({Op.CONV, Op.DEPTHWISE, Op.DENSE})
_WINDOWED = frozenset({Op.CONV, Op.DEPTHWISE, Op.POOL})
# These compute every value that they write, so they can clamp it too. The others hand values on.
_CLAMPING = _WEIGHTED | {Op.ADD, Op.MUL, Op.POOL, Op.GLOBAL_POOL, Op.ELEMENTWISE}


def fuse(steps: Sequence[Step], outputs: Sequence[str]) -> tuple[list[Step], list[str]]:
    """The steps that remain, and the outputs under their new names.

    A step becomes part of the one before it only if nothing else reads what that one writes.
    """
    readers = Counter(name for step in steps for name in step.inputs)
    readers.update(outputs)
    written_by: dict[str, Step] = {}
    alias: dict[str, str] = {}
    kept: list[Step] = []
    for step in steps:
        step.inputs = [alias.get(name, name) for name in step.inputs]
        for part in _gate_of(step, written_by, readers):
            kept.remove(part)
            step.op, step.inputs, step.gate = Op.ELEMENTWISE, list(part.inputs), True
        if step.gate:
            readers[step.inputs[0]] -= 1
        source = written_by.get(step.inputs[0])
        if source is not None and readers[source.output] == 1:
            if _joins(step, source):
                source.relu |= step.fusion is Fusion.CLAMP
                alias[step.output] = source.output
                readers[source.output] = readers[step.output]
                continue
            if source.fusion is Fusion.ZERO_PADDING and step.op in _WINDOWED:
                kept.remove(source)
                step.inputs = list(source.inputs)
                step.in_shape = source.in_shape
        kept.append(step)
        written_by[step.output] = step
    return kept, [alias.get(name, name) for name in outputs]


def _gate_of(step: Step, written_by: dict[str, Step], readers: Counter[str]) -> list[Step]:
    """Steps, the last one first, that lead from one factor of a product to the other."""
    if step.op is not Op.MUL or len(step.inputs) != 2:
        return []
    for value, factor in (step.inputs, step.inputs[::-1]):
        chain, name = [], factor
        while name != value and readers[name] == 1:
            source = written_by.get(name)
            if source is None or source.op is not Op.ELEMENTWISE:
                break
            chain.append(source)
            name = source.inputs[0]
        if chain and name == value:
            return chain
    return []


def _joins(step: Step, source: Step) -> bool:
    if step.fusion is Fusion.AFFINE:
        return source.gate or (source.op in _WEIGHTED and not source.relu)
    return step.fusion is Fusion.CLAMP and source.op in _CLAMPING


def to_table(steps: Sequence[Step], network_input: str, outputs: Sequence[str]) -> LayerTable:
    """Layer table of one network."""
    number = {network_input: 0} | {step.output: i for i, step in enumerate(steps, start=1)}
    layers = [
        Layer(
            step.name,
            step.op,
            tuple(number[name] for name in step.inputs),
            number[step.output],
            step.relu,
            step.in_shape.channels,
            step.out_shape.channels,
            step.kernel,
            step.stride,
            (step.in_shape.height, step.in_shape.width),
            (step.out_shape.height, step.out_shape.width),
            step.groups,
        )
        for step in steps
    ]
    return LayerTable.of(layers, list(dict.fromkeys(number[name] for name in outputs)))
