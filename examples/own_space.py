"""A search space of one's own: plain convolutional networks for grey pictures of 24x48.

python own_space.py
mcu-nas search --space own_space:MySpace --profile cortex-m4 --evaluator own_evaluator:Mine
"""

import numpy as np

from mcu_nas_moo import Gene, SearchSpace
from mcu_nas_moo.contracts.network_io import InputSpec, OutputSpec
from mcu_nas_moo.networks.layer_table import LayerTable, Op, Slot, Topology

TOPOLOGY = Topology(
    (
        Slot("first", Op.CONV, (0,), relu=True),
        Slot("second", Op.CONV, (1,), relu=True),
        Slot("third", Op.CONV, (2,), relu=True),  # left out where the depth is 2
        Slot("pool", Op.GLOBAL_POOL, (3,)),
        Slot("classifier", Op.DENSE, (4,)),
    )
)


class MySpace(SearchSpace):
    """Two or three convolutions; the third keeps the shape of what it reads."""

    input = InputSpec(channels=1, height=24, width=48)
    output = OutputSpec(classes=4)

    def __init__(self):
        genes = {"width1": (4, 8, 12, 16), "width2": (8, 16, 24, 32), "kernel": (3, 5)}
        genes |= {"depth": (2, 3), "last_kernel": (1, 3, 5)}
        super().__init__("ladder", [Gene(name, options) for name, options in genes.items()])

    @property
    def n_networks(self):
        return 4 * 4 * 2 * (1 + 3)

    def active(self, X):
        mask = super().active(X)
        mask[:, 4] = X[:, 3] == 1  # the last kernel belongs to the third convolution
        return mask

    def network(self, X):
        X = self.check(X)
        a, b, k, depth, last = (np.array(g.options)[x] for g, x in zip(self.genes, X.T))
        one = np.ones_like(a)
        read, written = [one, a, b, b, b], [a, b, b, b, 4 * one]
        kernel, stride = [k, k, last, one, one], [2 * one, 2 * one, one, one, one]
        high, wide = (
            [n * one for n in sizes] for sizes in ((24, 12, 6, 6, 1), (48, 24, 12, 12, 1))
        )
        columns = [read, written, kernel, kernel, stride, stride]
        columns += [high, wide, [*high[1:3], *high[3:], one], [*wide[1:3], *wide[3:], one]]
        active = np.stack([one, one, depth == 3, one, one], axis=1).astype(bool)
        return LayerTable(TOPOLOGY, active, *(np.stack(c, axis=1) for c in columns))


if __name__ == "__main__":
    space = MySpace()
    X = space.sample(5, np.random.default_rng(0))
    table = space.network(X)
    for row, subnet in enumerate(space.decode(X)):
        print(f"{table.macs[row].sum() / 1e6:.2f} million MACs: {subnet}")
