"""Layer tables written layer by layer, for one network or for many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.networks.layer import Slot
from mcu_nas_moo.networks.layer_table import LayerTable, Topology
from mcu_nas_moo.networks.operators import Shape, Wanted, operator_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import BoolArray, IntArray


class TableBuilder:
    """N networks of one topology; sizes follow from the operators.

    Every number may be one for all networks or an array ``(N,)``. Layers are executed in the order
    in which they are added::

        net = TableBuilder(channels=3, height=32, width=32)
        x = net.add("conv", 0, channels=16, kernel=3, stride=2, activation="relu")
        x = net.squeeze_and_excite(x, 4)
        net.add("dense", net.add("global_pool", x), channels=10)
        table = net.table()

    Args:
        channels, height, width: of the network's input, tensor 0.
        networks: N.
    """

    def __init__(
        self,
        channels: int | IntArray,
        height: int | IntArray,
        width: int | IntArray,
        networks: int = 1,
    ) -> None:
        self._n = networks
        self._shapes = [Shape(*map(self._numbers, (channels, height, width)))]
        self._slots: list[Slot] = []
        self._columns: list[tuple[IntArray, ...]] = []
        self._active: list[BoolArray] = []

    def add(
        self,
        op: str,
        *inputs: int,
        channels: int | IntArray | None = None,
        kernel: int | tuple[int, int] | IntArray = 1,
        stride: int | tuple[int, int] | IntArray = 1,
        activation: str = "",
        groups: int = 1,
        active: bool | BoolArray = True,
        name: str | None = None,
        **attributes: int | float | str,
    ) -> int:
        """Add a layer; returns the number of the tensor that it writes.

        Args:
            op: name of its operator.
            inputs: tensors that it reads.
            channels: that it writes, where the operator does not tell.
            kernel, stride: of both directions, or (height, width).
            activation: ``relu`` or ``relu6``, within the layer.
            active: which networks have the layer; others pass the first input on, which must have
                the shape of the output.
            name: the operator and a number by default.
            attributes: what the operator wants to know.

        Raises:
            InputError: for an unknown operator or attribute, or inputs that do not fit.
        """
        operator = operator_of(op)
        if operator.many_inputs != (len(inputs) > 1):
            many = "two tensors or more" if operator.many_inputs else "one tensor"
            raise InputError(f"operator {op} reads {many}, got {len(inputs)}")
        given = tuple(sorted(attributes.items()))
        operator.check(given)
        number = len(self._slots) + 1
        shapes = [operator.in_shape(self._shapes[tensor]) for tensor in inputs]
        facts: dict[str, Any] = {**operator.attributes, **attributes, "groups": groups}
        number_wanted = None if channels is None else self._numbers(channels)
        wanted = Wanted(number_wanted, self._both(kernel), self._both(stride), facts)
        try:
            after = operator.out_shape(shapes, wanted)
        except InputError as error:
            raise InputError(f"layer {name or number} ({op}): {error}") from None
        mask = np.broadcast_to(np.asarray(active, dtype=np.bool_), (self._n,))
        if any((a[~mask] != b[~mask]).any() for a, b in zip(shapes[0], after, strict=True)):
            raise InputError(
                f"layer {name or number} ({op}) is left out by some networks, and changes the shape"
            )
        label = f"{op}{number}" if name is None else name
        self._slots.append(Slot(label, op, tuple(inputs), activation, groups, given))
        before = shapes[0]
        sizes = (before.height, before.width, after.height, after.width)
        self._columns.append(
            (before.channels, after.channels, *wanted.kernel, *wanted.stride, *sizes)
        )
        self._active.append(mask)
        self._shapes.append(after)
        return number

    def separable(
        self, x: int, channels: int | IntArray, kernel: int = 3, stride: int = 1, **more: Any
    ) -> int:
        """A depthwise convolution and a pointwise one (Sifre, 2014); ``more`` goes to both."""
        x = self.add("depthwise", x, kernel=kernel, stride=stride, **more)
        return self.add("conv", x, channels=channels, **more)

    def squeeze_and_excite(self, x: int, squeezed: int | IntArray) -> int:
        """Channels weighed by what all of them are on average (Hu et al., CVPR 2018).

        With a hard sigmoid, as in MobileNetV3; ``squeezed`` channels lie between.
        """
        gate = self.add("global_pool", x, keep_size=1)
        gate = self.add("conv", gate, channels=squeezed, activation="relu")
        gate = self.add("conv", gate, channels=self._shapes[x].channels)
        return self.add("mul", x, self.add("hard_sigmoid", gate))

    def attention(self, x: int, heads: int) -> int:
        """Multi-head self-attention of the positions of ``x`` (Vaswani et al., 2017)."""
        channels = self._shapes[x].channels
        if (channels % heads).any() or len(set(channels.tolist())) > 1:
            raise InputError(
                f"attention in {heads} heads needs as many channels in all networks, a multiple of "
                f"{heads}"
            )
        q, k, v = (self.add("conv", x, channels=channels) for _ in range(3))
        scale = float(channels[0] // heads) ** -0.5
        scores = self.add("matmul", q, k, groups=heads, scores=1, scale=scale)
        shares = self.add("softmax", scores, groups=heads)
        mixed = self.add("matmul", shares, v, groups=heads)
        return self.add("conv", mixed, channels=channels)

    def shape(self, x: int) -> Shape:
        """Channels, height and width of a tensor, each ``(N,)``."""
        return self._shapes[x]

    def table(self, outputs: Sequence[int] = ()) -> LayerTable:
        """The layers so far.

        Args:
            outputs: tensors that the application reads; the last one if none are given.

        Raises:
            InputError: if there are no layers.
        """
        if not self._slots:
            raise InputError("a network without layers has no costs")
        columns = [np.stack(column, axis=1) for column in zip(*self._columns, strict=True)]
        topology = Topology(tuple(self._slots), tuple(outputs))
        return LayerTable(topology, np.stack(self._active, axis=1), *columns)

    def _numbers(self, values: int | IntArray) -> IntArray:
        return np.broadcast_to(np.asarray(values, dtype=np.int64), (self._n,))

    def _both(self, sizes: int | tuple[int, int] | IntArray) -> tuple[IntArray, IntArray]:
        height, width = sizes if isinstance(sizes, tuple) else (sizes, sizes)
        return self._numbers(height), self._numbers(width)
