"""One table of operators: layers are costed, run in torch, written and read as it says.

An operator of one's own is an object of :class:`Operator`, made known by :func:`register` in the
module that uses it, or announced by an installed package in the entry-point group
``mcu_nas_moo.operators``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.user_parts import announced, made
from mcu_nas_moo.networks.operators import activation, arithmetic, convolution, moving, pooling
from mcu_nas_moo.networks.operators.dense import Dense
from mcu_nas_moo.networks.operators.operator import Layers, Operator, Shape, Wanted
from mcu_nas_moo.networks.operators.sequence import LayerNorm, MatMul

if TYPE_CHECKING:
    from mcu_nas_moo.networks.operators.operator import Handler

__all__ = [
    "Layers",
    "Operator",
    "Shape",
    "Wanted",
    "known_operators",
    "number_of",
    "onnx_readers",
    "operator_of",
    "register",
]

_GROUP = "operators"
# Bits of a signed integer that holds the kinds of layers of a network, see ``kind_bits``.
_MOST = 62
_KNOWN: dict[str, Operator] = {}


def register(operator: Operator) -> None:
    """Make an operator known under its name.

    Registering a class again, as a module that is imported anew does, replaces it.

    Raises:
        InputError: if it is no operator, or another one has the name.
    """
    if not isinstance(operator, Operator):
        raise InputError(f"expected an object of a subclass of Operator, got {operator!r}")
    name, known = operator.name, _KNOWN.get(operator.name)
    if known is not None and _origin(known) != _origin(operator):
        raise InputError(f"operator {name!r} is known already, from {_origin(known)}; rename yours")
    if known is None and len(_KNOWN) == _MOST:
        raise InputError(f"there are {_MOST} operators already, which is the most")
    _KNOWN[name] = operator


def _origin(operator: Operator) -> str:
    module = sys.modules.get(type(operator).__module__)
    # The same file may be a module of two names: its own, and that of the main program.
    place = getattr(module, "__file__", None) or type(operator).__module__
    return f"{place}:{type(operator).__qualname__}"


def operator_of(name: str) -> Operator:
    """The operator of that name.

    Raises:
        InputError: if there is none.
    """
    if name not in _KNOWN:
        if name not in announced(_GROUP):
            raise unknown_name("operator", name, list(_KNOWN))
        register(made(name, _GROUP, "operator"))
    return _KNOWN[name]


def number_of(name: str) -> int:
    """Place of an operator among those known, from 0 on; it stays while the program runs."""
    operator_of(name)
    return list(_KNOWN).index(name)


def known_operators() -> tuple[Operator, ...]:
    """All operators, the package's first."""
    return tuple(_KNOWN.values())


def onnx_readers() -> dict[str, Handler]:
    """What makes layers of ONNX nodes, by node type; one's own operators come last and win."""
    return {node: read for known in known_operators() for node, read in known.readers.items()}


for _operator in (
    *(convolution.Convolution(), convolution.Depthwise(), Dense()),
    *(arithmetic.Add(), arithmetic.Mul(), arithmetic.Concat()),
    *(moving.Pad(), pooling.Pool(), pooling.GlobalPool(), moving.Resize()),
    *(activation.Elementwise(), moving.Copy(), convolution.TransposedConvolution()),
    *(activation.Relu(), activation.Relu6(), activation.HardSwish(), activation.HardSigmoid()),
    *(activation.Sigmoid(), activation.Tanh(), activation.Gelu(), activation.Softmax()),
    *(activation.Zero(), LayerNorm(), MatMul()),
):
    register(_operator)
