"""The register of kernels: shipped ones, and what users and packages bring.

A kernel of one's own is a subclass of :class:`Kernel`, made known by :func:`register`, or announced
by an installed package in the entry-point group ``mcu_nas_moo.kernels``. Those that come later go
before the shipped ones.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.user_parts import announced, made
from mcu_nas_moo.deployment.firmware.kernels.add import Add
from mcu_nas_moo.deployment.firmware.kernels.kernel import Kernel
from mcu_nas_moo.deployment.firmware.kernels.move import Flatten, Slice, Transpose
from mcu_nas_moo.deployment.firmware.kernels.multiply import Multiply
from mcu_nas_moo.deployment.firmware.kernels.pad import Pad
from mcu_nas_moo.deployment.firmware.kernels.pool import AveragePool, GlobalAveragePool, MaxPool
from mcu_nas_moo.deployment.firmware.kernels.resize import Resize
from mcu_nas_moo.deployment.firmware.kernels.softmax import Softmax
from mcu_nas_moo.deployment.firmware.kernels.table import Concat, Table
from mcu_nas_moo.deployment.firmware.kernels.weighted import Convolution, Dense

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcu_nas_moo.deployment.firmware.network import Node
    from mcu_nas_moo.networks.layer_table import LayerTable

#: Entry-point group of packages that bring kernels.
GROUP = "kernels"
_KNOWN: dict[str, Kernel] = {}
#: What does the same, or nearly, with kernels; for operators without one.
_INSTEAD = {
    "ConvTranspose": "a resize and a convolution",
    "LayerNormalization": "batch normalisation, which convolutions take in",
    "InstanceNormalization": "batch normalisation, which convolutions take in",
    "MatMul": "pointwise convolutions, and squeeze-and-excite in the place of attention",
    "QLinearMatMul": "pointwise convolutions, and squeeze-and-excite in the place of attention",
}


def register(kernel: Kernel) -> None:
    """Make a kernel known for its operators.

    Raises:
        InputError: if it is no kernel.
    """
    if not isinstance(kernel, Kernel):
        raise InputError(f"expected an object of a subclass of Kernel, got {kernel!r}")
    _KNOWN.update(dict.fromkeys(kernel.operators, kernel))


def kernel_of(node: Node) -> Kernel:
    """The kernel that computes a node.

    Raises:
        InputError: if there is none, or it cannot; the message names the node.
    """
    kernel = _KNOWN[node.operator] if node.operator in known_operators() else None
    if kernel is None:
        raise InputError(
            f"layer {node.name!r} cannot become firmware: {node.operator} has no kernel; "
            f"use {instead_of(node.operator)}"
        )
    try:
        problem = _problem_of_scales(node) or kernel.problem(node)
    except InputError as error:
        problem = str(error)
    if problem:
        raise InputError(f"layer {node.name!r} cannot become firmware: {problem}")
    return kernel


def known_operators() -> frozenset[str]:
    """Types of ONNX nodes that have a kernel."""
    _look_for_announced()
    return frozenset(_KNOWN)


def instead_of(operator: str) -> str:
    """What to use for an operator without a kernel."""
    return _INSTEAD.get(operator, f"one of {', '.join(sorted(_KNOWN))}")


def check_kernels(nodes: Iterable[Node]) -> None:
    """Raise an InputError that names the first node which no kernel computes."""
    for node in nodes:
        kernel_of(node)


def operators_without_kernel(table: LayerTable) -> list[str]:
    """Names of the operators in a layer table whose int8 nodes no kernel computes."""
    _look_for_announced()
    nodes = {
        operator.name: {name.rpartition(".")[2] for name in operator.int8_nodes}
        for operator, _ in table.topology.operators
    }
    return [name for name, needed in nodes.items() if not needed <= _KNOWN.keys()]


def _problem_of_scales(node: Node) -> str | None:
    """All numbers with a fraction that an int8 operator reads are scales."""
    for name in node.inputs:
        values = node.constants.get(name)
        if values is None or values.dtype.kind != "f":
            continue
        if not (values > 0).all() or not (values < float("inf")).all():
            return f"{name} is not finite and above 0"
    return None


@cache
def _look_for_announced() -> None:
    for name in announced(GROUP):
        register(made(name, GROUP, "kernel"))


for _kernel in (
    *(Convolution(), Dense(), Add(), Multiply(), Table(), Concat(), Softmax()),
    *(GlobalAveragePool(), AveragePool(), MaxPool(), Resize(), Pad(), Flatten(), Slice()),
    Transpose(),
):
    register(_kernel)
