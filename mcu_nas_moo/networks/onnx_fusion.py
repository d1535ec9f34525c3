"""Fusing layers that a runtime runs as one: batch norm, activations and padding."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.layer_table import LayerTable
from mcu_nas_moo.networks.onnx.step import Fusion
from mcu_nas_moo.networks.operators import operator_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.networks.onnx.step import Step


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
                source.clamped |= step.fusion is Fusion.CLAMP
                alias[step.output] = source.output
                readers[source.output] = readers[step.output]
                continue
            if source.fusion is Fusion.ZERO_PADDING and operator_of(step.op).windowed:
                kept.remove(source)
                step.inputs = list(source.inputs)
                step.in_shape = source.in_shape
        kept.append(step)
        written_by[step.output] = step
    return kept, [alias.get(name, name) for name in outputs]


def _gate_of(step: Step, written_by: dict[str, Step], readers: Counter[str]) -> list[Step]:
    """Steps, the last one first, that lead from one factor of a product to the other."""
    if step.op != Op.MUL or len(step.inputs) != 2:
        return []
    for value, factor in (step.inputs, step.inputs[::-1]):
        chain, name = [], factor
        while name != value and readers[name] == 1:
            source = written_by.get(name)
            if source is None or not _is_function(source):
                break
            chain.append(source)
            name = source.inputs[0]
        if chain and name == value:
            return chain
    return []


def _joins(step: Step, source: Step) -> bool:
    if step.fusion is Fusion.AFFINE:
        known = operator_of(source.op)
        folds = known.weighted and known.mac_unit is not None and not source.clamped
        return source.gate or folds
    return step.fusion is Fusion.CLAMP and operator_of(source.op).clamps


def _is_function(step: Step) -> bool:
    return operator_of(step.op).kernel_kind == Op.ELEMENTWISE


def to_table(steps: Sequence[Step], network_input: str, outputs: Sequence[str]) -> LayerTable:
    """Layer table of one network."""
    number = {network_input: 0} | {step.output: i for i, step in enumerate(steps, start=1)}
    layers = [
        Layer(
            step.name,
            step.op,
            tuple(number[name] for name in step.inputs),
            number[step.output],
            "relu" if step.clamped else "",
            step.in_shape.channels,
            step.out_shape.channels,
            step.kernel,
            step.stride,
            (step.in_shape.height, step.in_shape.width),
            (step.out_shape.height, step.out_shape.width),
            step.groups,
            step.attributes,
        )
        for step in steps
    ]
    return LayerTable.of(layers, list(dict.fromkeys(number[name] for name in outputs)))
